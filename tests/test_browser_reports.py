"""Report pages in headless Chromium: no console message, every chart drawn with data."""

import json
from itertools import islice
from pathlib import Path

import pytest
from browser import FITS, Tab, bounded, find_browser, remarks
from click.testing import CliRunner
from kineto_traces import RECORDED

import validation
from planner.cli import main
from planner.commands.collectives import collectives
from planner.commands.microbatch import microbatch
from planner.commands.overlay import overlay
from planner.commands.plan import plan
from planner.commands.scale import scale
from planner.commands.simulate import simulate
from planner.pages.figures.accuracy import Pair, accuracy_figure, family_colours
from planner.pages.figures.calibration import CalibrationPoint
from planner.pages.page import Cell, Page, Section, Table, write_page
from planner.pages.sections.calibration import calibration_page
from validation.commands.validate import validate

PUBLISHED = Path(validation.__file__).parent / "published"
GPT2 = ("gpt2", "--cluster", "dgx-a100:2", "--global-batch", "32")
LENET = ("lenet5", "--cluster", "cpu-node:1", "--precision", "fp32", "--global-batch", "64")
V100 = ("lenet5", "--cluster", "dgx-1-v100:1", "--global-batch", "64")
COMMANDS = {
    "plan": (plan, (*GPT2, "--top", "2")),
    "simulate": (simulate, (*GPT2, "--pp", "2")),
    "scale": (scale, ("resnet50", "--cluster", "dgx-a100:1..2", "--global-batch", "512")),
    "microbatch": (microbatch, ("alexnet", "--device", "v100-sxm2-16gb", "--batch", "64")),
    "collectives": (collectives, ("--cluster", "dgx-a100:2", "--size", "1MiB..8MiB")),
}
OTHERS = (
    ("consistency", *V100, "--scheme", "asynchronous", "--servers", "2", "--steps", "6"),
    ("goodput", *V100),
    ("hardware", "dgx-1-v100", "--pattern", "ring"),
    ("memory", *V100, "--points", "2"),
)
TABLES = {
    "validate-collectives": ("cnn/collective_sweeps.csv", 40),
    "validate-kernels": ("kernels/gemm_achieved_tflops.csv", 31),
    "validate-published": ("llm/megatron-lm.csv", 4),
}


def run(command, *arguments):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def written(name, folder):
    """The page of a command; tables of measurements are cut short."""
    if name in COMMANDS:
        command, arguments = COMMANDS[name]
        run(command, *arguments, "--report", folder)
    elif name in TABLES:
        table, lines = TABLES[name]
        short = folder / Path(table).name
        with (PUBLISHED / table).open(encoding="utf-8") as file:
            short.write_text("".join(islice(file, lines)), encoding="utf-8")
        run(validate, name.partition("-")[2], "--data", short, "--report", folder)
    elif name == "overlay":
        answer = folder / "answer.json"
        answer.write_text(run(simulate, *LENET, "--json"), encoding="utf-8")
        run(overlay, RECORDED, answer, "--report", folder)
    else:
        points = [
            CalibrationPoint(
                kind="elementwise",
                family=family,
                setting="1 process",
                label=str(size),
                size=size,
                unit="B",
                measured=size / 1e9,
                predicted=size / 9e8,
                held_out=size == 4e6,
            )
            for family in ("copy", "softmax")
            for size in (1e6, 4e6, 16e6)
        ]
        data = {"points": len(points)}
        page = calibration_page(points, data, title="made up", headline="So it is.", lines=("for a test",))
        write_page(page, folder / f"{name}.html")
    return folder / f"{name}.html"


pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_browser() is None, reason="no Chromium found on the path"),
]

CHECK = """() => {
  const charts = [...document.querySelectorAll(".js-plotly-plot")];
  const empty = charts.filter(chart => !chart.data.length || !chart.querySelector(
    ".point, .js-line, path, canvas") || chart.getBoundingClientRect().height < 100);
  const overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  return [document.querySelectorAll("[id^=figure-]").length - charts.length, empty.length, overflow];
}"""
CLIPPED = """() => {
  const heightOf = element => element.getBoundingClientRect().height;
  return [...document.querySelectorAll(".js-plotly-plot")].filter(chart => {
    const entries = chart.querySelector(".legend .groups"), box = chart.querySelector(".legend .bg");
    const isCut = entries && box && heightOf(entries) > heightOf(box) + 1;
    return isCut || heightOf(chart.closest("section")) < heightOf(chart.querySelector(".main-svg"));
  }).length;
}"""
SORTS = """() => {
  const table = document.querySelector("table"), header = table.querySelectorAll("th")[1];
  const text = cell => cell.dataset.value ?? cell.textContent;
  const cells = () => [...table.tBodies[0].rows].map(row => text(row.cells[1]));
  const before = cells();
  header.click(); const up = cells();
  header.click(); const down = cells();
  return up.join() === [...down].reverse().join() && [...before].sort().join() === [...up].sort().join();
}"""


