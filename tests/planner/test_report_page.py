"""Report pages: self-contained, and every printed number is the JSON's."""

import json
import re
from html import unescape
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from figures import in_base_units, page_figures

from hardware.units import format_quantity
from planner.commands.collectives import collectives
from planner.commands.microbatch import microbatch
from planner.commands.plan import plan
from planner.commands.scale import scale
from planner.commands.simulate import simulate
from planner.console.format import format_seconds
from planner.pages.page import Cell, Page, Section, Table, render_page, report_path, write_page
from simdl.errors import SimdlError

GPT2 = ("gpt2", "--cluster", "dgx-a100:1", "--global-batch", "32")
LIMIT = 10e6  # [bytes] of a page


class Parts(HTMLParser):
    """Cells by text and value, addresses that a browser would load, and the JSON of a page."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.addresses, self.data, self.place = [], [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.addresses += [known[name] for name in ("src", "href", "srcset", "action") if name in known]
        if tag == "td":
            self.cells.append(["", known.get("data-value")])
        self.place = tag if tag == "td" or known.get("id") == "data" else None

    def handle_endtag(self, tag):
        del tag
        self.place = None

    def handle_data(self, data):
        if self.place == "td":
            self.cells[-1][0] += data
        elif self.place == "script":
            self.data += data

    def value(self, text):
        return next(float(value) for shown, value in self.cells if shown == text and value)


def pages(command, *arguments, directory):
    """The JSON that a command prints and the page it writes."""
    result = CliRunner().invoke(command, [*arguments, "--json", "--report", str(directory)])
    assert result.exit_code == 0, result.stderr
    text = (directory / f"{command.name}.html").read_text(encoding="utf-8")
    return json.loads(result.stdout), text, Parts(text)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    return pages(plan, *GPT2, "--top", "3", directory=tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return pages(simulate, *GPT2, "--pp", "2", directory=tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def collective(tmp_path_factory):
    arguments = ("--cluster", "dgx-a100:2", "--size", "1MiB..16MiB", "--algorithm", "all")
    return pages(collectives, *arguments, directory=tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def scaled(tmp_path_factory):
    arguments = ("resnet50", "--cluster", "dgx-a100:1..4", "--mode", "strong", "--global-batch", "1024")
    return pages(scale, *arguments, directory=tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def divided(tmp_path_factory):
    arguments = ("alexnet", "--device", "v100-sxm2-16gb", "--batch", "64", "--workspace", "16MiB")
    return pages(microbatch, *arguments, directory=tmp_path_factory.mktemp("report"))


@pytest.fixture(params=["planned", "simulated", "collective", "scaled", "divided"])
def written(request):
    return request.getfixturevalue(request.param)


def test_a_page_holds_the_json_of_its_command(written):
    answer, _, parts = written
    stored = json.loads(parts.data)
    for changing in ("wall_time", "solve_time"):
        answer.pop(changing, None), stored.pop(changing, None)
    assert stored == answer


def test_a_page_opens_with_the_sentence_that_its_command_prints_first(written):
    answer, text, _ = written
    assert unescape(re.search(r'<p class="headline">(.*?)</p>', text)[1]) == answer["headline"]
    assert text.index('class="headline"') < text.index("<nav>") < text.index('<section id="part-')


def test_a_page_needs_no_network_and_stays_small(written):
    _, text, parts = written
    assert all(address.startswith(("#", "data:")) for address in parts.addresses)
    assert len(text.encode()) < LIMIT
    assert text.count("plotly.js v") == 1


def test_the_ranked_table_agrees_with_the_json(planned):
    answer, _, parts = planned
    for found in answer["plans"]:
        assert parts.value(format_seconds(found["step_time"])) == found["step_time"]
        assert [f"{found['mfu']:.1%}", json.dumps(found["mfu"])] in parts.cells
        assert [
            format_quantity(found["peak_memory"], "bytes"),
            json.dumps(found["peak_memory"]),
        ] in parts.cells
        assert [format_seconds(found["bound"]), json.dumps(found["bound"])] in parts.cells


def test_totals_agree_with_the_json(simulated):
    answer, _, parts = simulated
    for key in ("step_time", "samples_per_s", "tokens_per_s", "mfu", "hfu", "peak_memory", "bubble_fraction"):
        assert json.dumps(answer[key]) in {value for _, value in parts.cells}, key
    assert [format_seconds(answer["step_time"]), json.dumps(answer["step_time"])] in parts.cells


def test_figures_hold_the_numbers_of_the_json(simulated):
    answer, text, _ = simulated
    figure = page_figures(text)["Where the time goes"]
    drawn = {trace.name.replace(" ", "_"): in_base_units(figure, trace, "x")[0] for trace in figure.data}
    for cause, seconds in answer["breakdown"].items():
        if seconds:
            assert drawn[cause] == pytest.approx(seconds, rel=1e-12), cause


def test_rows_of_collectives_agree_with_the_json(collective):
    answer, _, parts = collective
    for row in answer["rows"]:
        assert [format_seconds(row["time"]), json.dumps(row["time"])] in parts.cells


def test_the_rows_that_the_library_would_take_are_marked(collective):
    answer, text, _ = collective
    table = text.partition("<h2>Table")[2].partition("</table>")[0]
    marked = [' class="marked"' in row.partition(">")[0] for row in table.split("<tr")[2:]]
    assert marked == [row["chosen"] for row in answer["rows"]]
    assert any(marked)
    assert not all(marked)


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ("dgx-a100:1", "Nothing fits: 6243 of 6243 candidates need more memory than a device has."),
        ("dgx-a100:12500", "No strategy can be tried: no product dp x tp x pp x cp = 100000 divides"),
    ],
)
def test_a_plan_without_an_answer_says_why_openly(cluster, said, tmp_path):
    arguments = ["gpt3-175b", "--cluster", cluster, "--report", str(tmp_path)]
    assert CliRunner().invoke(plan, arguments).exit_code == 1
    text = (tmp_path / "plan.html").read_text(encoding="utf-8")
    opening, folded = text.partition("<h1>")[2].partition("<nav>")[0].split("<details>")
    assert "; nothing to rank." in opening
    assert said in opening
    assert "certified" not in opening
    assert "assumed: global batch 1536" in folded
    assert ("What the candidates would need" in text) == (cluster == "dgx-a100:1")


def test_images_are_counted_in_images(tmp_path):
    arguments = ("resnet50", "--cluster", "dgx-a100:1", "--global-batch", "512")
    _, planned, _ = pages(plan, *arguments, "--top", "1", directory=tmp_path)
    _, simulated, _ = pages(simulate, *arguments, directory=tmp_path)
    assert ">images/s</th>" in planned
    assert "<td>samples/s</td>" in simulated
    for text in (planned, simulated):
        assert "tokens/s<" not in text


def test_one_rank_has_nothing_to_draw(tmp_path):
    arguments = ("--cluster", "knl-node:1", "--size", "1KiB..4KiB")
    answer, text, parts = pages(collectives, *arguments, directory=tmp_path)
    assert answer["ranks"] == 1
    assert "One rank needs no communication" in text
    assert 'id="figure-' not in text
    assert ["1.0 KiB", "1024"] in parts.cells


def test_a_throughput_below_one_sample_a_second_keeps_its_digits(tmp_path):
    arguments = ("gpt3-2.7b", "--cluster", "cpu-node:1..2")
    answer, text, parts = pages(scale, *arguments, directory=tmp_path)
    first = answer["points"][0]["samples_per_s"]
    assert first < 1
    assert [f"{first:.4g}", json.dumps(first)] in parts.cells
    assert ">sequences/s</th>" in text
    printed = CliRunner().invoke(scale, arguments).stdout
    assert f" {first:.4g} " in printed


def test_points_of_scaling_agree_with_the_json(scaled):
    answer, text, parts = scaled
    for point in answer["points"]:
        assert [format_seconds(point["step_time"]), json.dumps(point["step_time"])] in parts.cells
        assert [f"{point['efficiency']:.1%}", json.dumps(point["efficiency"])] in parts.cells
    drawn = page_figures(text)["Throughput"].data[1]
    assert list(drawn.x) == [point["devices"] for point in answer["points"]]
    assert list(drawn.y) == [point["samples_per_s"] for point in answer["points"]]


def test_micro_batches_agree_with_the_json(divided):
    answer, _, parts = divided
    values = {value for _, value in parts.cells}
    for layer in answer["layers"]:
        assert {json.dumps(layer["time"]), json.dumps(layer["workspace"])} <= values


def test_an_existing_page_is_replaced_by_force_only(tmp_path):
    arguments = (*GPT2, "--pp", "2", "--report", str(tmp_path))
    assert CliRunner().invoke(simulate, arguments).exit_code == 0
    second = CliRunner().invoke(simulate, arguments)
    assert second.exit_code == 2
    assert "simulate.html: exists; expected a new report, or --force to replace it" in second.stderr
    assert CliRunner().invoke(simulate, [*arguments, "--force"]).exit_code == 0


def test_a_file_in_place_of_the_directory_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(SimdlError, match="is a file; expected a directory for the report"):
        report_path(path, "plan", force=False)
    page = Page(title="x", headline="h", lines=(), sections=(), data={})
    with pytest.raises(SimdlError, match="cannot write the report: Not a directory"):
        write_page(page, path / "inner" / "plan.html")


def test_no_report_has_no_place():
    assert report_path(None, "plan", force=False) is None


def test_text_is_escaped_and_the_json_cannot_end_its_script():
    table = Table(header=("<b>",), rows=((Cell(text="a < b"), Cell(text="1 s", value=1.0)),))
    page = Page(
        title="<script>",
        headline="",
        lines=("$x & y", "two"),
        sections=(Section(title="t", body=table),),
        data="</script>",
    )
    text = render_page(page)
    assert "<h1>&lt;script&gt;</h1>" in text
    assert "<td>a &lt; b</td>" in text
    assert "<p>$x &amp; y</p>" in text
    assert '"\\u003c/script>"' in text


def test_no_text_begins_a_script_within_the_scripts_of_a_page():
    """HTML Standard, section 13.2.5.4 on: after "<!--<script>" an end tag does not end a script."""
    import plotly.graph_objects as go

    name = "<!--<script>"
    figure = go.Figure(go.Scatter(x=[1], y=[1], name=name, text=[name]), layout={"title": {"text": name}})
    section = Section(title=name, body=figure)
    text = render_page(Page(title=name, headline=name, lines=(name,), sections=(section,), data=[name]))
    without = render_page(Page(title="", headline="", lines=("",), sections=(), data=[]))
    assert text.count(name) == without.count(name)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert json.loads(data) == [name]


def test_a_missing_number_stands_where_numbers_stand():
    rows = (
        (Cell(text="one"), Cell(text="1 s", value=1.0), Cell(text="-")),
        (Cell(text="-"), Cell(text="-"), Cell(text="remark")),
    )
    page = Page(
        title="t",
        headline="h",
        lines=(),
        sections=(Section(title="s", body=Table(header=("a", "b", "c"), rows=rows)),),
        data={},
    )
    text = render_page(page)
    assert '<td class="number" data-value="1.0" title="1.0">1 s</td><td>-</td>' in text
    assert '<td>-</td><td class="number">-</td><td>remark</td>' in text
