"""Report pages in headless Chromium: no console message, every chart drawn with data."""

import json
import re

import pytest
from browser import find_browser, open_page
from click.testing import CliRunner

from planner.commands.collectives import collectives
from planner.commands.microbatch import microbatch
from planner.commands.plan import plan
from planner.commands.scale import scale
from planner.commands.simulate import simulate

GPT2 = ("gpt2", "--cluster", "dgx-a100:1", "--global-batch", "32")
COMMANDS = {
    "plan": (plan, (*GPT2, "--top", "2")),
    "simulate": (simulate, (*GPT2, "--pp", "2")),
    "scale": (scale, ("resnet50", "--cluster", "dgx-a100:1..2", "--global-batch", "512")),
    "microbatch": (microbatch, ("alexnet", "--device", "v100-sxm2-16gb", "--batch", "64")),
    "collectives": (collectives, ("--cluster", "dgx-a100:2", "--size", "1MiB..8MiB")),
}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_browser() is None, reason="no Chromium found on the path"),
]

CHECK = """<script>
window.addEventListener("load", () => setTimeout(() => {
  const charts = [...document.querySelectorAll(".js-plotly-plot")];
  const empty = charts.filter(chart => !chart.data.length || !chart.querySelector(
    ".point, .js-line, path, canvas") || chart.getBoundingClientRect().height < 100);
  const table = document.querySelector("table"), header = table.querySelectorAll("th")[1];
  const text = cell => cell.dataset.value ?? cell.textContent;
  const cells = () => [...table.tBodies[0].rows].map(row => text(row.cells[1]));
  const before = cells();
  header.click(); const up = cells();
  header.click(); const down = cells();
  const overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  document.title = JSON.stringify([charts.length, empty.length, overflow,
    up.join() === [...down].reverse().join(), [...before].sort().join() === [...up].sort().join()]);
}, 500));
</script></body>"""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_opens_without_errors_and_every_chart_has_data(name, tmp_path):
    command, arguments = COMMANDS[name]
    result = CliRunner().invoke(command, [*arguments, "--report", str(tmp_path)])
    assert result.exit_code == 0, result.stderr
    page = tmp_path / f"{name}.html"
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", CHECK), encoding="utf-8")
    document, messages = open_page(page, profile=tmp_path / "profile")
    assert messages == []
    title = re.search(r"<title>(.*?)</title>", document)[1]
    charts, empty, overflow, reverses, keeps = json.loads(title)
    assert charts == document.count('id="figure-') > 0
    assert empty == 0
    assert overflow == 0
    assert reverses
    assert keeps
