"""Schedules of a step: what runs where, and after what."""

import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from uniform import uniform_network

from simdl.engine.run import run
from simdl.memory.needs import memory_by_rank
from simdl.report.timeline_metrics import memory_profile
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.lowering.build import LANES
from simdl.step.lowering.segment_lowering import PREFETCH
from simdl.step.lowering.step_lowering import lower
from simdl.step.simulate import price
from simdl.step.strategy import Strategy

OVERLAP = {"gradient_overlap": True, "parameter_overlap": True, "pipeline_overlap": True, "bucket": 0.0}


def step_of(strategy, *, network=None, global_batch=16, **stack):
    workload = build_workload(network or build_network(), global_batch=global_batch)
    pricing = price(workload, build_cluster(strategy.devices, devices=1), stack=build_stack(**stack))
    return step_cost(workload, strategy, pricing)


def schedule_of(strategy, **options):
    return lower(step_of(strategy, **options))


def tasks_of(schedule, rank, lane):
    stream = len(LANES) * rank + LANES.index(lane)
    return [task for task in schedule.tasks if task.streams == (stream,)]


def names(schedule, rank, lane):
    return [task.name for task in tasks_of(schedule, rank, lane)]


def test_every_rank_has_every_stream():
    schedule = schedule_of(Strategy(pp=2, dp=2))
    assert [(stream.rank, stream.name) for stream in schedule.streams] == [
        (rank, lane) for rank in range(2) for lane in LANES
    ]


def test_one_device_runs_forward_backward_and_optimizer():
    schedule = schedule_of(Strategy(), global_batch=2)
    assert names(schedule, 0, "compute") == ["forward", "backward"] * 2 + ["optimizer"]
    assert len(schedule.tasks) == 5


def test_without_overlap_gradients_are_reduced_after_the_last_backward_pass():
    schedule = schedule_of(Strategy(dp=4), global_batch=8)
    timeline = run(schedule)
    reduction = next(i for i, task in enumerate(schedule.tasks) if task.name == "reduce gradients")
    update = next(i for i, task in enumerate(schedule.tasks) if task.name == "optimizer")
    last = max(timeline.end[i] for i, task in enumerate(schedule.tasks) if task.name == "backward")
    assert timeline.start[reduction] == last
    assert timeline.start[update] == timeline.end[reduction]
    assert names(schedule, 0, "collective") == ["reduce gradients"]


def test_with_overlap_gradients_are_reduced_while_earlier_blocks_compute():
    schedule = schedule_of(Strategy(dp=4), network=build_network(16), **OVERLAP)
    timeline = run(schedule)
    starts = [timeline.start[i] for i, task in enumerate(schedule.tasks) if task.name == "reduce gradients"]
    last = max(timeline.end[i] for i, task in enumerate(schedule.tasks) if task.name == "backward")
    assert len(starts) == 18
    assert starts == sorted(starts)
    assert min(starts) < last


@pytest.mark.parametrize("bandwidth", [1e8, 1e10, 1e13])
def test_zero_3_gathers_at_most_prefetch_blocks_ahead(bandwidth):
    workload = build_workload(build_network(12), global_batch=8)
    cluster = build_cluster(4, devices=1, bandwidth=bandwidth)
    pricing = price(workload, cluster, stack=build_stack(**OVERLAP))
    schedule = lower(step_cost(workload, Strategy(dp=4, zero=3), pricing))
    timeline = run(schedule)
    passes = {}
    for index, task in enumerate(schedule.tasks):
        if task.name == "gather parameters":
            user = next(i for i, other in enumerate(schedule.tasks) if index in other.after)
            key = schedule.tasks[user].name, task.microbatch
            passes.setdefault(key, []).append((timeline.start[index], timeline.end[user]))
    assert len(passes) == 2 * 2
    for spans in passes.values():
        assert len(spans) == 14
        for position, (gather_start, _) in enumerate(spans[PREFETCH:]):
            assert gather_start >= spans[position][1]


def test_no_block_is_computed_before_its_parameters_are_gathered():
    schedule = schedule_of(Strategy(dp=4, zero=3), **OVERLAP)
    passes = [task for task in schedule.tasks if task.name in ("forward", "backward")]
    gathers = {i for i, task in enumerate(schedule.tasks) if task.name == "gather parameters"}
    assert all(gathers & set(task.after) for task in passes)


