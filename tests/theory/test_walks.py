"""Passes over recurrent layers opened up into steps: in order, as long as before, and bounded in number."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from builders import build_cluster

from simdl.engine.run import run
from simdl.report.chrome_trace import chrome_trace
from simdl.software.reader import load_stack
from simdl.step.costs.walks import Walk, unrolled
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.lowering import step_lowering
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload


def workload(name="lstm-mini", batch=16):
    return Workload(
        network=load_network(name),
        optimizer=load_optimizer("adam"),
        precision=load_precision("bf16"),
        global_batch=batch,
    )


@pytest.mark.theory
def test_steps_of_a_layer_follow_each_other_in_the_timeline():
    found = simulate(workload(), build_cluster(1), Strategy(dp=4, micro_batch=4), stack=load_stack("dgl"))
    program, timeline = found.timeline.program, found.timeline
    steps = [
        (index, task)
        for index, task in enumerate(program.tasks)
        if task.label.startswith("lstm1 step") and task.name == "forward"
    ]
    assert [task.label for _, task in steps] == [f"lstm1 step {n}" for n in range(1, 33)]
    for (before, _), (after, task) in pairwise(steps):
        assert before in task.after
        assert timeline.end[before] <= timeline.start[after] + 1e-15
    backward = [task.label for task in program.tasks if task.name == "backward" and "lstm2" in task.label]
    assert len(backward) == 32
    names = {event["name"] for event in json.loads(json.dumps(chrome_trace(timeline)))["traceEvents"]}
    assert "forward lstm2 step 7" in names


@pytest.mark.theory
@pytest.mark.parametrize("name", ["lstm-mini", "gnmt", "tacotron2"])
@pytest.mark.parametrize(
    "strategy",
    [
        Strategy(dp=4, micro_batch=4),
        Strategy(dp=2, pp=2, micro_batch=2),
        Strategy(dp=4, zero=3, micro_batch=2),
        Strategy(pp=4, micro_batch=4, schedule="zb-h1"),
    ],
)
def test_a_chain_lasts_as_long_as_its_task(monkeypatch, name, strategy):
    work, cluster = workload(name), build_cluster(1)
    stack = replace(load_stack("pytorch-eager"), contention=0.0, schedules=())
    opened = simulate(work, cluster, strategy, stack=stack).report
    monkeypatch.setattr(step_lowering, "TASKS", 0)
    whole = simulate(work, cluster, strategy, stack=stack).report
    assert opened.step_time == pytest.approx(whole.step_time, rel=1e-9)
    assert opened.memory == whole.memory
    for cause, seconds in whole.breakdown.items():
        assert opened.breakdown[cause] == pytest.approx(seconds, rel=1e-6, abs=1e-12)


@pytest.mark.theory
def test_folded_and_unfolded_walks_agree():
    work, cluster, stack = workload(), build_cluster(1), load_stack("pytorch-eager")
    strategy = Strategy(dp=2, pp=2, micro_batch=4)
    times = [
        simulate(work, cluster, strategy, stack=stack, unfolded=unfolded).report.step_time
        for unfolded in (False, True)
    ]
    assert times[0] == pytest.approx(times[1], rel=1e-9)


@pytest.mark.theory
def test_long_walks_go_several_steps_together():
    walks = (Walk("", 1, 1.0), Walk("cell", 1000, 8.0), Walk("", 1, 1.0))
    found = list(unrolled(walks, tasks=12))
    assert len(found) <= 12
    assert sum(share for _, share in found) == pytest.approx(1.0)
    assert found[1][0] == "cell steps 1 to 112"
    assert list(unrolled(walks, tasks=5)) == []
    assert list(unrolled((Walk("", 1, 1.0),), tasks=100)) == []


@pytest.mark.theory
def test_tasks_of_a_step_are_bounded():
    work = workload("gnmt", batch=512)
    prices = price(work, build_cluster(1), stack=load_stack("pytorch-eager"))
    program = step_lowering.lower(step_cost(work, Strategy(dp=4, micro_batch=1), prices))
    assert len(program) < 2 * step_lowering.TASKS
    assert run(program).step_time > 0
