"""Folded equals unfolded: to the last bit where nothing is shared, else to rounding (design decision 7)."""

import pytest
from builders import build_cluster, build_stack, build_workload
from timelines import critical_path

from simdl.errors import StrategyError
from simdl.program.unfolding import every_rank, unfold
from simdl.report.timeline_metrics import breakdowns
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.lowering.step_lowering import lower
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Recompute, Strategy

DEGREES = {
    "data": {"dp": 8},
    "tensor": {"tp": 8},
    "pipeline": {"pp": 4, "dp": 2},
    "context": {"cp": 4, "dp": 2},
    "sequence": {"tp": 4, "dp": 2, "sequence_parallel": True},
    "data x tensor x pipeline": {"dp": 2, "tp": 2, "pp": 2},
    "data x context x pipeline": {"dp": 2, "cp": 2, "pp": 2},
    "tensor x context x pipeline": {"tp": 2, "cp": 2, "pp": 2, "sequence_parallel": True},
    "gpipe": {"dp": 2, "tp": 2, "pp": 2, "schedule": "gpipe"},
    "interleaved": {"dp": 2, "tp": 2, "pp": 2, "schedule": "interleaved-1f1b", "virtual_stages": 2},
    "zero 1": {"dp": 4, "pp": 2, "zero": 1},
    "zero 1 interleaved": {
        "dp": 4,
        "pp": 2,
        "zero": 1,
        "schedule": "interleaved-1f1b",
        "virtual_stages": 2,
    },
    "zero 2": {"dp": 4, "tp": 2, "zero": 2},
    "zero 3": {"dp": 8, "zero": 3},
    "zero 3 x tensor": {"dp": 4, "tp": 2, "zero": 3},
    "zero 3 x context": {"dp": 4, "cp": 2, "zero": 3},
    "hybrid sharding": {"dp": 8, "zero": 3, "shard_degree": 4},
}
STACKS = {
    "nothing overlaps": {},
    "everything overlaps": {
        "gradient_overlap": True,
        "parameter_overlap": True,
        "pipeline_overlap": True,
        "contention": 0.1,
        "bucket": 1e6,
    },
    "gradients overlap": {"gradient_overlap": True, "bucket": 0.0},
    "transfers overlap": {"pipeline_overlap": True, "scatter_gather": False, "attention": "flash-causal"},
}


def both(degrees, stack, **changes):
    strategy = Strategy(**(degrees | changes))
    arguments = build_workload(), build_cluster(), strategy
    return [simulate(*arguments, stack=build_stack(**stack), unfolded=flag) for flag in (False, True)]


def shares(simulation):
    """Whether anything took longer than alone."""
    timeline = simulation.timeline
    taken = (end - start for start, end in zip(timeline.start, timeline.end, strict=True))
    return any(
        took > task.duration * (1 + 1e-9) + 1e-12
        for took, task in zip(taken, timeline.program.tasks, strict=True)
    )


def assert_equal(folded, unfolded):
    found, expected = unfolded.report.step_time, folded.report.step_time
    assert found == expected or shares(folded)
    assert found == pytest.approx(expected, rel=1e-9)
    assert expected >= critical_path(folded.timeline.program) * (1 - 1e-12)


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("degrees", DEGREES.values(), ids=DEGREES)
def test_folded_equals_unfolded(degrees, stack):
    folded, unfolded = both(degrees, stack)
    assert_equal(folded, unfolded)
    assert len(unfolded.timeline.program.streams) > len(folded.timeline.program.streams)


