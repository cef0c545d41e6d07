"""Reading published tables: headers, folders and what is refused."""

import csv

import pytest

from validation.errors import MeasurementError
from validation.published.tables import CNN_COLUMNS, LLM_COLUMNS, load_published, load_table, load_tables


def write(path, header, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def cells(columns, **values):
    return [values.get(column, "") for column in columns]


def test_rows_are_counted_from_one_and_stripped(tmp_path):
    file = write(
        tmp_path / "a.csv", LLM_COLUMNS, cells(LLM_COLUMNS, model=" GPT "), cells(LLM_COLUMNS, tp="2")
    )
    first, second = load_table(file, name="a.csv")
    assert (first.number, first["model"], second.number, second["tp"]) == (1, "GPT", 2, "2")
    assert first.kind == "llm"


def test_extra_and_reordered_columns_are_fine(tmp_path):
    header = [*reversed(CNN_COLUMNS), "mine"]
    file = write(tmp_path / "a.csv", header, cells(header, model="resnet50", mine="x"))
    (row,) = load_table(file, name="a.csv")
    assert (row.kind, row["model"]) == ("cnn", "resnet50")


def test_blank_lines_keep_the_numbers_of_the_others(tmp_path):
    file = write(tmp_path / "a.csv", LLM_COLUMNS, cells(LLM_COLUMNS, tp="1"), [], cells(LLM_COLUMNS, tp="2"))
    assert [row.number for row in load_table(file, name="a.csv")] == [1, 3]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "found an empty"),
        ("\n1,2\n", "Expected 0 fields in line 2, saw 2"),
        (",".join(LLM_COLUMNS) + "\n", "no rows"),
        ("a,b\n1,2\n", "expected also"),
        (
            ",".join(c for c in LLM_COLUMNS if c != "tp") + "\n1" + "," * (len(LLM_COLUMNS) - 2),
            "expected also tp",
        ),
        (",".join(LLM_COLUMNS) + "\nx,y\n", "row 1: found 2 cells"),
        ("a,b\n1,2,3\n", "Expected 2 fields in line 2, saw 3"),
        (",".join((*LLM_COLUMNS, "tp")) + "\n1\n", "found tp twice"),
    ],
)
def test_bad_tables_are_refused_with_file_found_and_expected(tmp_path, content, expected):
    file = tmp_path / "bad.csv"
    file.write_text(content)
    with pytest.raises(MeasurementError, match=expected) as error:
        load_tables(file)
    assert "bad.csv" in str(error.value)


def test_binary_file_is_refused(tmp_path):
    file = tmp_path / "bad.csv"
    file.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(MeasurementError, match="UTF-8"):
        load_tables(file)


def test_folder_reports_files_that_are_no_table(tmp_path):
    write(tmp_path / "a.csv", LLM_COLUMNS, cells(LLM_COLUMNS, tp="1"))
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep" / "b.csv", CNN_COLUMNS, cells(CNN_COLUMNS, model="x"))
    (tmp_path / "deep" / "c.csv").write_text("size,time\n1,2\n")
    tables = load_tables(tmp_path)
    assert [row.file for row in tables.rows] == ["a.csv", "b.csv"]
    assert list(tables.skipped_files) == ["c.csv"]


def test_equal_names_in_a_folder_keep_their_path(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "a.csv", LLM_COLUMNS, cells(LLM_COLUMNS, tp="1"))
    assert [row.file for row in load_tables(tmp_path).rows] == ["one/a.csv", "two/a.csv"]


def test_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(MeasurementError, match="none with a known header"):
        load_tables(tmp_path)


def test_missing_path_is_refused(tmp_path):
    with pytest.raises(MeasurementError, match="no such file"):
        load_tables(tmp_path / "absent.csv")


@pytest.mark.published
def test_tables_of_the_project_have_the_rows_their_sources_print():
    rows = load_published().rows
    assert sum(1 for row in rows if row.file == "training.csv") == 611
    second = "timm-train timm-infer torchvision-train-steps lambda-deeplearning-benchmark mlperf-training"
    counts = [sum(row.file == f"{name}.csv" for row in rows) for name in second.split()]
    assert counts == [222, 289, 768, 320, 107]
    assert [sum(row.file == f"{name}.csv" for row in rows) for name in ("llm-tables", "mlperf-llm")] == [
        213,
        26,
    ]
    assert sum(1 for row in rows if row.file == "vtrain-a100.csv") == 1080
    assert len(rows) == 4313
