"""`simdl calibrate`: what it prints and writes, and what it refuses. Measurements are made up."""

import json

import pytest
from click.testing import CliRunner
from measured_rows import FACTS, write_measurements

from planner.cli import main
from validation.calibration import session
from validation.commands import calibrate as command


@pytest.fixture
def measured(monkeypatch):
    """Orders, answered with rows of a machine with known terms; every run with noise of its own."""
    orders = []

    def measure(order):
        orders.append(order)
        return write_measurements(order.out, order.processes, order.backend, seed=len(orders))

    monkeypatch.setattr(session, "measure_apart", measure)
    monkeypatch.setattr(session, "process_counts", lambda _device: (1,))
    monkeypatch.setattr(command, "load_backend", lambda *_: _Backend())
    return orders


class _Backend:
    def facts(self):
        return FACTS


def run(folder, *options):
    return CliRunner().invoke(
        main, ["calibrate", "--device", "cpu", "--out", str(folder), *map(str, options)]
    )


def test_a_run_is_told_and_measured_again_only_when_asked_to(measured, tmp_path):
    folder = tmp_path / "new" / "calibration"
    done = run(folder)
    assert done.exit_code == 0, done.output
    for text in (
        "numpy (numpy 9.9, python 3.11) on Test Processor 9",
        "matmul",
        "fastest product: ",
        "copies: ",
    ):
        assert text in done.stdout
    assert "product beside copies: 1.5" in done.stdout
    assert "skipped: 2 of power: not supported: no counters" in done.stdout.replace("4 of", "2 of")
    assert "assumed: backend numpy" in done.stdout
    assert "differs from the one before" not in done.stdout
    assert (folder / "profile-1.toml").exists()

    refused = run(folder)
    assert refused.exit_code == 2
    assert "measurements-1.csv: exists; expected a new directory, or --force" in refused.stderr
    assert len(measured) == 1

    page = tmp_path / "pages"
    page.mkdir()
    again = run(folder, "--force", "--json", "--quick", "--backend", "numpy", "--report", page)
    assert again.exit_code == 0, again.output
    (answer,) = json.loads(again.stdout)["calibrations"]
    assert (measured[1].quick, measured[1].backend) == (True, "numpy")
    assert 0 < answer["previous_run"]["median"] < 0.05
    assert answer["rounds"]["cases"] > 100
    assert answer["link"] is None
    assert answer["contention"]["contention/product"] == pytest.approx(1.5, rel=0.1)
    assert {row["family"] for row in answer["errors"]} >= {"matmul", "softmax", "elementwise"}
    text = next(page.glob("*.html")).read_text(encoding="utf-8")
    assert json.loads(text.partition('id="data">')[2].partition("</script>")[0]) == json.loads(again.stdout)


def test_a_file_in_place_of_the_directory_is_refused(measured, tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    refused = run(path)
    assert refused.exit_code == 2
    assert f"--out {path}: is a file; expected a directory" in refused.stderr
    assert measured == []


def test_an_interrupted_run_says_that_it_goes_on(measured, monkeypatch, tmp_path):
    def interrupt(_order):
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "measure_apart", interrupt)
    stopped = run(tmp_path / "x")
    assert stopped.exit_code == 130
    assert "the same command goes on" in stopped.stderr
    assert measured == []
