"""The box on top of a page: the command's sentence, launch files as exported, and files to take away."""

import csv
import io
import json
import re
from base64 import b64decode
from html import unescape

import pytest
from click.testing import CliRunner

from planner.cli import main
from planner.commands.simulate import simulate
from planner.launch.registry import FORMATS
from planner.pages.page import Cell, Page, Section, Table, render_page
from planner.pages.table_csv import table_csv

GPT2 = ("gpt2", "--cluster", "dgx-a100:1", "--global-batch", "32", "--pp", "2")


def files_of(text):
    """Texts that a page gives to take away, by name."""
    links = re.findall(r'<a download="([^"]+)" href="data:[^;]+;charset=utf-8;base64,([^"]*)"', text)
    return {unescape(name): b64decode(encoded).decode() for name, encoded in links}


def sentence_of(text):
    return unescape(re.search(r'<p class="headline">(.*?)</p>', text)[1])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    done = CliRunner().invoke(simulate, [*GPT2, "--report", str(folder)])
    assert done.exit_code == 0, done.output
    return done.stdout, (folder / "simulate.html").read_text(encoding="utf-8"), folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("consistency", "lenet5", "--cluster", "dgx-1-v100:1", "--global-batch", "64", "--steps", "4"),
        ("goodput", "lenet5", "--cluster", "dgx-1-v100:1", "--global-batch", "64"),
        ("memory", "lenet5", "--cluster", "dgx-1-v100:1", "--global-batch", "64", "--points", "2"),
        ("hardware", "dgx-a100"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_page_opens_with_the_sentence_of_the_command_line(arguments, tmp_path):
    done = CliRunner().invoke(main, [*arguments, "--report", str(tmp_path)])
    assert done.exit_code == 0, done.output
    (page,) = tmp_path.glob("*.html")
    text = page.read_text(encoding="utf-8")
    assert sentence_of(text) == done.stdout.splitlines()[0]


def test_a_step_opens_with_its_sentence(simulated):
    printed, text, _ = simulated
    assert sentence_of(text) == printed.splitlines()[0]


@pytest.mark.parametrize("name", FORMATS)
def test_launch_files_are_those_of_simdl_export(name, simulated):
    """The strategy file of the page, exported, gives what the page offers to copy."""
    _, text, folder = simulated
    files = files_of(text)
    strategy = folder / "strategy.toml"
    strategy.write_text(files["strategy.toml"], encoding="utf-8")
    asked = ("export", strategy, "--format", name, "--model", GPT2[0], "--cluster", GPT2[2], "--json")
    done = CliRunner().invoke(main, [*map(str, asked), "--global-batch", GPT2[4]])
    card = text.partition(f'data-format="{name}"')[2].partition('<div class="launch"')[0]
    if done.exit_code:
        assert not card
        assert done.stderr.partition("Error: ")[2].strip() in unescape(text)
        return
    launch = json.loads(done.stdout)
    assert {name: files[name] for name in launch["files"]} == launch["files"]
    shown = [unescape(block) for block in re.findall(r"<pre[^>]*>(.*?)</pre>", card, re.DOTALL)]
    assert any(launch["line"] in block for block in shown)
    assert {*(each.rstrip() for each in launch["files"].values())} <= {*shown}
    for warning in launch["warnings"]:
        assert warning["text"] in unescape(card)


def test_tables_are_taken_away_in_base_units(simulated):
    _, text, _ = simulated
    rows = [*csv.reader(io.StringIO(files_of(text)["simulate-messages.csv"]))]
    assert rows[0] == [
        "purpose",
        "collective",
        "messages",
        "mean size [B]",
        "time [s]",
        "algorithm bandwidth [B/s]",
    ]
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert [float(row[4]) for row in rows[1:]] == [use["seconds"] for use in data["communication"]]


def test_units_that_differ_are_left_out_of_a_header():
    rows = (
        (("a, b", None), ("1 s", 1.0), ("50%", 0.5)),
        (('"c"', None), ("1.0 GiB", 2.0**30), ("-", None)),
    )
    written = [*csv.reader(io.StringIO(table_csv(("what", "value", "share"), rows)))]
    assert written == [
        ["what", "value", "share [1]"],
        ["a, b", "1.0", "0.5"],
        ['"c"', str(2.0**30), "-"],
    ]


def test_names_in_the_box_are_text():
    name = "</pre><script>alert(1)</script>"
    table = Section(title=name, body=Table(header=("a",), rows=((Cell(text=name),),)))
    page = Page(title="t", headline=name, lines=(), sections=(table,), data={}, files={name: name})
    text = render_page(page, name=name)
    assert name not in text
    assert files_of(text)[name] == name
