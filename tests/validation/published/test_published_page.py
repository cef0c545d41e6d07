"""The page of `simdl validate published`: its points and cells are the rows of the JSON."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from figures import in_base_units, rounded

import validation
from planner.pages.page import Cell
from validation.commands.published import published
from validation.published.compare import compare
from validation.published.page import published_page
from validation.published.prediction import predict_rows
from validation.published.report import report_json
from validation.published.results import cells_frame, result_cells
from validation.published.tables import load_published


@pytest.fixture(scope="module")
def small():
    rows = load_published().rows
    chosen = [row for row in rows if row.file in {"megatron-lm.csv", "vtrain-a100.csv"}]
    results = cells_frame(map(result_cells, predict_rows([*chosen[:2], *chosen[-12:]])))
    comparison = compare(results)
    data = report_json(results, comparison, {})
    return published_page(comparison, data), data, comparison


def test_points_are_the_scored_rows(small):
    page, data, _ = small
    figures = {section.title: section.body for section in page.sections}
    figure = figures["Predicted against measured step time"]
    drawn = figure.data[2:]
    points = sorted(
        (rounded(x), rounded(y))
        for trace in drawn
        for x, y in zip(*(in_base_units(figure, trace, key) for key in "xy"), strict=True)
    )
    scored = [row for row in data["rows"] if row["predicted"] is not None and row["unit"] == "s"]
    assert points == sorted((rounded(row["measured"]), rounded(row["predicted"])) for row in scored) != []
    assert {trace.name for trace in drawn} == {row["file"].removesuffix(".csv") for row in scored}
    errors = [error for trace in figures["Distribution of errors"].data for error in trace.x]
    assert len(errors) == sum(row["predicted"] is not None for row in data["rows"])


def test_cells_print_what_the_command_prints(small):
    page, _, comparison = small
    table = page.sections[0].body
    last = dict(zip(table.header, table.rows[-1], strict=True))
    rows, mean = comparison.overall.rows, comparison.overall.errors.mean
    assert last["table"] == Cell(text="overall")
    assert last["rows"] == Cell(text=str(rows), value=rows)
    assert last["mean"].text == f"{mean:.1%}"


def test_the_command_writes_it_once(tmp_path):
    source = tmp_path / "mine.csv"
    table = Path(validation.__file__).parent / "published" / "llm" / "megatron-lm.csv"
    source.write_text("\n".join(table.read_text(encoding="utf-8").splitlines()[:3]) + "\n", encoding="utf-8")
    arguments = ["--data", str(source), "--report", str(tmp_path / "report"), "--json"]
    result = CliRunner().invoke(published, arguments)
    assert result.exit_code == 0, result.stderr
    page = (tmp_path / "report" / "validate-published.html").read_text(encoding="utf-8")
    stored = page.partition('id="data">')[2].partition("</script>")[0]
    assert json.loads(stored) == json.loads(result.stdout)
    second = CliRunner().invoke(published, arguments)
    assert second.exit_code == 2
    assert "expected a new report, or --force to replace it" in second.stderr
