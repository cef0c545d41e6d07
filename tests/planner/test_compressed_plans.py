"""Plans with compressed gradients, when asked for."""

import json

from click.testing import CliRunner

from planner.commands.plan import plan
from planner.questions.strategy_file import format_strategy_file, load_strategy
from simdl.step.strategy import Strategy


def run(*arguments):
    return CliRunner().invoke(plan, ["gpt2", "--cluster", "p2-xlarge:2", "--global-batch", "8", *arguments])


def test_the_planner_compresses_only_when_asked():
    plain = json.loads(run("--top", "2", "--json").stdout)
    assert not any(each["strategy"]["compression"] for each in plain["plans"])
    done = run("--top", "2", "--compression", "qsgd:7,512", "--compression", "fp16", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["plans"][0]["strategy"]["compression"] in {"qsgd:7,512", "fp16"}
    assert found["plans"][0]["step_time"] < plain["plans"][0]["step_time"]
    assert "plans with compressed gradients beside them" in found["certified_over"]
    assert any("convergence is unknown" in each for each in found["plans"][0]["warnings"])


def test_an_unknown_method_is_refused():
    done = run("--compression", "zip")
    assert done.exit_code == 2
    assert "found 'zip'; expected one of fp16" in done.output


def test_a_strategy_file_keeps_the_method(tmp_path):
    from hardware.profiles import load_cluster

    path = tmp_path / "strategy.toml"
    strategy = Strategy(dp=2, compression="topk:16,512")
    path.write_text(format_strategy_file(strategy, title="one"))
    assert load_strategy(str(path), load_cluster("p2-xlarge:2")) == strategy
    assert "compression" not in format_strategy_file(Strategy(dp=2), title="one")
