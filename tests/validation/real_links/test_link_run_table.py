"""Runs on links as CSV: what is written reads back, and a faulty file is refused with its place."""

from pathlib import Path

import pytest
from test_link_prediction import CONDITIONS, repetition

from simdl.errors import SimdlError
from validation.errors import MeasurementError
from validation.real_links.compare import LARGE, compare, relative_error
from validation.real_links.link_run import LinkRun
from validation.real_links.run_table import COLUMNS, load_run, write_run

RUN = LinkRun(conditions=CONDITIONS, repetitions=(repetition(1024, 0.001), repetition(2048, 0.002)))
MEASURED = Path(__file__).parents[3] / "validation" / "measured" / "real_links"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "run.csv"
    write_run(RUN, path)
    return path


def test_what_is_written_reads_back(table):
    assert load_run(table) == RUN


def edit(path, column, text, *, line=2):
    lines = path.read_text().splitlines()
    cells = lines[line - 1].split(",")
    cells[COLUMNS.index(column)] = text
    lines[line - 1] = ",".join(cells)
    path.write_text("\n".join(lines))


@pytest.mark.parametrize(
    ("column", "text"),
    [("time", "0"), ("time", "soon"), ("time", "nan"), ("time", ""), ("nbytes", "1.5"), ("delay", "-1")],
)
def test_a_faulty_cell_is_named(table, column, text):
    edit(table, column, text, line=3)
    with pytest.raises(MeasurementError, match=rf"line 3: {column} is '{text}'; expected a number"):
        load_run(table)


def test_runs_of_two_machines_do_not_mix(table):
    edit(table, "kernel", "Linux 7", line=3)
    with pytest.raises(MeasurementError, match="line 3: other conditions"):
        load_run(table)


def test_other_tables_are_refused(table):
    table.write_text("a,b\n1,2\n")
    with pytest.raises(MeasurementError, match="no column date"):
        load_run(table)
    table.write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(MeasurementError, match="no rows"):
        load_run(table)
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MeasurementError, match="UTF-8"):
        load_run(table)


def test_a_run_is_written_whole_or_not_at_all(tmp_path):
    with pytest.raises(SimdlError, match="cannot write the measurements"):
        write_run(RUN, tmp_path / "absent" / "run.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", sorted(MEASURED.glob("*.csv")), ids=lambda path: path.name)
def test_recorded_runs_stay_within_a_tenth_of_the_simulator(path):
    run = load_run(path)
    large = [row for row in compare(run) if row.nbytes >= LARGE]
    assert {(row.transport, row.algorithm) for row in large} >= {
        ("sockets", "ring"),
        ("sockets", "recursive_doubling"),
        ("sockets", "parameter_server"),
        ("gloo", "ring"),
    }
    errors = {f"{row.transport} {row.algorithm} {row.nbytes}": relative_error(row) for row in large}
    assert {item: error for item, error in errors.items() if error is None or abs(error) > 0.10} == {}


def test_a_run_is_recorded():
    assert list(MEASURED.glob("*.csv"))
