"""A whole session of measuring, on few cases: interrupted, resumed, and with nothing installed but NumPy."""

import subprocess
import sys
from pathlib import Path

import pytest

from validation.microbenchmarks import __main__ as program
from validation.microbenchmarks import suite
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.families.overheads import launch_cases
from validation.microbenchmarks.journal import partial_path, read_journal

ROOT = Path(__file__).resolve().parents[3]
FEW = [Case(family="copy", kernel="copy/device", dims={"bytes": 4096 * n}, nbytes=4e7) for n in (1, 2, 4)]
ISOLATED = """
import sys
BLOCKED = {"click", "rich", "pydantic", "pandas", "plotly", "simpy", "pulp", "highspy", "torch", "cupy"}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is not installed")
sys.meta_path.insert(0, Refuse())
from pathlib import Path
import validation.microbenchmarks.__main__
from validation.microbenchmarks import suite
from validation.microbenchmarks.families.overheads import launch_cases
from validation.microbenchmarks.scope import Scope
from validation.microbenchmarks.session import Order, measure
suite.FAMILIES, families = (launch_cases,), suite.FAMILIES
path = measure(Order(out=Path(sys.argv[1]), device="cpu", quick=True))
print(path.name, sorted(name for name in sys.modules if name.partition(".")[0] == "planner"))
from validation.microbenchmarks.arrays.backend import NumpyBackend
backend = NumpyBackend(1)
suite.FAMILIES = families
print(len(suite.all_cases(Scope(quick=True, facts=backend.facts(), offer=backend.offer()))) > 100)
"""


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(suite, "FAMILIES", (lambda _scope: iter(FEW), launch_cases))


def go(monkeypatch, folder, *options):
    monkeypatch.setattr(sys, "argv", ["x", "--out", str(folder), "--device", "cpu", "--quick", *options])
    return program.main()


@pytest.mark.usefixtures("few")
def test_an_interrupted_session_is_taken_up_again(monkeypatch, tmp_path, capsys):
    whole, count = suite.measure_case, 0

    def interrupt(*arguments):
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(suite, "measure_case", interrupt)
    path = tmp_path / "measurements-1.csv"
    assert go(monkeypatch, tmp_path) == 130
    assert "goes on" in capsys.readouterr().err
    left = read_journal(partial_path(path)).measurements
    assert len(left) == 3
    assert not path.exists()
    assert go(monkeypatch, tmp_path) == 0
    rows = read_journal(path).measurements
    assert rows[:3] == left
    assert len(rows) == 4 * 5  # four rounds of three copies and two launches
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("few")
def test_processes_that_share_the_machine_time_collectives_too(monkeypatch, tmp_path):
    monkeypatch.setattr("validation.microbenchmarks.families.collective.QUICK_SIZES", (2**12, 2**14))
    monkeypatch.setattr("validation.microbenchmarks.session.Processes", lambda *_: _Beside())
    assert go(monkeypatch, tmp_path, "--processes", "2") == 0
    rows = read_journal(tmp_path / "measurements-2.csv").measurements
    found = {row.case.kernel: row for row in rows if row.case.family == "collective"}
    assert set(found) == {"collective/all_reduce", "collective/point_to_point"}
    assert all(0 < row.value < 1 for row in found.values()), {row.skipped for row in rows}


class _Beside(suite.Companions):
    def __enter__(self):
        from validation.microbenchmarks.companions import Alone

        return Alone()

    def __exit__(self, *_exception):
        return None


def test_bad_input_ends_with_status_2(monkeypatch, tmp_path, capsys):
    assert go(monkeypatch, tmp_path, "--device", "quantum") == 2
    assert capsys.readouterr().err.startswith("Error: --device: found 'quantum'")


def test_measuring_needs_the_standard_library_and_numpy_only(tmp_path):
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", ISOLATED, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["measurements-1.csv []", "True"]


@pytest.mark.usefixtures("few")
def test_a_directory_that_cannot_be_written_is_refused(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert go(monkeypatch, tmp_path / "file" / "below") == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'file' / 'below'}: Not a directory; expected a directory to write to" in said


@pytest.mark.usefixtures("few")
def test_a_session_goes_on_with_further_rounds(monkeypatch, tmp_path):
    path = tmp_path / "measurements-1.csv"
    assert go(monkeypatch, tmp_path, "--seconds", "0") == 0
    assert {row.turn for row in read_journal(path).measurements} == {0}
    path.rename(partial_path(path))
    assert go(monkeypatch, tmp_path, "--seconds", "1000") == 0
    assert {row.turn for row in read_journal(path).measurements} == {0, 1, 2, 3}