@pytest.mark.parametrize("schedule", ["zb-h1", "zb-h2", "zb-v", "pipedream"])
def test_sums_of_all_replicas_share_links_with_messages_of_each(schedule):
    """A sum that all ranks run together beside sends of each: of slow links every rank gets as much."""
    strategy = Strategy(dp=4, pp=2, schedule=schedule, virtual_stages=1 + (schedule == "zb-v"))
    arguments = build_workload(global_batch=24), build_cluster(bandwidth=1e8), strategy
    stack = build_stack(pipeline_overlap=schedule != "pipedream", gradient_overlap=True)
    folded, unfolded = (simulate(*arguments, stack=stack, unfolded=flag) for flag in (False, True))
    assert shares(folded)
    assert unfolded.report.step_time == pytest.approx(folded.report.step_time, rel=1e-9)


@pytest.mark.parametrize("recompute", list(Recompute))
def test_folded_equals_unfolded_with_recomputation(recompute):
    folded, unfolded = both(
        DEGREES["data x tensor x pipeline"], STACKS["everything overlaps"], recompute=recompute
    )
    assert_equal(folded, unfolded)


@pytest.mark.parametrize("degrees", [DEGREES["data"], DEGREES["tensor"], DEGREES["zero 3"]])
def test_where_nothing_is_shared_they_are_equal_to_the_last_bit(degrees):
    folded, unfolded = both(degrees, STACKS["nothing overlaps"])
    assert not shares(folded)
    assert unfolded.report.step_time == folded.report.step_time


def test_some_of_these_steps_share_channels_and_are_slowed():
    folded, _ = both(DEGREES["zero 1"], STACKS["everything overlaps"])
    assert shares(folded)


