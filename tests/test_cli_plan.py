"""`simdl plan` from the outside."""

import json
from importlib import import_module
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from planner.cli import main
from planner.commands.plan import plan

REPORT_KEYS = {
    "step_time",
    "interval",
    "samples_per_s",
    "tokens_per_s",
    "model_flops",
    "mfu",
    "hfu",
    "flop_rate_per_device",
    "peak_memory",
    "memory",
    "breakdown",
    "critical_path",
    "critical_operators",
    "kernels",
    "communication",
    "memory_bound_fraction",
    "bubble_fraction",
    "exposed_communication",
    "strategy",
    "feasible",
    "reasons",
    "warnings",
    "provenance",
}


def run(*arguments):
    return CliRunner().invoke(plan, arguments)


def test_json_has_the_keys_of_the_contract():
    result = run("gpt2", "--cluster", "dgx-a100:1", "--top", "2", "--json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert {"version", "question", "plans", "space", "certified", "wall_time"} <= set(answer)
    assert set(answer["space"]) == {"candidates", "feasible", "simulated"}
    assert answer["certified"] is True
    assert len(answer["plans"]) == 2
    for found in answer["plans"]:
        assert set(found) == REPORT_KEYS | {"bound"}
        assert sum(found["breakdown"].values()) == pytest.approx(found["step_time"], rel=1e-9)
        assert sum(found["memory"].values()) == pytest.approx(found["peak_memory"], rel=1e-9)
        assert found["bound"] <= found["step_time"] * (1 + 1e-9)
        degrees = found["strategy"]
        assert degrees["dp"] * degrees["tp"] * degrees["pp"] * degrees["cp"] == 8


def test_table_says_what_was_found_why_and_what_was_assumed():
    result = run("gpt2", "--cluster", "dgx-a100:1", "--top", "2")
    assert result.exit_code == 0, result.stderr
    for text in ("gpt2 on dgx-a100:1", "certified", "why: ", "assumed: global batch 512", "tokens/s"):
        assert text in result.stdout


def test_losses_that_round_to_nothing_are_left_out():
    result = run("gpt2", "--cluster", "dgx-a100:1", "--top", "2")
    rows = [line for line in result.stdout.splitlines() if line.startswith(("1  dp", "2  dp"))]
    assert len(rows) == 2
    for row in rows:
        assert "overhead 3%" in row
        assert " 0%" not in row


def test_images_are_counted_as_images():
    result = run("lenet5", "--cluster", "dgx-1-v100:1", "--global-batch", "64", "--top", "1")
    assert result.exit_code == 0, result.stderr
    assert "images/s" in result.stdout
    assert "tokens/s" not in result.stdout


def test_no_feasible_plan_exits_with_1_and_reasons():
    arguments = ("gpt3-175b", "--cluster", "dgx-1-p100:1", "--precision", "fp16", "--global-batch", "8")
    result = run(*arguments)
    assert result.exit_code == 1
    assert "no feasible plan" in result.stdout
    assert "short" in result.stdout
    answer = json.loads(run(*arguments, "--json").stdout)
    assert answer["plans"] == []
    assert answer["reasons"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gpt3-176b", "--cluster", "dgx-a100:1"), "gpt3-175b"),
        (("gpt2", "--cluster", "dgx-a10:1"), "dgx-a100"),
        (("gpt2", "--cluster", "dgx-a100:none"), "expected NODE:COUNT"),
        (("gpt2", "--cluster", "dgx-a100:1", "--precision", "bf17"), "bf16"),
        (("gpt2", "--cluster", "dgx-1-v100:1", "--precision", "bf16"), "no bf16 arithmetic"),
        (("gpt2", "--cluster", "dgx-a100:1", "--optimizer", "adamx"), "adam"),
        (("gpt2", "--cluster", "dgx-a100:1", "--stack", "megatron"), "megatron-"),
        (("gpt2", "--cluster", "dgx-a100:1", "--global-batch", "0"), "0"),
        (("resnet50", "--cluster", "dgx-a100:1", "--seq-len", "128"), "images"),
        (("gpt2",), "--cluster"),
        (("gpt2", "--cluster", "dgx-a100:1", "--nonsense"), "--nonsense"),
    ],
)
def test_bad_input_exits_with_2_and_one_clear_message(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not result.stdout


def test_force_without_anything_to_replace_is_refused():
    done = CliRunner().invoke(plan, ["gpt2", "--cluster", "dgx-a100:1", "--force"])
    assert done.exit_code == 2
    assert (
        "--force: nothing is written; expected an option that names a file, such as --report" in done.stderr
    )


PARTS = (
    "planner.cli._load",
    "planner.commands.plan.load_question",
    "planner.search.plan.price",
    "planner.search.plan.search",
    "planner.search.plan._recut_all",
    "planner.search.plan._reasons",
    "planner.search.plan._per_layer",
    "planner.search.plan._why",
    "planner.commands.plan.write_page",
)
"""What the user waits for, from the import of the command to the page."""


@pytest.fixture
def counted(monkeypatch):
    """A clock on which each of the parts takes a second, and nothing else any time."""
    now = 0.0

    def counting(function):
        def slow(*arguments, **named):
            nonlocal now
            now += 1
            return function(*arguments, **named)

        return slow

    for part in PARTS:
        module, _, name = part.rpartition(".")
        monkeypatch.setattr(part, counting(getattr(import_module(module), name)))
    monkeypatch.setattr("planner.console.command_clock.time", SimpleNamespace(perf_counter=lambda: now))


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(("as_json", "said"), [(("--json",), '"wall_time": 9.0'), ((), "(9.0 s)")])
def test_the_clock_counts_all_that_the_user_waits_for(tmp_path, as_json, said):
    arguments = ("lenet5", "--cluster", "dgx-1-v100:1", "--global-batch", "64", "--report", str(tmp_path))
    done = CliRunner().invoke(main, ["plan", *arguments, *as_json])
    assert done.exit_code == 0, done.stderr
    assert said in done.stdout
