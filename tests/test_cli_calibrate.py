"""`simdl calibrate`: what it prints and writes, and what it refuses. Measurements are made up."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from measured_rows import FACTS, write_measurements

from planner.cli import main
from validation.calibration import session
from validation.calibration.host_load import Clock, others_load
from validation.commands import calibrate as command
from validation.microbenchmarks.journal import partial_path
from validation.microbenchmarks.session import measurements_name


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
    refused = run(path / "below")
    assert refused.stderr.count("Error: ") == 1
    assert f"--out {path / 'below'}: Not a directory; expected a directory to write to" in refused.stderr
    assert measured == []


def test_an_interrupted_run_says_that_it_goes_on(measured, monkeypatch, tmp_path):
    def interrupt(_order):
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "measure_apart", interrupt)
    stopped = run(tmp_path / "x")
    assert stopped.exit_code == 130
    assert "the same command goes on" in stopped.stderr
    assert measured == []


@pytest.fixture
def two_stages(measured, monkeypatch):
    """A machine with a two-process stage; a number in the list stops that stage half way."""
    monkeypatch.setattr(session, "process_counts", lambda _device: (1, 2))
    stops = []
    measure = session.measure_apart

    def stopping(order):
        path = order.out / measurements_name(order.processes)
        if order.processes in stops:
            order.out.mkdir(parents=True, exist_ok=True)
            partial_path(path).write_text("half a run")
            raise KeyboardInterrupt
        found = measure(order)
        partial_path(path).unlink(missing_ok=True)
        return found

    monkeypatch.setattr(session, "measure_apart", stopping)
    return measured, stops


class TestInterruption:
    @pytest.mark.parametrize(("stopped", "left"), [(1, [1, 2]), (2, [2])])
    def test_a_run_goes_on_in_the_stage_that_it_was_stopped_in(self, two_stages, tmp_path, stopped, left):
        orders, stops = two_stages
        stops.append(stopped)
        assert run(tmp_path / "x").exit_code == 130
        stops.clear()
        before = len(orders)
        done = run(tmp_path / "x")
        assert done.exit_code == 0, done.output
        assert [order.processes for order in orders[before:]] == left
        assert "stage 2 of 2: measuring with 2 processes at once" in done.stderr
        assert (tmp_path / "x" / "profile-2.toml").exists()
        assert run(tmp_path / "x").exit_code == 2

    def test_a_run_that_replaces_another_goes_on_too_and_compares_in_the_end(self, two_stages, tmp_path):
        orders, stops = two_stages
        assert run(tmp_path / "x").exit_code == 0
        stops.append(1)
        assert run(tmp_path / "x", "--force").exit_code == 130
        stops.clear()
        before = len(orders)
        done = run(tmp_path / "x", "--json")
        assert done.exit_code == 0, done.output
        assert [order.processes for order in orders[before:]] == [1, 2]
        first, second = json.loads(done.stdout)["calibrations"]
        assert min(each["previous_run"]["cases"] for each in (first, second)) > 100
        assert not list((tmp_path / "x").glob("*.before"))

    def test_force_starts_anew_whatever_is_left(self, two_stages, tmp_path):
        orders, stops = two_stages
        stops.append(2)
        assert run(tmp_path / "x").exit_code == 130
        stops.clear()
        done = run(tmp_path / "x", "--force")
        assert done.exit_code == 0, done.output
        assert [order.processes for order in orders] == [1, 1, 2]

    def test_a_run_that_was_stopped_while_fitting_is_fitted(self, two_stages, tmp_path):
        orders, _ = two_stages
        assert run(tmp_path / "x").exit_code == 0
        (tmp_path / "x" / "residuals-2.csv").unlink()
        done = run(tmp_path / "x")
        assert done.exit_code == 0, done.output
        assert len(orders) == 2
        assert (tmp_path / "x" / "residuals-2.csv").exists()

    def test_measurements_of_another_library_are_not_gone_on_with(self, two_stages, tmp_path):
        _, stops = two_stages
        stops.append(2)
        assert run(tmp_path / "x").exit_code == 130
        stops.clear()
        done = run(tmp_path / "x", "--backend", "torch")
        assert done.exit_code == 2
        assert "measurements-1.csv: found numpy on Test Processor 9; expected torch on" in done.stderr


@pytest.mark.usefixtures("measured")
class TestVerdict:
    def test_a_quiet_run_ends_as_usable(self, tmp_path, monkeypatch):
        monkeypatch.setattr(session, "others_load", lambda *_: 0.01)
        done = run(tmp_path / "x")
        assert done.exit_code == 0
        assert done.stdout.splitlines()[-1].startswith("verdict: usable (numpy")

    def test_processes_without_a_link_between_them_are_not_usable(self, two_stages, tmp_path, monkeypatch):
        del two_stages
        monkeypatch.setattr("validation.calibration.calibrate.fit_link", lambda _rows: None)
        done = run(tmp_path / "x")
        assert done.exit_code == 1
        assert "verdict: not usable: nothing was measured between processes" in done.stdout

    def test_another_load_is_said(self, tmp_path, monkeypatch):
        monkeypatch.setattr(session, "others_load", lambda *_: 0.8)
        done = run(tmp_path / "x")
        assert done.exit_code == 0
        last = done.stdout.splitlines()[-1]
        assert last.startswith(
            "verdict: noisy: others kept 0.8 cores busy meanwhile; expected an idle machine"
        )

    def test_a_bad_fit_does_not_end_like_a_good_one(self, tmp_path, monkeypatch):
        monkeypatch.setattr(session, "others_load", lambda *_: None)
        fit = session.calibrate

        def wrong(*given):
            fitted, residuals = fit(*given)
            off = [replace(row, predicted=1.87 * row.timed.seconds) for row in residuals]
            return fitted, tuple(off)

        monkeypatch.setattr(session, "calibrate", wrong)
        done = run(tmp_path / "x")
        assert done.exit_code == 1
        last = done.stdout.splitlines()[-1]
        assert last.startswith("verdict: not usable: kernels held out are off by 87% in the median")
        answer = json.loads(run(tmp_path / "y", "--json").stdout)
        assert answer["calibrations"][0]["verdict"]["word"] == "not usable"


def test_cores_that_others_keep_busy_are_what_is_left_of_all():
    before, after = Clock(passed=5.0, busy=100.0, own=7.0), Clock(passed=15.0, busy=118.0, own=17.0)
    assert others_load(before, after) == pytest.approx(0.8)
    assert others_load(None, after) is None
    assert others_load(after, after) is None
