"""`simdl goodput` and `simdl plan --horizon` as a user meets them."""

import json

import pytest
from click.testing import CliRunner

from planner.commands.goodput import goodput
from planner.commands.plan import plan

QUESTION = ("gpt2", "--cluster", "dgx-a100:16", "--global-batch", "128")


def run(*arguments):
    return CliRunner().invoke(goodput, [*QUESTION, *arguments])


def found(*arguments):
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_table_and_page(tmp_path):
    done = run("--spare-nodes", "2", "--device-mtbf", "1y", "--report", str(tmp_path))
    assert done.exit_code == 0, done.output
    for words in ("goodput", "spare nodes", "daly", "young", "assumed: a node fails every 639.1 d"):
        assert words in done.output
    assert "Goodput by interval" in (tmp_path / "goodput.html").read_text()


def test_the_first_line_says_what_to_run_and_no_warning_for_a_shortfall():
    done = run("--tp", "4")
    assert done.exit_code == 0, done.output
    assert "warning: vocabulary of 50,257" in done.output  # which the line once took for what does not fit
    assert done.stdout.startswith("Run gpt2 on the 128 devices of dgx-a100:16 with ")


def test_json_adds_up():
    data = found("--seed", "3", "--horizon", "10d")
    assert sum(data["breakdown"].values()) == pytest.approx(1.0)
    assert data["steps"] == pytest.approx(10 * 86400 * data["goodput"] / data["step_time"])
    assert data["intervals"]["daly"]["waste"] <= 1.02 * min(1 - each["goodput"] for each in data["curve"])
    assert set(data["intervals"]) == {"best", "daly", "young", "expected_best"}


def test_an_interval_of_ones_own():
    data = found("--interval", "2h")
    assert data["interval"] == 7200.0
    assert data["goodput"] < found()["goodput"]


def test_what_never_fails():
    data = found("--device-mtbf", "never", "--node-mtbf", "never")
    assert (data["goodput"], data["mtbf"], data["interval"]) == (1.0, None, None)


def test_slower_storage_wastes_more():
    fast, slow = (found("--storage-bandwidth", rate)["waste"] for rate in ("100GB/s", "100MB/s"))
    assert fast < slow


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--device-mtbf", "0s"), "--device-mtbf: found '0s'; expected above 0"),
        (("--node-mtbf", "5"), "--node-mtbf: '5' has no unit"),
        (("--restart", "-1s"), "--restart: found '-1s'"),
        (("--spare-nodes", "-2"), "spares: found -2"),
        (("--storage-bandwidth", "0B/s"), "--storage-bandwidth: found '0B/s'; expected above 0"),
        (("--interval", "0s"), "--interval: found '0s'; expected above 0"),
        (("--horizon", "tomorrow"), "--horizon: 'tomorrow' is not a quantity"),
    ],
)
def test_bad_input_is_one_message(arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert message in done.output


def test_what_does_not_fit_is_refused():
    done = CliRunner().invoke(goodput, ["gpt3-175b", "--cluster", "dgx-a100:1", "--dp", "8"])
    assert done.exit_code == 2, done.output
    assert "does not fit: stage" in done.output


def test_plans_with_a_horizon_say_what_they_train_in_it():
    arguments = ["gpt2", "--cluster", "dgx-a100:1gpus", "--global-batch", "8", "--top", "1"]
    done = CliRunner().invoke(plan, [*arguments, "--horizon", "1d", "--json"])
    assert done.exit_code == 0, done.output
    best = json.loads(done.stdout)["plans"][0]
    assert best["horizon"]["steps"] == pytest.approx(86400 * best["horizon"]["goodput"] / best["step_time"])
    done = CliRunner().invoke(plan, [*arguments, "--horizon", "1d"])
    assert "in 1 d, failures included" in done.output
    done = CliRunner().invoke(plan, [*arguments, "--horizon", "soon"])
    assert done.exit_code == 2
    assert "--horizon: 'soon' is not a quantity" in done.output