@pytest.mark.parametrize("degrees", [DEGREES["zero 1 interleaved"], DEGREES["data x tensor x pipeline"]])
def test_every_rank_spends_its_time_as_its_representative_does(degrees):
    folded, unfolded = both(degrees, STACKS["everything overlaps"])
    strategy = Strategy(**degrees)
    copies = strategy.replicas * strategy.tp
    representatives = breakdowns(folded.timeline)
    for rank, causes in breakdowns(unfolded.timeline).items():
        assert causes == pytest.approx(representatives[rank // copies], abs=1e-12)


def test_unfolding_makes_a_gradient_reduction_one_rendezvous_of_all_replicas():
    strategy = Strategy(dp=2, tp=2, pp=2)
    pricing = price(build_workload(), build_cluster(), stack=build_stack())
    folded = lower(step_cost(build_workload(pricing.network), strategy, pricing))
    program = unfold(folded, every_rank(2, 2))
    reductions = [task for task in program.tasks if task.name == "reduce gradients"]
    forwards = [task for task in program.tasks if task.name == "forward"]
    assert [rank.first for rank in program.classes] == list(range(8))
    assert {rank.count for rank in program.classes} == {1}
    assert len(reductions) == strategy.pp
    assert all(len(task.streams) == strategy.dp * strategy.tp for task in reductions)
    assert len(forwards) == strategy.devices / strategy.tp * 8
    assert all(len(task.streams) == strategy.tp for task in forwards)


@pytest.mark.parametrize(("dp", "tp"), [(1, 1), (2, 4), (64, 8)])
def test_tasks_do_not_grow_with_data_and_tensor_parallel_degrees(dp, tp):
    strategy = Strategy(dp=dp, tp=tp, pp=2, micro_batch=1)
    workload = build_workload(global_batch=8 * dp)
    pricing = price(workload, build_cluster(dp * tp * 2, devices=1), stack=build_stack())
    tasks = lower(step_cost(workload, strategy, pricing)).tasks
    compute = [task for task in tasks if task.name in ("forward", "backward")]
    assert len(compute) == 2 * 8 * strategy.pp
    assert len(tasks) <= 60


def test_a_hundred_thousand_devices_take_as_many_tasks_as_a_thousand():
    counts = []
    for devices in (1_000, 100_000):
        strategy = Strategy(dp=devices // 4, tp=2, pp=2, zero=1)
        workload = build_workload(global_batch=devices // 4 * 8)
        result = simulate(workload, build_cluster(devices // 4), strategy, stack=build_stack())
        counts.append(len(result.timeline.program.tasks))
    assert counts[0] == counts[1]


def slowed(strategy, speeds, *, unfolded=False, **stack):
    changes = {"gradient_overlap": False} | stack
    arguments = build_workload(), build_cluster(), strategy
    return simulate(*arguments, stack=build_stack(**changes), speeds=speeds, unfolded=unfolded)


def pass_times(simulation, name="forward"):
    """Seconds of passes, by the first rank of the classes that run them together."""
    timeline, found = simulation.timeline, {}
    program = timeline.program
    for index, task in enumerate(program.tasks):
        if task.name == name:
            first = program.classes[program.streams[task.streams[0]].rank].first
            found.setdefault(first, set()).add(round(timeline.end[index] - timeline.start[index], 12))
    return found


def test_a_slow_device_slows_the_passes_of_its_replica_only():
    """Rank 5 is of the third of four replicas of two tensor-parallel ranks."""
    strategy = Strategy(dp=4, tp=2)
    (alone,) = pass_times(slowed(strategy, None))[0]
    found = pass_times(slowed(strategy, {5: 0.5}))
    assert {first: pytest.approx(list(seconds)) for first, seconds in found.items()} == {
        0: [alone],
        4: [2 * alone],
        6: [alone],
    }


def test_collectives_wait_for_the_slow_device():
    """The step takes as long as if all were slow but for what is no work of the slow device."""
    strategy = Strategy(dp=8)
    fast, one = slowed(strategy, None), slowed(strategy, {3: 0.5})
    every = slowed(strategy, dict.fromkeys(range(8), 0.5))
    assert one.report.step_time == pytest.approx(every.report.step_time, rel=1e-12)
    communication = fast.report.breakdown["data_communication"]
    computed = fast.report.step_time - communication
    assert one.report.step_time == pytest.approx(2 * computed + communication, rel=1e-9)
    starts = {
        simulation.timeline.start[index]
        for simulation in (one, every)
        for index, task in enumerate(simulation.timeline.program.tasks)
        if task.name == "reduce gradients"
    }
    assert min(starts) == pytest.approx(max(starts))


SLOW = {
    "data": Strategy(dp=8),
    "data x tensor": Strategy(dp=4, tp=2),
    "data x tensor x pipeline": Strategy(dp=2, tp=2, pp=2),
    "zero 3": Strategy(dp=8, zero=3),
    "zero 1 x pipeline": Strategy(dp=4, pp=2, zero=1),
    "two slow ones": Strategy(dp=8),
}


@pytest.mark.parametrize("stack", ["nothing overlaps", "everything overlaps"])
@pytest.mark.parametrize("name", SLOW)
def test_classes_that_set_slow_devices_apart_equal_every_rank(name, stack):
    strategy = SLOW[name]
    speeds = {5: 0.5} if name != "two slow ones" else {1: 0.7, 6: 0.5}
    split, every = (slowed(strategy, speeds, unfolded=flag, **STACKS[stack]) for flag in (False, True))
    assert len(split.timeline.program.classes) < len(every.timeline.program.classes) == 8
    assert every.report.step_time == pytest.approx(split.report.step_time, rel=1e-9)
    usual = slowed(strategy, None, **STACKS[stack]).report.step_time
    assert split.report.step_time > usual


@pytest.mark.parametrize(
    ("speeds", "message"),
    [
        ({8: 0.5}, "speeds: found rank 8; expected 0 to 7"),
        ({-1: 0.5}, "speeds: found rank -1; expected 0 to 7"),
        ({0: 0.0}, "speeds: found 0.0 for rank 0; expected a number above 0"),
        ({0: float("nan")}, "speeds: found nan for rank 0; expected a number above 0"),
    ],
)
def test_speeds_that_none_can_have_are_refused(speeds, message):
    with pytest.raises(StrategyError, match=message):
        slowed(Strategy(dp=8), speeds)
