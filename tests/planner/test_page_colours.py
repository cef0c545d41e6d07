"""Pages of all commands: a colour has one meaning, an axis one unit, and no two meanings look alike."""

import json
from itertools import combinations, islice
from pathlib import Path

import pytest
from click.testing import CliRunner
from figures import check_figures
from kineto_traces import RECORDED

import validation
from planner.cli import main
from planner.pages.figures import palette
from planner.pages.figures.accuracy import Pair
from planner.pages.figures.calibration import CalibrationPoint
from planner.pages.page import Page, render_page
from planner.pages.sections.calibration import calibration_page
from planner.pages.sections.money import money_sections
from planner.pages.sections.search import search_page
from validation.judging.page_sections import error_sections

PUBLISHED = Path(validation.__file__).parent / "published"
LENET = ("lenet5", "--cluster", "dgx-1-v100:1", "--global-batch", "64")
COMMANDS = {
    "consistency": ("consistency", *LENET, "--scheme", "asynchronous", "--servers", "2", "--steps", "6"),
    "goodput": ("goodput", *LENET),
    "memory": ("memory", *LENET, "--points", "2"),
    "hardware": ("hardware", "dgx-1-v100", "--pattern", "ring"),
    "no load": ("hardware", "dgx-a100"),
    "nothing fits": ("plan", "gpt3-175b", "--cluster", "dgx-1-p100:1", "--global-batch", "1"),
}
TABLES = {"collectives": ("cnn/collective_sweeps.csv", 8), "kernels": ("kernels/gemm_achieved_tflops.csv", 8)}


def page_of(folder, *arguments, fits=True):
    done = CliRunner().invoke(main, [*arguments, "--report", str(folder)])
    assert done.exit_code == (0 if fits else 1), done.output
    (page,) = folder.glob("*.html")
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_of_a_command(name, tmp_path):
    assert check_figures(page_of(tmp_path, *COMMANDS[name], fits=name != "nothing fits")) > 0


@pytest.mark.parametrize("name", TABLES)
def test_of_a_validation(name, tmp_path):
    table, lines = TABLES[name]
    short = tmp_path / Path(table).name
    with (PUBLISHED / table).open(encoding="utf-8") as file:
        short.write_text("".join(islice(file, lines)), encoding="utf-8")
    assert check_figures(page_of(tmp_path / "page", "validate", name, "--data", str(short))) == 3


def test_of_an_overlay(tmp_path):
    asked = ("simulate", "lenet5", "--cluster", "cpu-node:1", "--precision", "fp32", "--global-batch", "64")
    done = CliRunner().invoke(main, [*asked, "--json"])
    answer = tmp_path / "answer.json"
    answer.write_text(done.stdout, encoding="utf-8")
    assert check_figures(page_of(tmp_path / "page", "overlay", str(RECORDED), str(answer))) == 2


def test_of_a_calibration_in_two_settings():
    points = [
        CalibrationPoint(
            kind=kind,
            family=family,
            setting=setting,
            label=str(size),
            size=size,
            unit=unit,
            measured=size / 1e9,
            predicted=size / rate,
            held_out=size == 4e6,
        )
        for kind, unit in (("elementwise", "B"), ("matmul", "FLOP"))
        for family in ("one", "two")
        for setting, rate in (("1 process", 9e8), ("2 processes", 5e8))
        for size in (1e6, 4e6, 16e6)
    ]
    page = calibration_page(points, {}, title="t", headline="h", lines=())
    assert check_figures(render_page(page)) == 3


def test_of_a_search_of_more_trials_than_there_are_colours():
    trials = [
        {
            "name": f"trial {number}",
            "model": f"model {number // 2}",
            "length": "1 epoch",
            "devices": [number],
            "start": 0.0,
            "end": 3600.0 * (1 + number),
            "step_time": 0.1,
            "plan": "dp 1",
        }
        for number in range(40)
    ]
    data = {
        "headline": "h",
        "trials": trials,
        "cluster": "c",
        "gap": 0.0,
        "optimal": True,
        "makespan": 1.0,
        "utilisation": 1.0,
        "devices": 40,
    }
    assert check_figures(render_page(search_page(data))) == 1


def test_of_sizes_side_by_side():
    sizes = [
        {
            "cluster": f"c:{nodes}",
            "devices": nodes,
            "chosen": nodes == 2,
            "rates": {"cost_per_second": 1.0},
            "samples_per_s": nodes * 100.0,
            "step_time": 1 / nodes,
            "strategy_text": "dp",
            "fronts": ["time_devices"],
        }
        for nodes in (1, 2, 4)
    ]
    sections = money_sections({"plans": [], "clusters": sizes})
    page = Page(title="t", headline="h", lines=(), sections=sections, data={})
    assert check_figures(render_page(page)) == 2


def test_a_table_has_one_colour_in_all_figures_of_a_validation():
    """Tables that come in another order, or in some of the figures alone, keep their colours."""

    def pairs(names):
        return [Pair(family=name, label=name, measured=1.0, predicted=2.5) for name in names]

    names = [f"table {number}" for number in range(40)]
    groups = [("step time", "s", pairs(names[3:])), ("throughput", "samples/s", pairs(reversed(names)))]
    sections = error_sections(groups)
    page = Page(title="t", headline="h", lines=(), sections=sections, data={})
    assert check_figures(render_page(page)) == 5
    assert "37 rows are more than 100 % too high, drawn at the edge: table 3: +150%; " in sections[1].note
    assert error_sections([("time", "s", [])]) == ()


def lightness_and_hue(colour):
    """CIELAB 1976 under daylight D65 (CIE 15:2018)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one, two):
    pairs = zip(lightness_and_hue(one), lightness_and_hue(two), strict=True)
    return sum((a - b) ** 2 for a, b in pairs) ** 0.5


def test_meanings_of_the_page_of_a_plan_are_far_apart():
    """A just noticeable difference is 2.3 (Mahy, Van Eycken and Oosterlinck 1994)."""
    causes = {name: colour for name, (colour, _) in palette.CAUSES.items()}
    parts = {f"part {name}": colour for name, (colour, _) in palette.PARTS.items()}
    ranks = {f"rank {place}": colour for place, colour in enumerate(palette.rank_colours(8))}
    known = {**causes, **parts, **ranks, **palette.ROLES}
    for (one, first), (two, second) in combinations(known.items(), 2):
        assert difference(first, second) > 4 * 2.3, f"{one} and {two}"
    tasks = {name: colour for name, (colour, _) in palette.TASKS.items() if name not in causes}
    for (one, first), (two, second) in combinations({**known, **tasks}.items(), 2):
        assert difference(first, second) > 2 * 2.3, f"{one} and {two}"


@pytest.mark.parametrize("count", [1, 8, 9, 40, 100])
def test_every_series_has_a_colour_of_its_own(count):
    colours = palette.series_colours([*map(str, range(count)), "0"])
    assert len(set(colours.values())) == len(colours) == count
    assert json.dumps(list(colours)) == json.dumps([*map(str, range(count))])
