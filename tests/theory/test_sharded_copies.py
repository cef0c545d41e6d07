"""Copies that FSDP makes around its collectives: bytes from its code, seconds at the device's own rate."""

from dataclasses import replace

import pytest
from builders import build_network, build_workload

from hardware.profiles import load_cluster
from simdl.communication import Group
from simdl.kernels.cost_model import launch_time
from simdl.kernels.kernel import Kernel
from simdl.program.action import Purpose, Transfer
from simdl.software.reader import load_stack
from simdl.step.costs.gradients import GradientShare, gathers, reductions, total_seconds
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.lowering.step_lowering import lower
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from workloads.operators import OperatorKind

PARAMETERS, RANKS = 1_000_000.0, 4


def pricing_of(*, copies):
    workload = build_workload(build_network(4), precision="fp32", global_batch=8)
    stack = replace(load_stack("pytorch-cpu"), shard_copies=copies)
    return price(workload, load_cluster("cpu-node:1"), stack=stack)


def copy(pricing, nbytes):
    return launch_time(pricing.cost_model, Kernel("copy", OperatorKind.ELEMENTWISE, 0.0, nbytes, "fp32"))


def seconds(found, zero):
    shares = [GradientShare(Group(size=1, stride=1), PARAMETERS, 10)]
    strategy = Strategy(dp=RANKS, zero=zero)
    return tuple(total_seconds(collectives(shares, strategy, found)) for collectives in (gathers, reductions))


@pytest.mark.theory
@pytest.mark.parametrize(
    ("precision", "zero", "each"),
    [("fp8-tensorwise", 3, 1), ("fp8-tensorwise", 2, 2), ("fp8-rowwise", 3, 2), ("bf16", 3, 2)],
)
def test_fsdp_gathers_a_byte_a_parameter_where_tensors_have_one_scale(precision, zero, each):
    workload = build_workload(build_network(4), precision=precision, global_batch=8)
    found = price(workload, load_cluster("dgx-h100:1"), stack=load_stack("torchtitan-compile"))
    shares = [GradientShare(Group(size=1, stride=1), PARAMETERS, 10)]
    (gather,) = gathers(shares, Strategy(dp=RANKS, zero=zero), found)
    assert gather.nbytes == each * PARAMETERS


@pytest.mark.theory
def test_shards_are_packed_parameters_taken_apart_and_gradients_packed():
    """Read and written: 2 x 4/n and 2 x 4 bytes a parameter to gather, 2 x 4 a gradient to scatter."""
    plain, copied = pricing_of(copies=False), pricing_of(copies=True)
    before, after = seconds(plain, 3), seconds(copied, 3)
    whole = 4 * PARAMETERS
    assert after[0] - before[0] == pytest.approx(copy(copied, 2 * whole / RANKS) + copy(copied, 2 * whole))
    assert after[1] - before[1] == pytest.approx(copy(copied, 2 * whole))


@pytest.mark.theory
@pytest.mark.parametrize("zero", [0, 1, 2])
def test_whole_parameters_are_not_copied(zero):
    plain, copied = (seconds(pricing_of(copies=copies), zero) for copies in (False, True))
    assert plain == copied


def test_a_step_of_fsdp_takes_longer_by_its_copies():
    workload = build_workload(build_network(4), precision="fp32", global_batch=8)
    cluster = load_cluster("cpu-node:1")
    times = [
        simulate(
            workload,
            cluster,
            Strategy(dp=4, zero=3),
            stack=replace(load_stack("pytorch-cpu"), shard_copies=copies),
        ).report.step_time
        for copies in (False, True)
    ]
    assert times[0] < times[1]


@pytest.mark.theory
@pytest.mark.parametrize("purpose", [Purpose.GATHER_PARAMETERS, Purpose.REDUCE_GRADIENTS])
def test_copies_have_the_whole_device_and_messages_what_their_kernels_take(purpose):
    """Seconds that computation beside it loses: those of the copies, more than without them."""
    workload, cluster = build_workload(build_network(4), global_batch=8), load_cluster("dgx-a100:1")
    lost, whole = [], []
    for copies in (False, True):
        stack = replace(load_stack("torchtitan"), shard_copies=copies)
        step = step_cost(workload, Strategy(dp=8, zero=3), price(workload, cluster, stack=stack))
        found = [task.action for task in lower(step).tasks if isinstance(task.action, Transfer)]
        chosen = [action for action in found if action.purpose is purpose]
        lost.append(sum(action.footprint * action.duration for action in chosen))
        whole.append(sum(action.duration for action in chosen))
    assert lost[0] > 0
    assert lost[1] - lost[0] == pytest.approx(whole[1] - whole[0])
