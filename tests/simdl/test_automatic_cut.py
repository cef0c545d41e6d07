"""The automatic cut: the fastest step of the stated set, among those that fit."""

from dataclasses import replace

import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.profiles import load_cluster
from simdl.engine.run import run
from simdl.kernels.cost_model import CostModel
from simdl.memory.context import context_bytes
from simdl.software.reader import load_stack
from simdl.step.cuts.automatic_cut import (
    automatic_cut,
    choose_cut,
    least_time,
    memory_need,
    step_cost,
    with_cut,
)
from simdl.step.cuts.cut_set import cut_set
from simdl.step.lowering.folding import alone_time
from simdl.step.lowering.step_lowering import lower
from simdl.step.simulate import device_cost_model, price, simulate
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload

NODE = load_cluster("jean-zay-a100:1")
FLAGS = st.fixed_dictionaries(
    {
        "gradient_overlap": st.booleans(),
        "parameter_overlap": st.booleans(),
        "pipeline_overlap": st.booleans(),
        "bucket": st.sampled_from([1e5, 25e6]),
        "launch": st.sampled_from([0.0, 8e-6]),
    }
)


class Scaled(CostModel):
    """The kernels of a node's device, all of them as many times as fast."""

    def __init__(self, factor):
        self._factor = factor
        self._model = device_cost_model(NODE.device)

    def kernel_time(self, kernel):
        return self._model.kernel_time(kernel) / self._factor


MODELS = {factor: Scaled(factor) for factor in (1.0, 1.5)}


def question(name, batch=128, precision="bf16"):
    return Workload(
        network=load_network(name),
        optimizer=load_optimizer("sgd"),
        precision=load_precision(precision),
        global_batch=batch,
    )


def with_device(cluster, **changes):
    return replace(cluster, node=replace(cluster.node, device=replace(cluster.device, **changes)))


def faster_device(cluster, factor):
    device = cluster.device
    return with_device(
        cluster,
        memory_bandwidth=device.memory_bandwidth * factor,
        vector_flop_rate=device.vector_flop_rate * factor,
        peak_flop_rate={dtype: rate * factor for dtype, rate in device.peak_flop_rate.items()},
    )


def faster_links(cluster, factor):
    levels = tuple(
        replace(level, link=replace(level.link, bandwidth=level.link.bandwidth * factor))
        for level in cluster.levels
    )
    return replace(cluster, node=replace(cluster.node, levels=levels))


def test_choosing_times_no_cut_that_cannot_win():
    timed = []

    def evaluate(cut):
        timed.append(cut)
        return {(1, 3): 5.0, (2, 2): 4.0, (3, 1): 9.0}[cut]

    least = {(1, 3): 3.5, (2, 2): 3.0, (3, 1): 4.5}
    assert choose_cut(least, evaluate, lambda _: True) == (2, 2)
    assert timed == [(2, 2), (1, 3)]
    assert choose_cut(least, evaluate, lambda cut: cut != (2, 2)) == (1, 3)
    assert choose_cut(least, evaluate, lambda _: False) is None


def test_of_cuts_that_do_not_fit_the_leanest_is_taken():
    workload, stack = question("alexnet"), load_stack("pytorch-ngc")
    small = price(workload, with_device(NODE, memory_capacity=1e9), stack=stack)
    strategy = Strategy(dp=2, pp=4)
    needs = {
        cut: memory_need(step_cost(workload, replace(strategy, stages=cut), small))
        for cut in cut_set(workload.network, 4)
    }
    assert needs[automatic_cut(workload, strategy, small)] == min(needs.values())


def test_a_strategy_names_its_cut_only_where_there_was_a_choice():
    workload, stack = question("alexnet"), load_stack("pytorch-ngc")
    pricing = price(workload, NODE, stack=stack)
    free, own = Strategy(dp=2, pp=4), Strategy(dp=2, pp=4, stages=(2, 2, 2, 2))
    assert with_cut(free, workload, pricing).stages == automatic_cut(workload, free, pricing)
    assert with_cut(own, workload, pricing) == own
    even = build_workload(build_network(8))
    only = Strategy(dp=2, pp=4)
    assert with_cut(only, even, price(even, build_cluster(), stack=build_stack())) == only


