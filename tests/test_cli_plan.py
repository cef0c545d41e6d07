"""`simdl plan` from the outside."""

import json
import re
import shlex
from importlib import import_module
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from planner.cli import main
from planner.commands.plan import plan
from planner.commands.simulate import simulate

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
        assert set(found) == REPORT_KEYS | {"bound", "expected_regret"}
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


def test_the_first_line_is_the_answer_in_a_sentence():
    first, second, *_ = run("gpt2", "--cluster", "dgx-a100:1", "--top", "2").stdout.splitlines()
    assert first.startswith(
        "Run gpt2 on the 8 devices of dgx-a100:1 with data parallelism (dp) 8, micro-batch"
    )
    for text in (
        ": a step takes ",
        "% certainty (prior), costs ",
        " device-hours per billion tokens, and is limited by compute (",
        "; it is certified the fastest of ",
    ):
        assert text in first
    assert first.endswith(".")
    about = "gpt2 on dgx-a100:1, global batch 512, 8 devices, sequences of 1,024 tokens, bf16"
    assert second == f"{about}, stack megatron-2023"


def test_what_was_asked_beside_the_plan_stands_in_the_sentence():
    question = ("gpt2", "--cluster", "dgx-a100:1", "--top", "1", "--price", "2")

    def sentence(*asked):
        found = run(*question, *asked)
        assert found.exit_code == 0, found.stderr
        return found.stdout.splitlines()[0]

    assert "; it costs 16.00 USD an hour; it is certified" in sentence()
    whole = sentence("--horizon", "10B")
    assert re.search(r"; training 10B takes [\d.]+ h, [\d.]+ device-hours, [\d.]+ USD, [\d.]+ kWh; ", whole)
    assert re.search(
        r"; in 7 d it trains [\d.]+ B tokens, 1,344 device-hours, 2,688", sentence("--horizon", "7d")
    )


def reasons(*arguments):
    lines = run("gpt2", "--cluster", "dgx-a100:1", "--top", "1", *arguments).stdout.splitlines()
    return [line for line in lines if line.startswith(("why: ", "more: "))]


def test_three_reasons_are_given_and_all_on_request():
    few, every = reasons(), reasons("--why", "all")
    assert len(every) > 3
    assert few == [*every[:3], f"more: {len(every) - 3} reason{'s' * (len(every) > 4)}, with --why all"]
    assert reasons("--why", str(len(every))) == every
    assert reasons("--why", "0") == [f"more: {len(every)} reasons, with --why all"]


@pytest.mark.parametrize("text", ["some", "-1", "1.5", "9" * 30])
def test_reasons_are_a_number_or_all(text):
    done = run("gpt2", "--cluster", "dgx-a100:1", "--why", text)
    assert done.exit_code == 2
    assert "expected a number such as 3, or all" in done.stderr


def test_the_file_of_the_best_plan_is_named_with_the_command_that_asks_again(tmp_path):
    path = tmp_path / "my strategy.toml"
    done = run("gpt2", "--cluster", "dgx-a100:1", "--out", str(path), "--json")
    assert done.exit_code == 0, done.stderr
    best = json.loads(done.stdout)["plans"][0]
    printed = run("gpt2", "--cluster", "dgx-a100:1", "--out", str(path), "--force").stdout
    line = printed.splitlines()[-1]
    assert line.startswith(f"written: {path}; ask again: simdl simulate gpt2 --cluster dgx-a100:1 ")
    command = shlex.split(line.partition("; ask again: simdl simulate ")[2])
    again = json.loads(CliRunner().invoke(simulate, [*command, "--json"]).stdout)
    assert (again["step_time"], again["strategy"]) == (best["step_time"], best["strategy"])


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
