"""Tables as frames of text, and frames as JSON."""

import pandas as pd
import pytest

from validation.errors import MeasurementError
from validation.judging.tables import counted, json_rows, read_table


def table(folder, text):
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_cells_stay_text_and_rows_count_blank_lines(tmp_path):
    found = read_table(table(tmp_path, '\ufeffa, b\n 1 ,NA\n\n"x, y",\n'))
    assert found.to_dict("index") == {1: {"a": "1", "b": "NA"}, 3: {"a": "x, y", "b": ""}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found an empty file"),
        ("a,b\n\n", "found a header and no rows"),
        ("a,b\n1,2\n3\n", "row 2: found 1 cells; expected 2"),
        ("a,b\n1,2,3\n", "Expected 2 fields in line 2, saw 3"),
        ("a,b,a\n1,2,3\n", "header: found a twice; expected unique columns"),
    ],
)
def test_what_is_no_table_is_one_message(tmp_path, text, said):
    path = table(tmp_path, text)
    with pytest.raises(MeasurementError) as error:
        read_table(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_json_rows_have_null_where_there_is_nothing():
    frame = pd.DataFrame(
        [("a.csv", 1, "x", 2.0, None, "s", "why", True), ("a.csv", 2, "y", 2.0, 3.0, "s", None, False)],
        columns=["file", "row", "item", "measured", "predicted", "unit", "skipped", "fitted"],
    )
    first, second = json_rows(frame, "fitted")
    assert (first["predicted"], first["skipped"], first["fitted"]) == (None, "why", True)
    assert (second["predicted"], second["skipped"], second["fitted"]) == (3.0, None, False)
    assert type(second["row"]) is int


def test_counts_come_most_frequent_first_and_ties_in_order():
    assert list(counted(pd.Series(["b", "c", None, "a", "c"])).items()) == [("c", 2), ("b", 1), ("a", 1)]
