"""Rules of every registered schedule, on drawn clusters, stacks and ways of sharding."""

from dataclasses import fields, replace
from functools import lru_cache
from itertools import product

import numpy as np
import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import FLAGS

from planner.bounds.estimate import estimate_bound, estimate_bounds
from planner.space.candidates import Limits, Space, accepts, enumerate_space, single_space
from simdl.errors import StrategyError
from simdl.memory.needs import memory_by_rank
from simdl.pipelines import PIPELINES
from simdl.program.action import Transfer
from simdl.report.timeline_metrics import breakdowns, memory_profiles
from simdl.step.cuts.automatic_cut import memory_need, step_cost
from simdl.step.lowering.folding import run_step
from simdl.step.lowering.step_lowering import lower
from simdl.step.simulate import price, simulate
from simdl.step.strategy import PLAIN, Strategy, problems

pytestmark = pytest.mark.property

PLACES = [(2, 4), (1, 4), (2, 3), (3, 2), (1, 8)]  # stages on nodes of three straddle them
LAYERS = 16
COUNTS = (1, 2, 3, 4, 6, 8, 9, 12)
OVERLAPS = ("gradient_overlap", "parameter_overlap", "pipeline_overlap")
BANDWIDTHS = st.sampled_from([1e7, 1e9, 1e11])
SCHEDULES = pytest.mark.parametrize("schedule", sorted(PIPELINES))


@lru_cache
def sizes(schedule, devices, accepted):
    """Pipeline ranks, microbatches and virtual stages that a schedule takes, or all."""
    return [
        (pp, count, virtual)
        for pp in range(1, devices + 1)
        if devices % pp == 0
        for count in COUNTS
        for virtual in (1, 2)
        if not (accepted and any(PIPELINES[schedule].problems(pp, count, virtual)))
        if not (accepted and pp == 1 < virtual)
    ]


@st.composite
def questions(draw, schedule, *, accepted):
    """A workload, a cluster and a strategy; with ``accepted`` one that can be carried out."""
    nodes, devices = draw(st.sampled_from(PLACES))
    cluster = build_cluster(nodes, devices=devices, bandwidth=draw(BANDWIDTHS))
    pp, count, virtual = draw(st.sampled_from(sizes(schedule, cluster.devices, accepted)))
    left = cluster.devices // pp
    tp = draw(st.sampled_from([tp for tp in (1, 2) if left % tp == 0]))
    zero = draw(st.integers(0, 1 if accepted and pp > 1 else 3))
    dp = left // tp
    degrees = [0, *(each for each in (1, 2) if not accepted or (zero and dp % each == 0))]
    strategy = Strategy(
        dp=dp,
        tp=tp,
        pp=pp,
        micro_batch=draw(st.sampled_from([1, 2])),
        schedule=schedule,
        virtual_stages=virtual,
        zero=zero,
        shard_degree=draw(st.sampled_from(degrees)),
        sequence_parallel=tp > 1 and draw(st.booleans()),
    )
    workload = build_workload(build_network(LAYERS), global_batch=dp * strategy.micro_batch * count)
    return workload, cluster, strategy


@SCHEDULES
@settings(max_examples=20)
@given(data=st.data(), flags=FLAGS)
def test_bounds_hold_and_what_a_step_takes_adds_up(schedule, data, flags):
    workload, cluster, strategy = data.draw(questions(schedule, accepted=True))
    stack = build_stack(**flags)
    assert not list(problems(strategy, workload, cluster))
    simulation = simulate(workload, cluster, strategy, stack=stack)
    pricing = price(workload, cluster, stack=stack)
    report = simulation.report
    bounds = estimate_bounds(single_space(strategy, workload), workload, pricing)
    assert bounds.step_time[0] <= report.step_time * (1 + 1e-9)
    assert bounds.memory[0] == pytest.approx(report.peak_memory, rel=1e-9)
    for causes in (*breakdowns(simulation.timeline).values(), report.breakdown):
        assert sum(causes.values()) == pytest.approx(report.step_time, rel=1e-9)
        assert min(causes.values()) >= 0.0
    parts = memory_by_rank(step_cost(workload, strategy, pricing))
    for rank, profile in memory_profiles(simulation.timeline).items():
        live = max(nbytes for _, nbytes in profile)
        assert live == pytest.approx(parts[rank]["activations"], rel=1e-9)


@SCHEDULES
def test_bounds_hold_for_every_sharding_overlap_and_count(schedule):
    """All of them, not a sample: both refuse the same, and no step is below its bound."""
    compared, ranks = set(), (1, 2) if schedule == PLAIN else (2,)
    for flags in map(dict, product(*([(name, False), (name, True)] for name in OVERLAPS))):
        stack = build_stack(bucket=1e5, contention=0.1, **flags)
        for pp, count in product(ranks, (1, 2, 4, 6)):
            workload, cluster = build_workload(build_network(4), global_batch=4 * count), build_cluster(pp)
            accepted = []
            for strategy in shardings(schedule, pp):
                reasons = tuple(problems(strategy, workload, cluster))
                if reasons:
                    assert refusals(workload, cluster, strategy, stack) == {reasons}
                else:
                    accepted.append(strategy)
            if accepted:
                compare_bounds(accepted, workload, cluster, stack)
            compared |= {strategy.zero for strategy in accepted}
    assert compared == ({0, 1, 2, 3} if schedule == PLAIN else {0, 1})


