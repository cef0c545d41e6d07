"""The command line of `simdl validate links`: stored runs, short runs, and what is refused or skipped."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from validation.commands import links as command
from validation.commands.validate import validate
from validation.real_links import gloo
from validation.real_links.availability import reason_unavailable
from validation.real_links.run_table import load_run

RECORDED = Path(__file__).parents[1] / "validation" / "measured" / "real_links" / "epyc-2-cores.csv"


def run(*arguments):
    return CliRunner().invoke(validate, ["links", *map(str, arguments)])


@pytest.fixture
def unavailable(monkeypatch):
    monkeypatch.setattr(command, "reason_unavailable", lambda **_: "no root here")


@pytest.fixture
def untouched(monkeypatch):
    """Bad input must be refused before anything is tried."""
    monkeypatch.setattr(command, "reason_unavailable", lambda **_: pytest.fail("tried"))


class TestStoredRun:
    def test_is_shown_as_a_table(self):
        done = run("--data", RECORDED)
        assert done.exit_code == 0, done.output
        assert "4 ranks on a switch, links of 200 Mbit/s each way" in done.stdout
        for text in ("parameter server", "8.0 MiB", "at least 1 MiB", "gloo ring at least 1 MiB"):
            assert text in done.stdout

    def test_has_the_rows_of_every_validation(self):
        report = json.loads(run("--data", RECORDED, "--json").stdout)
        row = report["rows"][0]
        assert {"file", "row", "item", "measured", "predicted", "unit", "skipped"} <= set(row)
        assert (row["file"], row["row"], row["unit"]) == ("epyc-2-cores.csv", 1, "s")
        assert row["item"] == "sockets ring 65536"
        large = report["summary"]["at_least_1_mib"]
        assert large["measured"] == 20
        assert large["max"] <= 0.10
        assert report["conditions"]["rate"] == 25e6

    @pytest.mark.parametrize("given", [("--ranks", "4"), ("--rate", "1 Gbit/s"), ("--out", "x.csv")])
    def test_takes_no_option_of_a_measurement(self, given):
        done = run("--data", RECORDED, *given)
        assert done.exit_code == 2
        assert f"{given[0]} with --data" in done.stderr

    def test_has_a_page_with_its_points_and_its_json(self, tmp_path):
        done = run("--data", RECORDED, "--report", tmp_path, "--json")
        assert done.exit_code == 0, done.output
        answer, page = json.loads(done.stdout), (tmp_path / "validate-links.html").read_text()
        assert json.loads(page.partition('id="data">')[2].partition("</script>")[0]) == answer
        assert "4 ranks on a switch, links of 200 Mbit/s each way" in page
        for row in answer["rows"]:
            assert json.dumps(row["measured"]) in page

    def test_that_is_none_is_refused(self, tmp_path):
        path = tmp_path / "other.csv"
        path.write_text("a,b\n1,2\n")
        assert run("--data", path).exit_code == 2
        done = run("--data", tmp_path / "absent.csv")
        assert done.exit_code == 2
        assert "absent.csv: cannot be read (No such file or directory); expected a CSV file" in done.stderr


@pytest.mark.usefixtures("unavailable")
class TestSkipped:
    def test_ends_well_with_the_reason(self):
        done = run()
        assert done.exit_code == 0
        assert done.stdout == "skipped: no root here\n"

    def test_json_has_a_row_per_algorithm_and_size(self):
        report = json.loads(run("--json", "--sizes", "1MiB..2MiB").stdout)
        assert len(report["rows"]) == 10
        assert {row["skipped"] for row in report["rows"]} == {"no root here"}
        assert {row["measured"] for row in report["rows"]} == {None}
        assert report["summary"]["overall"] == {
            "measured": 0,
            "skipped": 10,
            "n": 0,
            "mean": 0,
            "median": 0,
            "p90": 0,
            "max": 0,
            "bias": 0,
        }
        assert report["conditions"] is None
        assert report["rows"][0]["file"] == "this run"

    def test_writes_no_page_and_no_table(self, tmp_path):
        done = run("--report", tmp_path / "report", "--out", tmp_path / "run.csv")
        assert done.stdout == "skipped: no root here\n"
        assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--rate", "200"), "--rate: '200' has no unit"),
        (("--rate", "-1 Gbit/s"), "--rate: found '-1 Gbit/s'; expected"),
        (("--sizes", "1MiB.."), "--sizes: found '1MiB..'; expected a size, or LOW..HIGH"),
        (("--rate", "10 kbit/s"), "expected at least 1 Mbit/s"),
        (("--delay", "-1 ms"), "--delay: found '-1 ms'; expected at least 0 s"),
        (("--delay", "1 ns"), "at least 1 us"),
        (("--sizes", "5 B"), "no whole float32 values"),
        (("--sizes", "3KiB..3.5KiB"), "--sizes: no power of two in '3KiB..3.5KiB'"),
        (("--ranks", "1"), "--ranks"),
        (("--repeats", "0"), "--repeats"),
        (("--out", "absent/run.csv"), "existing directory"),
        (("--out", RECORDED), "--force"),
    ],
)
def test_bad_input_is_one_message(given, message):
    done = run(*given)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_a_short_run_is_written_and_says_what_it_left_out(monkeypatch, tmp_path):
    if reason := reason_unavailable(rate=25e6):
        pytest.skip(reason)
    monkeypatch.setattr(gloo, "find_spec", lambda _name: None)
    path = tmp_path / "run.csv"
    done = run("--ranks", 2, "--sizes", "64KiB", "--repeats", 2, "--out", path)
    assert done.exit_code == 0, done.output
    assert "skipped: gloo: PyTorch is not installed (extra torch)" in done.stdout
    stored = load_run(path)
    assert len(stored.repetitions) == 8
    assert stored.conditions.ranks == 2
    assert run("--data", path).stdout.splitlines()[:2] == done.stdout.splitlines()[:2]


def test_more_than_the_cores_carry_is_a_warning(monkeypatch, capsys):
    monkeypatch.setattr(command, "usable_cores", lambda: 2)
    asked = {"delay": None, "sizes": "1MiB", "repeats": 1}
    command._warn_of_cores(command.build_series(ranks=4, rate="200 Mbit/s", **asked))
    assert capsys.readouterr().err == ""
    command._warn_of_cores(command.build_series(ranks=4, rate="1 Gbit/s", **asked))
    assert "links of 4 Gbit/s in all on 2 cores" in capsys.readouterr().err
