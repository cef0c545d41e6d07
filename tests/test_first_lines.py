"""The first line of every answer is a sentence; length, precision and stack stand above its tables."""

import json
import re
import tomllib

import pytest
from click.testing import CliRunner
from project import ROOT

from planner.cli import main
from planner.console.format import format_strategy, spell_strategy
from simdl.step.strategy import Strategy

TINY = ("lenet5", "--cluster", "dgx-1-v100:1", "--global-batch", "64")
ANSWERS = {
    "plan": ("plan", *TINY, "--top", "1"),
    "simulate": ("simulate", *TINY),
    "scale": ("scale", "lenet5", "--cluster", "dgx-1-v100:1..2", "--global-batch", "64"),
    "consistency": ("consistency", *TINY, "--steps", "4"),
    "goodput": ("goodput", *TINY),
    "memory": ("memory", *TINY, "--points", "2"),
    "microbatch": ("microbatch", "lenet5", "--device", "v100-sxm2-16gb", "--batch", "8"),
    "pipeline": ("pipeline", "vgg16", "--cluster", "dgx-1-v100:1"),
    "collectives": ("collectives", "--cluster", "dgx-a100:2", "--size", "1MiB"),
    "one model": ("models", "lenet5"),
    "hardware": ("hardware",),
    "one node": ("hardware", "dgx-a100"),
    "transform": ("transform", "lenet5", "--prune", "0.9"),
}
ELSEWHERE = {
    "search",
    "explain",
    "diff",
    "export",
    "overlay",
    "sweep",
    "train",
    "validate",
    "calibrate",
    "dashboard",
}
"""Commands whose first lines are tested with their answers, or that take too long here."""


def printed(*arguments):
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("name", ANSWERS)
def test_the_first_line_is_a_sentence(name):
    first = printed(*ANSWERS[name]).splitlines()[0]
    assert re.fullmatch(r"([A-Z]|simdl |lenet5|dgx).{20,}\.", first), first
    assert not re.search(r"[_`]{2}|None|nan|\binf\b", first)


def test_no_command_is_left_out():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    entries = declared["project"]["entry-points"]["simdl.commands"]
    assert {*entries} <= {arguments[0] for arguments in ANSWERS.values()} | ELSEWHERE


@pytest.mark.parametrize("name", ["plan", "simulate", "memory", "goodput", "consistency"])
def test_the_setting_stands_in_the_header_and_in_json(name):
    header = printed(*ANSWERS[name]).splitlines()
    assert any("fp16, stack pytorch-ngc" in line for line in header[1:4])
    found = json.loads(printed(*ANSWERS[name], "--json"))
    assert [found[key] for key in ("devices", "seq_len", "precision", "stack")] == [
        8,
        None,
        "fp16",
        "pytorch-ngc",
    ]
    assert found["headline"] == header[0]


@pytest.mark.parametrize("number", range(20))
def test_names_are_written_out_once_with_what_tables_call_them(number):
    """Every word of the shorthand stands in brackets, or as a number, in the sentence."""
    strategy = Strategy(
        dp=2 if number % 2 else 1,
        tp=(1, 2, 4)[number % 3],
        pp=(1, 4)[number // 3 % 2],
        virtual_stages=2 if number // 3 % 2 and number > 10 else 1,
        schedule="interleaved-1f1b" if number // 3 % 2 and number > 10 else "1f1b",
        recompute=("none", "selective", "full")[number % 3],
        zero=number % 4,
        shard_degree=2 if number % 4 and number > 15 else 0,
        sequence_parallel=number % 3 > 0,
    )
    spelled = spell_strategy(strategy)
    for word in format_strategy(strategy).replace("one device", "").split():
        assert word in re.split(r"[ (),]+", spelled), (word, spelled)