@pytest.mark.theory
@pytest.mark.parametrize("overlap", [{}, OVERLAP], ids=["sequential", "overlapped"])
@pytest.mark.parametrize(("zero", "gathered", "reduced"), [(1, 1, 1), (2, 1, 4), (3, 8, 4)])
def test_volumes_of_zero_with_four_microbatches(zero, gathered, reduced, overlap):
    """Rajbhandari et al. 2020, section 7: what is kept as a shard is sent in every microbatch."""
    network = build_network()
    schedule = schedule_of(Strategy(dp=4, zero=zero), network=network, **overlap)
    for name, volumes in (("gather parameters", gathered), ("reduce gradients", reduced)):
        sent = sum(task.nbytes for task in schedule.tasks if task.name == name)
        assert sent == pytest.approx(2 * network.parameters * volumes, rel=1e-9)


@pytest.mark.parametrize("zero", [1, 2])
def test_updated_parameters_are_gathered_after_the_optimizer_where_nothing_hides_it(zero):
    schedule = schedule_of(Strategy(dp=4, zero=zero))
    assert schedule.tasks[-1].name == "gather parameters"
    assert schedule.tasks[schedule.tasks[-1].after[0]].name == "optimizer"


@pytest.mark.parametrize("zero", [1, 2])
def test_updated_parameters_are_gathered_beside_the_first_forward_pass_where_the_stack_does(zero):
    schedule = schedule_of(Strategy(dp=4, zero=zero), **OVERLAP)
    gathers = [task for task in schedule.tasks if task.name == "gather parameters"]
    assert {task.microbatch for task in gathers} == {0}
    assert schedule.tasks[-1].name == "optimizer"


def test_transfers_take_the_compute_stream_unless_the_stack_overlaps_them():
    serial, beside = (
        schedule_of(Strategy(pp=2), global_batch=2, pipeline_overlap=flag) for flag in (False, True)
    )
    assert names(serial, 0, "send-forward") == []
    assert names(serial, 0, "compute").count("send activation") == 2
    assert names(beside, 0, "send-forward") == ["send activation"] * 2
    assert names(beside, 1, "send-backward") == ["send gradient"] * 2
    assert names(beside, 1, "send-forward") == names(beside, 0, "send-backward") == []


def test_a_pass_waits_for_the_neighbouring_stage():
    schedule = schedule_of(Strategy(pp=3), network=build_network(7), global_batch=4)
    for task in schedule.tasks:
        if task.name not in ("forward", "backward"):
            continue
        stage = task.stage
        sources = [schedule.tasks[before] for before in task.after]
        if task.name == "forward" and stage > 0:
            wanted = ("send activation", stage - 1)
        elif task.name == "backward" and stage < 2:
            wanted = ("send gradient", stage + 1)
        else:
            assert sources == []
            continue
        assert [(source.name, source.stage) for source in sources] == [wanted]
        assert sources[0].microbatch == task.microbatch


def test_tied_embedding_is_reduced_on_first_and_last_stage_before_their_optimizers():
    schedule = schedule_of(Strategy(pp=4), network=build_network(4))
    counts = [names(schedule, rank, "collective").count("reduce tied embedding") for rank in range(4)]
    assert counts == [1, 0, 0, 1]
    for task in schedule.tasks:
        if task.name == "optimizer" and task.streams[0] // len(LANES) in {0, 3}:
            assert "reduce tied embedding" in {schedule.tasks[before].name for before in task.after}


def test_an_untied_network_has_no_such_reduction():
    schedule = schedule_of(Strategy(pp=2), network=uniform_network(4, parameters=10, outputs=4))
    assert "reduce tied embedding" not in {task.name for task in schedule.tasks}


def test_the_optimizer_comes_last_on_the_compute_stream():
    for strategy in (Strategy(dp=4), Strategy(pp=2, dp=2), Strategy(dp=4, zero=3)):
        schedule = schedule_of(strategy, **OVERLAP)
        for rank in range(strategy.pp):
            assert names(schedule, rank, "compute")[-1] == "optimizer"
            assert names(schedule, rank, "compute").count("optimizer") == 1


@pytest.mark.parametrize(
    "strategy",
    [
        Strategy(),
        Strategy(pp=4),
        Strategy(pp=4, schedule="gpipe"),
        Strategy(pp=2, schedule="interleaved-1f1b", virtual_stages=2),
        Strategy(dp=4, zero=3),
        Strategy(dp=2, pp=2, zero=1),
    ],
)
def test_live_activations_rise_to_the_memory_model_and_end_at_nothing(strategy):
    for stack in ({}, OVERLAP):
        step = step_of(strategy, **stack)
        timeline = run(lower(step))
        for rank in range(strategy.pp):
            profile = [nbytes for _, nbytes in memory_profile(timeline, rank)]
            assert max(profile) == pytest.approx(memory_by_rank(step)[rank]["activations"])
            assert profile[-1] == pytest.approx(0.0, abs=1e-3)