@pytest.fixture(scope="module")
def shared(chromium, tmp_path_factory):
    """One page for all tests."""
    return Tab(chromium[0], tmp_path_factory.mktemp("tab"))


@pytest.fixture
def tab(chromium, shared):
    """The page, for as long as a test may take; its console stays silent."""
    with bounded(chromium[1]):
        yield shared
    assert remarks(shared.lines) == []


def check(tab, path, width):
    """Charts with data and whole legends, nothing too wide, a table that sorts.

    A page that opens on a screen is then carried to a telephone, where it comes to rest and fits too.
    """
    page = tab.open(path, width=width)
    assert page.locator(".js-plotly-plot").count() > 0
    assert page.evaluate(CHECK) == [0, 0, 0]
    assert page.evaluate(CLIPPED) == 0
    assert page.evaluate(SORTS)
    if width > 390:
        page.set_viewport_size({"width": 390, "height": 1200})
        page.wait_for_function(FITS, arg=390)
        page.wait_for_function(f"({CLIPPED})() === 0")


@pytest.mark.parametrize("name", [*COMMANDS, *TABLES, "overlay", "calibrate"])
def test_a_page_opens_without_errors_and_every_chart_has_data(tab, name, tmp_path):
    check(tab, written(name, tmp_path), 1280)


def test_pages_of_other_commands_open_without_a_remark_and_fit_on_a_telephone(tab, tmp_path):
    paths = []
    for arguments in OTHERS:
        run(main, *arguments, "--report", tmp_path)
        paths = sorted(tmp_path.glob("*.html"))
    assert len(paths) == len(OTHERS)
    for path in paths:
        page = tab.open(path, width=390)
        page.wait_for_function(FITS, arg=390)
        assert page.locator(".js-plotly-plot").count() > 0
        assert page.locator("#answer .headline").inner_text().endswith(".")


def test_a_legend_of_many_families_fits_on_a_telephone(tab, tmp_path):
    pairs = [
        Pair(family=f"a table of measurements {number}", label="row", measured=1.0, predicted=1.0 + number)
        for number in range(14)
    ]
    table = Table(header=("a", "b"), rows=((Cell(text="x"), Cell(text="1", value=1.0)),))
    sections = (
        Section(title="points", body=accuracy_figure(pairs, "time", "s", family_colours(pairs))),
        Section(title="rows", body=table),
    )
    write_page(
        Page(title="t", headline="h", lines=("l",), sections=sections, data={}), tmp_path / "page.html"
    )
    check(tab, tmp_path / "page.html", 390)


@pytest.fixture(scope="module")
def step_page(tmp_path_factory):
    return written("simulate", tmp_path_factory.mktemp("step"))


def saved(page, link):
    """The text that a click on a link saves, and its name."""
    with page.expect_download() as found:
        link.click()
    return Path(found.value.path()).read_bytes(), found.value.suggested_filename


def test_launch_files_are_copied_and_answers_saved_from_a_file(tab, step_page):
    page = tab.open(step_page)
    shown = page.locator(".launch:visible")
    assert shown.count() == 1
    page.select_option("#launch-format", "deepspeed")
    assert shown.get_attribute("data-format") == "deepspeed"
    block = shown.locator(".block").nth(1)
    block.get_by_text("Copy", exact=True).click()
    block.locator("button[data-copied=yes]").wait_for()
    page.evaluate("document.body.append(document.createElement('textarea'))")
    field = page.locator("body > textarea")
    field.focus()
    page.keyboard.press("Control+V")
    assert field.input_value().rstrip() == block.locator("pre").text_content()
    text, name = saved(page, page.locator(".downloads a", has_text="JSON"))
    assert name == "simulate.json"
    assert json.loads(text) == json.loads(page.locator("#data").text_content())
    text, name = saved(page, block.get_by_text("save"))
    assert (name, text.decode().rstrip()) == ("deepspeed.json", block.locator("pre").text_content())
    text, name = saved(page, page.locator("button[data-format=png]").first)
    assert name == "simulate-where-the-time-goes.png"
    assert text.startswith(b"\x89PNG")
    text, name = saved(page, page.locator("button[data-format=svg]").first)
    assert text.lstrip().startswith(b"<svg")
