"""Wiring that cannot be: one clear message with the place."""

import pytest

from hardware.errors import ProfileError
from hardware.profiles import load_cluster, parse_node

HEAD = """
description = "made up"
device = "v100-sxm2-16gb"

[sources.here]
kind = "datasheet"
title = "t"
location = "l"
read_on = 2026-11-29

[[levels]]
name = "node"
link = "nvlink2"
topology = "{inside}"
ports = {{ value = 2, source = "here" }}
size = {{ value = 4, source = "here" }}
{wiring}

[[levels]]
name = "network"
link = "infiniband-edr"
topology = "{outside}"
ports = {{ value = 1, source = "here" }}
size = {{ value = 0, source = "here" }}
{fabric}
"""


def node(*, inside="switch", wiring="", outside="switch", fabric=""):
    text = HEAD.format(inside=inside, wiring=wiring, outside=outside, fabric=fabric)
    return parse_node(text, "odd", "odd.toml")


PAIRS = '[levels.pairs]\nsource = "here"\n'


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"inside": "direct", "wiring": PAIRS + "0-1 = 1\n2-3 = 1"},
            "levels.0.pairs: no link leads from member 0 to 2, 3; expected a connected network",
        ),
        (
            {"inside": "direct", "wiring": PAIRS + "0-7 = 1"},
            "levels.0.pairs.0-7: expected two members 'LOW-HIGH' of 0 to 3",
        ),
        (
            {"inside": "direct", "wiring": PAIRS + "0-1 = 0"},
            "levels.0.pairs.0-1: found 0; expected a number above zero",
        ),
        ({"inside": "tree"}, "levels.0.tiers: missing; expected one table per tier of switches"),
        (
            {"inside": "torus", "wiring": '[levels.shape]\nsource = "here"\nx = 3\ny = 2'},
            "levels.0.shape: 3 x 2 is not the size of the level; expected 4 members",
        ),
        (
            {
                "outside": "fat_tree",
                "fabric": '[[levels.tiers]]\nsource = "here"\nsize = 4\noversubscription = 0.5',
            },
            "levels.1.tiers.0.oversubscription: found 0.5; expected at least 1",
        ),
        ({"outside": "rail"}, "levels.1.pod: missing"),
        (
            {"outside": "dragonfly", "fabric": '[levels.taper]\nvalue = 0\nsource = "here"'},
            "levels.1.taper: found 0; expected a number above zero",
        ),
        ({"outside": "direct"}, "levels.1.topology: found 'direct'; expected switch, fat_tree"),
        ({"inside": "ring"}, "levels.0.topology: found 'ring'; expected one of switch, mesh"),
    ],
)
def test_wiring_that_cannot_be_names_its_place(parts, message):
    with pytest.raises(ProfileError) as fault:
        node(**parts)
    assert f"odd.toml: {message}" in str(fault.value)


def test_wiring_of_a_file_is_read():
    made = node(
        inside="direct",
        wiring=PAIRS + "0-1 = 2\n1-2 = 1\n2-3 = 2\n0-3 = 1",
        outside="fat_tree",
        fabric='[[levels.tiers]]\nsource = "here"\nsize = 8\noversubscription = 2',
    )
    assert made.levels[0].wiring.pairs[0, 1] == 2
    assert made.levels[1].wiring.tiers[0].ports == 4
    paths = [number.path for number in made.numbers]
    assert len({*paths}) == len(paths)
    assert {number.path for number in made.numbers} >= {
        "levels.0.pairs.0-1",
        "levels.1.tiers.0.oversubscription",
    }


def test_part_of_a_node_keeps_the_links_of_its_devices():
    assert dict(load_cluster("dgx-1-v100:2gpus").levels[0].wiring.pairs) == {(0, 1): 1}
