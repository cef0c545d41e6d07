"""Pages of `simdl validate collectives` and `kernels`: points and cells are the rows of the JSON."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import validation
from planner.pages.figures.units import STEPS
from validation.commands.collectives import collectives
from validation.commands.kernels import kernels
from validation.judging.page_sections import row_pairs, text_table

PUBLISHED = Path(validation.__file__).parent / "published"
TABLES = {
    "validate-collectives": (collectives, PUBLISHED / "cnn" / "collective_sweeps.csv", 60),
    "validate-kernels": (kernels, PUBLISHED / "kernels" / "gemm_achieved_tflops.csv", 31),
}


def run(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture(params=TABLES)
def case(request, tmp_path):
    command, table, lines = TABLES[request.param]
    short = tmp_path / table.name
    text = table.read_text(encoding="utf-8").splitlines()[:lines]
    short.write_text("\n".join(text) + "\n", encoding="utf-8")
    return (
        command,
        ("--data", short, "--report", tmp_path / "report"),
        tmp_path / "report" / f"{request.param}.html",
    )


def test_points_are_the_scored_rows_and_the_page_holds_the_json(case):
    command, arguments, path = case
    result = run(command, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    answer, page = json.loads(result.stdout), path.read_text(encoding="utf-8")
    assert json.loads(page.partition('id="data">')[2].partition("</script>")[0]) == answer
    scored = [row for row in answer["rows"] if row["skipped"] is None and row["predicted"] is not None]
    measured = {value for text in re.findall(r'"x":\[([^\]]*)\]', page) for value in text.split(",")}
    predicted = {value for text in re.findall(r'"y":\[([^\]]*)\]', page) for value in text.split(",")}
    assert len(scored) > 5
    units = [size for steps in STEPS.values() for size in steps.values()]  # an axis has one of them
    for name, shown in (("measured", measured), ("predicted", predicted)):
        assert any({json.dumps(row[name] / unit) for row in scored} <= shown for unit in units)


def test_cells_print_what_the_command_prints(case):
    command, arguments, path = case
    printed = run(command, *arguments)
    assert printed.exit_code == 0, printed.stderr
    page = path.read_text(encoding="utf-8")
    first = re.search(r"<tbody>\n<tr>(.*?)</tr>", page)[1]
    for cell in re.findall(r"<td[^>]*>(.*?)</td>", first):
        assert cell.removesuffix("%") in printed.stdout


def test_columns_of_kernels_hold_the_numbers_of_the_json(tmp_path):
    table = PUBLISHED / "kernels" / "gemm_achieved_tflops.csv"
    result = run(kernels, "--data", table, "--report", tmp_path, "--json")
    summary = json.loads(result.stdout)["summary"]
    page = (tmp_path / "validate-kernels.html").read_text(encoding="utf-8")
    header = re.findall(r"<th[^>]*>(.*?)</th>", page.partition("</thead>")[0])
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    rows = [re.findall(r"<td([^>]*)>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", body)]
    scored = [entry for entry in summary if entry["fitted"] or entry["held_out"]]
    assert len(rows) == len(scored) > 1
    for row, entry in zip(rows, scored, strict=True):
        found = dict(zip(header, row, strict=True))
        for key, part in (("fitted", "fitted on"), ("held_out", "held out")):
            rows_of = entry[key]["n"] if entry[key] else 0
            assert f'data-value="{rows_of}"' in found[f"rows, {part}"][0]
            for name in ("median", "mean", "p90", "bias"):
                marked, text = found[f"{name}, {part}"]
                assert 'class="number"' in marked or text == "-"
                if entry[key]:
                    assert f'data-value="{json.dumps(entry[key][name])}"' in marked
                    assert text == f"{entry[key][name]:.1%}"
    assert all("/" not in text for row in rows for _, text in row)


def test_an_existing_page_is_replaced_by_force_only(case):
    command, arguments, _ = case
    assert run(command, *arguments).exit_code == 0
    second = run(command, *arguments)
    assert second.exit_code == 2
    assert "expected a new report, or --force to replace it" in second.stderr
    assert run(command, *arguments, "--force").exit_code == 0


def test_numbers_and_shares_sort_by_value_and_texts_by_text():
    row = text_table(("a", "b", "c"), [("12", "3.5%", "1 / 2")]).rows[0]
    assert [cell.value for cell in row] == [12.0, 3.5, None]


def test_skipped_rows_are_no_points():
    row = {"file": "a.csv", "row": 1, "item": "x", "measured": 1.0, "predicted": 2.0, "unit": "s"}
    rows = [{**row, "skipped": None}, {**row, "skipped": "odd"}, {**row, "predicted": None, "skipped": None}]
    assert [pair.predicted for pair in row_pairs(rows, "s")] == [2.0]
