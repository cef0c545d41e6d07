"""Devices slower than their profile says: words, refusals, and the unfolded run that they are held to."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import simdl
from hardware.profiles import load_cluster
from planner.commands.diff import diff
from planner.commands.explain import explain
from planner.commands.simulate import simulate
from planner.questions.device_speeds import format_speeds, parse_speeds
from simdl.errors import SimdlError
from simdl.step.simulate import simulate as simulate_step

CLUSTER = "dgx-a100:1"
ASKED = ["gpt2", "--cluster", CLUSTER, "--global-batch", "16", "--dp", "4", "--tp", "2"]


@pytest.fixture(scope="module")
def cluster():
    return load_cluster(CLUSTER)


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """The answer with one slow device, and the file that holds it."""
    done = CliRunner().invoke(simulate, [*ASKED, "--speeds", "5=0.5", "--json"])
    assert done.exit_code == 0, done.output
    path = tmp_path_factory.mktemp("answers") / "slow.json"
    path.write_text(done.stdout, encoding="utf-8")
    return json.loads(done.stdout), path


@pytest.mark.property
@given(speeds=st.dictionaries(st.integers(0, 7), st.floats(1e-4, 4.0), min_size=1))
def test_speeds_are_read_back_as_written(speeds):
    assert parse_speeds(format_speeds(speeds), load_cluster(CLUSTER)) == speeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8=0.5", "speeds: found '8=0.5'; expected ranks from 0 to 7, those of dgx-a100:1"),
        ("6-9=0.5", "expected ranks from 0 to 7"),
        ("5-3=0.5", "expected ranks from 0 to 7"),
        ("0-999999999=0.5", "expected ranks from 0 to 7"),
        ("5=0", "speeds: found 0 for '5=0'; expected a factor of 0.0001 to 4"),
        ("5=-1", "expected a factor of"),
        ("5=nan", "expected a factor of"),
        ("5=1e300", "expected a factor of"),
        ("5", "speeds: found '5'; expected RANK=FACTOR or FIRST-LAST=FACTOR"),
        ("", "found ''; expected RANK=FACTOR"),
        ("5=half", "found '5=half'; expected RANK=FACTOR"),
        ("5=0.5,4-6=0.9", "speeds: found rank 5 twice; expected each once"),
        ("9=0.5,x=1", "found '9=0.5'.*; speeds: found 'x=1'"),
    ],
)
def test_speeds_that_are_none_are_refused(text, message, cluster):
    with pytest.raises(SimdlError, match=message):
        parse_speeds(text, cluster)


def test_the_command_tells_what_is_slow_and_refuses_ranks_that_are_not_there(slow):
    assert slow[0]["question"]["speeds"] == "5=0.5"
    table = CliRunner().invoke(simulate, [*ASKED, "--speeds", "5=0.5,6-7=0.9"])
    assert "device 5 at 0.5 and 6 to 7 at 0.9 of its speed" in table.stdout
    refused = CliRunner().invoke(simulate, [*ASKED, "--speeds", "8=0.5"])
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    assert "speeds: found '8=0.5'; expected ranks from 0 to 7" in refused.stderr
    used = CliRunner().invoke(
        simulate, ["gpt2", "--cluster", CLUSTER, "--mode", "inference", "--speeds", "5=0.5"]
    )
    assert used.exit_code == 2
    assert "--speeds: given with --mode inference" in used.stderr


def test_a_slow_device_is_that_of_the_unfolded_run(slow):
    """Every rank on its own, of which one computes at half its speed."""
    step = simdl.simulate("gpt2", CLUSTER, global_batch=16, dp=4, tp=2, speeds={5: 0.5})
    question = step.question
    every = simulate_step(
        question.workload,
        question.cluster,
        step.strategy,
        stack=question.stack,
        speeds={5: 0.5},
        unfolded=True,
    ).report
    assert len(step.simulation.timeline.program.classes) == 3
    assert step.step_time == pytest.approx(every.step_time, rel=1e-9)
    assert step.step_time == slow[0]["step_time"]
    usual = simdl.simulate("gpt2", CLUSTER, global_batch=16, dp=4, tp=2)
    assert 1.5 * usual.step_time < step.step_time < 2 * usual.step_time


def test_answers_with_slow_devices_are_asked_again_and_compared(slow, tmp_path):
    explained = CliRunner().invoke(explain, [str(slow[1]), "--trace", str(tmp_path / "step.json")])
    assert explained.exit_code in {0, 2}, explained.output
    usual = tmp_path / "usual.json"
    usual.write_text(CliRunner().invoke(simulate, [*ASKED, "--json"]).stdout, encoding="utf-8")
    told = CliRunner().invoke(diff, [str(usual), str(slow[1])])
    assert told.exit_code == 0, told.output
    assert "different speeds of devices: None and 5=0.5" in told.stdout


def test_python_refuses_speeds_that_are_none():
    for speeds in ({}, {"5": 0.5}, {-1: 0.5}, [0.5], "5=0.5", {5: "slow"}):
        with pytest.raises(SimdlError, match="speeds: found"):
            simdl.simulate("gpt2", CLUSTER, dp=8, speeds=speeds)
