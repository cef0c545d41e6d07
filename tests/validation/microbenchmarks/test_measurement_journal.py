"""The file of measurements: round trip, rows that cannot be read, files half written and of other devices."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measured_rows import setting

from validation.errors import MeasurementError
from validation.microbenchmarks.case import Case, format_dims, parse_dims
from validation.microbenchmarks.journal import (
    append_measurements,
    finish_journal,
    partial_path,
    read_journal,
    start_journal,
)
from validation.microbenchmarks.measurement import Measurement
from validation.microbenchmarks.session import earlier

CASE = Case(
    family="matmul",
    kernel="matmul/product",
    dims={"rows": 8, "outputs": 16, "inputs": 32},
    flops=8192.0,
    nbytes=3000.0,
    held_out=True,
)
ROW = Measurement(
    setting=setting(), case=CASE, turn=1, date="2026-11-26T12:00:00+00:00", value=0.25, least=0.125, samples=5
)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)


ROWS = (ROW, replace(ROW, turn=2))


def write(folder, rows=ROWS):
    path = folder / "measurements-1.csv"
    start_journal(path, ())
    append_measurements(path, rows)
    finish_journal(path)
    return path


@pytest.mark.property
@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.integers(0, 10**9), max_size=6))
def test_dims_come_back(dims):
    assert parse_dims(format_dims(dims)) == dims
    assert list(parse_dims(format_dims(dims))) == list(dims)


@pytest.mark.property
@settings(max_examples=40)
@given(device=TEXT, reason=TEXT, version=st.text("abc0123.+ ", min_size=1, max_size=8))
def test_any_text_comes_back(tmp_path_factory, device, reason, version):
    where = replace(setting(), device=device, software={"numpy": version, "blas": f"x {version}"})
    row = replace(ROW, setting=where, skipped=reason, value=0.0 if reason else 0.25)
    path = write(tmp_path_factory.mktemp("journal"), (row,))
    assert read_journal(path).measurements == (row,)


def test_a_finished_file_has_its_name_and_nothing_lies_beside_it(tmp_path):
    path = write(tmp_path)
    assert list(tmp_path.iterdir()) == [path]
    assert len(read_journal(path).measurements) == 2


def test_a_run_that_goes_on_is_in_a_file_of_another_name(tmp_path):
    path = tmp_path / "measurements-1.csv"
    start_journal(path, (ROW,))
    append_measurements(path, (replace(ROW, turn=2),))
    assert not path.exists()
    assert list(tmp_path.iterdir()) == [partial_path(path)]
    assert [row.turn for row in read_journal(partial_path(path)).measurements] == [1, 2]


def damage(path, edit):
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(edit(lines)), encoding="utf-8")


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (lambda lines: [*lines[:-1], lines[-1][:40]], "line 3: found 2 cells; expected 24"),
        (lambda lines: [*lines[:-1], lines[-1].replace("0.25", "fast")], "line 3: value: found 'fast'"),
        (lambda lines: [*lines[:-1], lines[-1].replace("0.25", "-1")], "line 3: value: found '-1'"),
        (lambda lines: [*lines[:-1], lines[-1].replace("0.25", "nan")], "line 3: value: found 'nan'"),
        (lambda lines: [*lines[:-1], lines[-1].replace("rows=8", "rows=x")], "line 3: dims: found 'rows=x"),
        (lambda lines: [*lines[:-1], "today" + lines[-1][10:]], "line 3: date: found 'today"),
        (lambda lines: [*lines[:-1], lines[-1].replace("0.25", "\0")], "line 3"),
    ],
)
def test_a_bad_row_is_named_and_the_good_ones_stay(tmp_path, edit, fault):
    path = write(tmp_path)
    damage(path, edit)
    journal = read_journal(path)
    assert [row.turn for row in journal.measurements] == [1]
    (said,) = journal.faults
    assert said.startswith(f"{path}: {fault}")


def test_a_file_with_other_columns_is_refused(tmp_path):
    path = write(tmp_path)
    damage(path, lambda lines: [lines[0].replace("spread,", ""), *lines[1:]])
    with pytest.raises(MeasurementError, match="line 1: no column spread; expected date, device"):
        read_journal(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(MeasurementError, match="line 1: no column date"):
        read_journal(path)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff\xfe\0")])
def test_what_is_no_text_file_is_refused(tmp_path, make):
    path = tmp_path / "measurements-1.csv"
    make(path)
    with pytest.raises(MeasurementError, match=r"measurements-1\.csv: cannot be read .*; expected a CSV"):
        read_journal(path)


def test_what_an_interrupted_run_left_is_taken_up_without_its_torn_line(tmp_path, capsys):
    path = tmp_path / "measurements-1.csv"
    start_journal(path, (ROW, replace(ROW, turn=2)))
    damage(partial_path(path), lambda lines: [*lines[:-1], lines[-1][:30]])
    assert earlier(path, setting()) == (ROW,)
    assert "line 3" in capsys.readouterr().err
    assert earlier(tmp_path / "none.csv", setting()) == ()


@pytest.mark.parametrize("other", [{"device": "Another"}, {"backend": "torch"}, {"software": {"numpy": "1"}}])
def test_what_another_machine_left_is_refused(tmp_path, other):
    path = tmp_path / "measurements-1.csv"
    start_journal(path, (replace(ROW, setting=replace(setting(), **other)),))
    with pytest.raises(MeasurementError, match=r"measured with .*; expected numpy .* on Test Processor 9"):
        earlier(path, setting())
