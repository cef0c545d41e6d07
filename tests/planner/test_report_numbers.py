"""Numbers on report pages: every text is its value rounded, and figures draw the numbers of the JSON."""

import json
import re

import pytest
from click.testing import CliRunner
from figures import amounts, check_figures, in_base_units, page_figures, rounded
from test_report_page import GPT2, pages

from planner.commands.collectives import collectives
from planner.commands.microbatch import microbatch
from planner.commands.plan import plan
from planner.commands.scale import scale
from planner.commands.simulate import simulate
from planner.console.answers.breakdown_rows import real_amounts
from planner.console.format import format_seconds

UNITS = {
    "": 1.0,
    "%": 1e-2,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "ns": 1e-9,
    "B": 1.0,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
    "B/s": 1.0,
    "kB/s": 1e3,
    "MB/s": 1e6,
    "GB/s": 1e9,
    "TB/s": 1e12,
    "FLOP/s": 1.0,
    "MFLOP/s": 1e6,
    "GFLOP/s": 1e9,
    "TFLOP/s": 1e12,
    "PFLOP/s": 1e15,
}
PRINTED = re.compile(r"([+-]?[\d,]+(?:\.(\d+))?(?:e([+-]\d+))?) ?([A-Za-z%/]*)")
PAGES = {
    "plan": (plan, (*GPT2, "--top", "3")),
    "layers": (plan, ("alexnet", "--cluster", "dgx-1-p100:4", "--global-batch", "512", "--top", "2")),
    "simulate": (simulate, (*GPT2, "--pp", "2", "--tp", "2", "--zero", "1")),
    "collectives": (collectives, ("--cluster", "dgx-a100:2", "--size", "1KiB..16MiB", "--algorithm", "all")),
    "scale": (scale, ("resnet50", "--cluster", "dgx-a100:1..4", "--global-batch", "1024")),
    "microbatch": (microbatch, ("alexnet", "--device", "v100-sxm2-16gb", "--batch", "64")),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """JSON, page and cells of a command, written once."""
    known = {}

    def page(name):
        if name not in known:
            command, arguments = PAGES[name]
            known[name] = pages(command, *arguments, directory=tmp_path_factory.mktemp("report"))
        return known[name]

    return page


def numbers(data):
    """All numbers of a JSON value."""
    if isinstance(data, dict):
        return {found for item in data.values() for found in numbers(item)}
    if isinstance(data, list):
        return {found for item in data for found in numbers(item)}
    return {float(data)} if isinstance(data, int | float) and not isinstance(data, bool) else set()


def drawn(page):
    """All numbers on axes of bars, lines and markers of a page, in base units."""
    return {number for figure in page_figures(page).values() for number in amounts(figure)}


def told(values):
    """Numbers of the JSON as figures keep them."""
    return {rounded(value) for value in values}


@pytest.mark.parametrize("name", PAGES)
def test_every_cell_prints_its_value_to_the_last_digit(written, name):
    _, _, parts = written(name)
    cells = [(text, float(value)) for text, value in parts.cells if value is not None]
    assert len(cells) > 5
    for text, value in cells:
        number, decimals, power, unit = PRINTED.fullmatch(text).groups()
        digit = 10.0 ** (int(power or 0) - len(decimals or "")) * UNITS[unit]
        assert abs(float(number.replace(",", "")) * UNITS[unit] - value) <= 0.5001 * digit, text


@pytest.mark.parametrize("name", PAGES)
def test_values_of_cells_are_those_of_the_json(written, name):
    answer, _, parts = written(name)
    known = numbers(answer) | {float(rank) for rank in range(1, 20)}
    for use in [*answer.get("communication", ()), *answer.get("plans", [{}])[0].get("communication", ())]:
        known |= {use["nbytes"] / use["count"], use["nbytes"] / use["seconds"]}
    unknown = {float(value) for _, value in parts.cells if value is not None} - known
    assert unknown == set()


@pytest.mark.parametrize("name", PAGES)
def test_a_colour_has_one_meaning_and_axes_one_unit(written, name):
    _, page, _ = written(name)
    assert check_figures(page) == page.count('class="plotly-graph-div"')


class TestFigures:
    def test_of_a_plan(self, written):
        answer, page, _ = written("plan")
        found = drawn(page)
        for best in answer["plans"]:
            assert told({best["step_time"], best["peak_memory"]}) <= found
            assert told(real_amounts(best["breakdown"]).values()) <= found
            assert told(real_amounts(best["memory"]).values()) <= found
        assert len(answer["smaller_clusters"]) >= 1
        assert told(use["seconds"] for use in answer["plans"][0]["communication"]) <= found

    def test_of_layers_split_one_by_one(self, written):
        answer, page, parts = written("layers")
        found, best = answer["layerwise"], answer["plans"][0]
        assert told(real_amounts(found["breakdown"]).values()) <= drawn(page)
        rows, shown = {text for text, _ in parts.cells}, drawn(page)
        for layer in found["layers"]:
            assert told({layer["compute"], layer["gradient_sum"]}) - {0.0} <= shown
            assert told({layer["exchange"], layer["resharding"]}) - {0.0} <= shown
            assert {layer["layer"], layer["split"]} <= rows
        assert best["step_time"] == found["step_time"]
        assert f"a step takes {format_seconds(found['step_time'])}, " in page
        assert "faster than the best plan that divides all layers alike" in page
        assert re.search(r'"y":\["layers alike","per layer"\]', page)

    def test_of_a_cluster_that_can_shrink(self, tmp_path):
        arguments = ("gpt2", "--cluster", "dgx-a100:4", "--global-batch", "32", "--top", "1")
        answer, page, _ = pages(plan, *arguments, directory=tmp_path)
        clusters = answer["smaller_clusters"]
        assert [cluster["nodes"] for cluster in clusters] == [1, 2, 4]
        assert told(cluster["bound"] for cluster in clusters) <= drawn(page)
        best = answer["plans"][0]
        assert clusters[-1]["bound"] <= best["step_time"] * (1 + 1e-9)

    def test_of_a_step(self, written):
        answer, page, _ = written("simulate")
        found = drawn(page)
        for key in ("breakdown", "critical_path", "memory"):
            assert told(real_amounts(answer[key]).values()) <= found, key
        assert told(use["seconds"] for use in answer["communication"]) <= found
        gantt = page_figures(page)["Pipeline"]
        path = in_base_units(gantt, gantt.data[-1], "x")
        assert path[-1] == pytest.approx(answer["step_time"], rel=1e-12)

    def test_of_collectives(self, written):
        answer, page, _ = written("collectives")
        shown = drawn(page)
        for row in answer["rows"]:
            assert told({row["size"], row["time"], row["bus_bandwidth"]}) <= shown

    def test_of_scaling(self, written):
        answer, page, _ = written("scale")
        found = drawn(page)
        for point in answer["points"]:
            assert told({point["samples_per_s"], point["efficiency"]}) <= found
            assert told(real_amounts(point["breakdown"]).values()) <= found

    def test_of_micro_batches(self, written):
        answer, page, _ = written("microbatch")
        shown = drawn(page)
        for layer in answer["layers"]:
            assert told({layer["time"], layer["workspace"]}) <= shown


def test_a_report_is_the_only_reason_to_look_at_fewer_nodes():
    result = CliRunner().invoke(plan, [*GPT2, "--top", "1", "--json"])
    assert json.loads(result.stdout)["smaller_clusters"] is None
