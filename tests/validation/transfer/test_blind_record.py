"""The record of first predictions: complete lines, written once."""

import pytest

from validation.published.prediction import predict_rows
from validation.published.tables import load_published
from validation.transfer.blind import COLUMNS, KEYS, blind_lines, main, recorded

TABLE = "mlperf-training.csv"


@pytest.fixture(scope="module")
def results():
    rows = [row for row in load_published().rows if row.file == TABLE and "resnet" in row["model"]]
    return list(predict_rows(rows))


def test_lines_count_the_predicted_rows_and_are_written_once(results):
    lines = blind_lines(results, "abc", recorded().iloc[:0])
    assert tuple(lines.columns) == COLUMNS
    assert lines["rows"].sum() == sum(result.predicted is not None for result in results)
    assert (lines["median"] <= lines["max"]).all()
    assert blind_lines(results, "def", lines).empty


def test_no_group_is_recorded_twice():
    assert not recorded().duplicated(list(KEYS)).any()


def test_the_command_names_its_tables(capsys):
    with pytest.raises(SystemExit):
        main(["--commit", "x"])
    assert "TABLE.csv" in capsys.readouterr().err