@pytest.mark.property
@settings(deadline=None, max_examples=15)
@given(
    flags=FLAGS,
    name=st.sampled_from(["alexnet", "lenet5"]),
    schedule=st.sampled_from(["1f1b", "gpipe"]),
    micro_batch=st.sampled_from([4, 8]),
    zero=st.sampled_from([0, 1]),
)
def test_the_automatic_cut_is_the_fastest_of_the_set_where_nothing_is_shared(
    flags, name, schedule, micro_batch, zero
):
    workload, stack = question(name, batch=32), replace(load_stack("pytorch-ngc"), **flags)
    strategy = Strategy(dp=2, pp=4, zero=zero, schedule=schedule, micro_batch=micro_batch)
    pricing = price(workload, NODE, stack=stack)
    alone = {}
    for cut in cut_set(workload.network, 4):
        step = step_cost(workload, replace(strategy, stages=cut), pricing)
        alone[cut] = alone_time(step)
        assert alone[cut] <= run(lower(step)).step_time * (1 + 1e-9)
        assert least_time(step) <= alone[cut] * (1 + 1e-12)
    assert alone[automatic_cut(workload, strategy, pricing)] == min(alone.values())


@pytest.mark.property
@settings(deadline=None, max_examples=30)
@given(
    flags=FLAGS,
    name=st.sampled_from(["alexnet", "vgg16", "resnet18", "googlenet"]),
    shape=st.sampled_from([(1, 8), (2, 4), (4, 2)]),
    pipeline=st.tuples(st.sampled_from(["1f1b", "gpipe"]), st.sampled_from([4, 8])),
    change=st.sampled_from(["device", "links", "memory"]),
)
def test_no_step_gets_slower_on_a_better_machine(flags, name, shape, pipeline, change):
    """With algorithm choices held (one rate for kernels) and nothing shared (no contention)."""
    (dp, pp), (schedule, micro_batch) = shape, pipeline
    workload = question(name, batch=32)
    strategy = Strategy(dp=dp, pp=pp, zero=int(dp > 1), schedule=schedule, micro_batch=micro_batch)
    stack = replace(load_stack("pytorch-ngc"), contention=0.0, **flags)
    held = context_bytes(strategy, price(workload, NODE, stack=stack))
    tight = with_device(NODE, memory_capacity=(held + 0.4e9) / (1 - stack.memory_reserve))
    better = {
        "device": (tight, 1.5),
        "links": (faster_links(tight, 1.5), 1.0),
        "memory": (with_device(tight, memory_capacity=tight.device.memory_capacity + 0.4e9), 1.0),
    }
    before = step(workload, strategy, stack, tight, 1.0)
    after = step(workload, strategy, stack, *better[change])
    assert after.step_time <= before.step_time * (1 + 1e-9)
    cuts = [cut_of(workload, strategy, stack, tight, 1.0), cut_of(workload, strategy, stack, *better[change])]
    if cuts[0] == cuts[1]:
        assert after.peak_memory == before.peak_memory


@pytest.mark.parametrize("micro_batch", [1, 2, 4, 8, 16, 32])
def test_alexnet_on_a_device_half_as_fast_again(micro_batch):
    """A cut by slowest stage made this step 10 % slower and changed its memory by 17 %.

    The host keeps ahead, as it was taken to when that was seen: one that takes 60 us a kernel bounds all six.
    """
    workload, stack = question("alexnet"), replace(load_stack("pytorch-ngc"), launch=10e-6)
    strategy = Strategy(dp=2, pp=4, zero=1, micro_batch=micro_batch)
    before, after = (
        simulate(workload, cluster, strategy, stack=stack).report
        for cluster in (NODE, faster_device(NODE, 1.5))
    )
    assert after.step_time < 0.97 * before.step_time
    assert after.peak_memory == pytest.approx(before.peak_memory, rel=0.07)


def step(workload, strategy, stack, cluster, factor):
    return simulate(workload, cluster, strategy, stack=stack, cost_model=MODELS[factor]).report


def cut_of(workload, strategy, stack, cluster, factor):
    pricing = price(workload, cluster, stack=stack, cost_model=MODELS[factor])
    return automatic_cut(workload, strategy, pricing)
