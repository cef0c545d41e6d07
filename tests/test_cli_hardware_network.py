"""`simdl hardware NAME` draws the network: links as text, and on a page coloured by load."""

import json
import re

import pytest
from click.testing import CliRunner

from hardware.profiles import load_node, node_names
from planner.commands.hardware import hardware
from planner.console.answers.network_text import node_drawings
from simdl.topology.drawing import places


def run(*arguments):
    return CliRunner().invoke(hardware, arguments)


def test_a_cube_mesh_is_a_matrix_of_links():
    lines = run("dgx-1-v100").stdout.splitlines()
    rows = [line.split() for line in lines if re.match(r" +[0-7] +[-x12]", line)]
    assert rows[1] == ["0", "x", "1", "1", "2", "2", "-", "-", "-"]
    assert all(rows[1 + a][1 + b] == rows[1 + b][1 + a] for a in range(8) for b in range(8))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p40-roce100", "switch 0.0 - device 0 to 3: 1 x pcie3-x16, 15.75 GB/s each"),
        ("a40-node", "device 0 - device 1: 4 x nvlink3-bridge, 56.25 GB/s"),
        ("tpu-v4-64", "axis y: 0 = 4 = 8 = 12, closed to a ring of 4"),
        ("tpu-v5e-slice", "a torus of 16 x 16, 64 of them drawn as 8 x 8"),
        ("tpu-v5e-slice", "axis x: 0 = 16 = 32 = 48 = ..., closed to a ring of 16"),
        ("dgx-superpod-h100", "spine - rail 0 of pod 0 to rail 7 of pod 1: 32 x infiniband-ndr"),
        ("gb200-nvl72", "switch - device 0 to 71: 18 x nvswitch4, 900 GB/s each"),
        ("mi300x-node", "every pair - 1 x xgmi3, 64 GB/s"),
    ],
)
def test_networks_as_text(name, text):
    assert text in run(name).stdout


@pytest.mark.parametrize("name", ["xc50-p100", "tpu-v4-64"])
def test_no_two_members_or_switches_are_drawn_in_one_place(name):
    drawing = node_drawings(load_node(name))[-1 if name == "xc50-p100" else 0]
    found = places(drawing)
    assert len(found) == len(drawing.graph.names) == len({(round(x, 6), round(y, 6)) for x, y in found})


def test_load_of_a_pattern_stands_beside_the_links():
    done = run("p40-roce100", "--pattern", "pairs")
    assert "root - switch 0.0 to 0.1: 1 x pcie3-x16, 15.75 GB/s, load 100% each" in done.stdout
    assert "switch 0.0 - device 0 to 3: 1 x pcie3-x16, 15.75 GB/s, load 44% each" in done.stdout


def test_every_registered_network_is_drawn():
    for name in node_names():
        done = run(name)
        assert done.exit_code == 0, done.output
        assert "network: all " in done.stdout


def test_a_page_draws_every_level(tmp_path):
    done = run("dgx-1-v100", "--pattern", "ring", "--report", str(tmp_path))
    assert done.exit_code == 0, done.output
    page = (tmp_path / "hardware-dgx-1-v100.html").read_text(encoding="utf-8")
    assert "Links are coloured by load" in page
    assert page.count("Links of level") >= 2
    assert json.dumps("device 0 - device 3<br>2 x nvlink2, 50 GB/s<br>load 100%")[1:20] in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nvlink2", "--pattern", "ring"), "--pattern: found nvlink2, which has no network"),
        (("--report", "here"), "--report: found no NAME; expected a node type"),
        (("dgx-1-v100", "--force"), "--force: nothing is written"),
    ],
)
def test_options_that_draw_nothing_are_refused(arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