def shardings(schedule, pp):
    virtual = 2 if any(PIPELINES[schedule].problems(pp, 4, 1)) else 1
    plain = Strategy(dp=4, pp=pp, schedule=schedule, virtual_stages=virtual)
    sharded = [replace(plain, zero=zero, shard_degree=degree) for zero in (1, 2, 3) for degree in (0, 1, 2)]
    return [plain, *sharded]


def compare_bounds(strategies, workload, cluster, stack):
    pricing = price(workload, cluster, stack=stack)
    bounds = estimate_bounds(joined(strategies, workload), workload, pricing)
    for index, strategy in enumerate(strategies):
        step = step_cost(workload, strategy, pricing)
        assert bounds.step_time[index] <= run_step(step).step_time * (1 + 1e-9)
        assert bounds.memory[index] <= memory_need(step) * (1 + 1e-9)


def joined(strategies, workload):
    """The space of these strategies of one schedule."""
    spaces = [single_space(strategy, workload) for strategy in strategies]
    names = [field.name for field in fields(Space) if field.name != "schedules"]
    columns = {name: np.concatenate([getattr(space, name) for space in spaces]) for name in names}
    return Space(schedules=spaces[0].schedules, **columns)


@SCHEDULES
@settings(max_examples=50)
@given(data=st.data())
def test_what_is_refused_is_refused_alike_everywhere(schedule, data):
    workload, cluster, strategy = data.draw(questions(schedule, accepted=False))
    stack = build_stack()
    reasons = tuple(problems(strategy, workload, cluster))
    if not reasons:
        assert in_space(strategy, workload, cluster) == canonical(strategy, workload, cluster)
        return
    assert not in_space(strategy, workload, cluster)
    assert refusals(workload, cluster, strategy, stack) == {reasons}


def refusals(workload, cluster, strategy, stack):
    """Why a step is not simulated, and why it is not bounded."""
    with pytest.raises(StrategyError) as simulated:
        simulate(workload, cluster, strategy, stack=stack)
    with pytest.raises(StrategyError) as bounded:
        estimate_bound(strategy, workload, price(workload, cluster, stack=stack))
    return {simulated.value.reasons, bounded.value.reasons}


def in_space(strategy, workload, cluster):
    space = enumerate_space(workload, cluster, limits=Limits(schedules=(strategy.schedule,)))
    same = (
        (space.dp == strategy.dp)
        & (space.tp == strategy.tp)
        & (space.pp == strategy.pp)
        & (space.micro_batch == strategy.micro_batch)
        & (space.zero == strategy.zero)
    )
    return any(space.strategy(int(index)) == strategy for index in same.nonzero()[0])


def canonical(strategy, workload, cluster):
    """Whether the space holds this very strategy and not one that is the same."""
    inside = cluster.levels[0].size // strategy.tp
    accepted = accepts(
        strategy.schedule,
        strategy.pp,
        strategy.microbatches(workload.global_batch),
        strategy.virtual_stages,
    )
    chunks = strategy.pp * strategy.virtual_stages
    return (
        (strategy.schedule == PLAIN or (strategy.pp > 1 and accepted))
        and (strategy.virtual_stages == 1 or LAYERS % chunks == 0)
        and (strategy.zero == 0 or strategy.replicas > 1)
        and (strategy.shard_degree == 0 or 1 < inside == strategy.shard_degree < strategy.replicas)
    )


@SCHEDULES
@settings(max_examples=10)
@given(data=st.data(), flags=FLAGS, other=FLAGS)
def test_what_a_transfer_takes_alone_never_depends_on_load(schedule, data, flags, other):
    """Neither on what a stack runs beside it nor on what that takes of the device."""
    workload, cluster, strategy = data.draw(questions(schedule, accepted=True))
    keep = ("bucket", "scatter_gather", "gradient_overlap", "parameter_overlap")
    other = other | {name: flags[name] for name in keep}
    first, second = (alone(workload, cluster, strategy, build_stack(**each)) for each in (flags, other))
    assert first == second


def alone(workload, cluster, strategy, stack):
    """Seconds and loads of every transfer of a program."""
    program = lower(step_cost(workload, strategy, price(workload, cluster, stack=stack)))
    return {
        (
            action.purpose,
            action.stage,
            action.nbytes,
            action.duration,
            tuple((program.channels[load.channel].name, load.share) for load in action.loads),
        )
        for action in program.actions
        if isinstance(action, Transfer)
    }
