"""The command line of `simdl validate published`: table, JSON contract and refused input."""

import csv
import json

import pytest
from click.testing import CliRunner

from validation.commands.validate import validate
from validation.published.tables import LLM_COLUMNS, load_published


def run(*arguments):
    return CliRunner().invoke(validate, ["published", *map(str, arguments)])


@pytest.fixture
def table(tmp_path):
    """Three rows that run, one that ran out of memory, and three that cannot be predicted."""
    rows = load_published().rows
    chosen = [row for row in rows if row.file == "vtrain-a100.csv"][:3]
    chosen += [
        row for row in rows if row["tokens_per_s_per_device" if row.kind == "llm" else "value"] == "OOM"
    ][:1]
    base = dict(chosen[0].cells)
    cells = [row.cells for row in chosen]
    cells += [base | {"n_layers": ""}, base | {"step_time_s": "-1"}, base | {"moe_experts": "8"}]
    file = tmp_path / "mine.csv"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, LLM_COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(cells)
    return file


def test_json_has_every_row_with_its_reason(table):
    result = run("--data", table, "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert set(data) == {"headline", "rows", "summary"}
    assert [row["row"] for row in data["rows"]] == list(range(1, 8))
    assert {tuple(row) for row in data["rows"]} == {
        ("file", "row", "item", "measured", "predicted", "unit", "skipped")
    }
    for row in data["rows"][:3]:
        assert row["skipped"] is None
        assert row["unit"] == "s"
        assert 0.3 < row["predicted"] / row["measured"] < 3
    reasons = [row["skipped"] for row in data["rows"][3:]]
    assert "out of memory" in reasons[0]
    assert reasons[1] == "n_layers is not published"
    assert "above 0" in reasons[2]
    assert "mixture of experts" in reasons[3]
    assert data["summary"]["overall"]["predicted"] == 3


def test_table_has_errors_and_reasons(table):
    result = run("--data", table, "--skipped")
    assert result.exit_code == 0, result.output
    for text in ("mine.csv", "median", "bias", "n_layers is not published"):
        assert text in result.stdout


def test_skipped_rows_are_counted_where_nobody_asks_why(table):
    result = run("--data", table)
    assert "4 rows are skipped; --skipped lists why" in result.stdout
    assert "n_layers is not published" not in result.stdout


def test_runs_whose_memory_is_judged_wrongly_are_listed(table):
    result = run("--data", table, "--memory")
    assert result.exit_code == 0, result.output
    assert "Memory judged wrongly" in result.stdout
    assert "what happened" in result.stdout


def test_unknown_source_takes_the_default_stack_and_warns(table):
    text = table.read_text().replace("VIA-Research/vTrain", "someone/else")
    table.write_text(text.replace("software Megatron-DeepSpeed", "software not named, of 2024"))
    result = run("--data", table, "--json")
    assert result.exit_code == 0, result.output
    warnings = json.loads(result.stdout)["summary"]["warnings"]
    assert any("default of ampere devices" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [("empty.csv", "", "found an empty"), ("other.csv", "a,b\n1,2\n", "expected also")],
)
def test_bad_tables_exit_with_two_and_one_message(tmp_path, name, content, expected):
    file = tmp_path / name
    file.write_text(content)
    result = run("--data", file)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert name in result.stderr
    assert "Traceback" not in result.output


def test_missing_file_exits_with_two(tmp_path):
    result = run("--data", tmp_path / "absent.csv")
    assert result.exit_code == 2
    assert "absent.csv" in result.stderr


def test_help_lists_the_sub_commands_without_importing_them():
    result = CliRunner().invoke(validate, ["--help"])
    assert result.exit_code == 0
    for name in ("published", "collectives", "kernels"):
        assert name in result.stdout


def test_unknown_sub_command_exits_with_two():
    assert CliRunner().invoke(validate, ["nothing"]).exit_code == 2
