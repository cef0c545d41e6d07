"""Gradients that come with their backward pass: closed forms, block by block, and the planner's bound."""

from dataclasses import replace

import numpy as np
import pytest
from builders import build_cluster, build_network, build_workload

from planner.bounds.estimate import estimate_bounds
from planner.space.candidates import single_space
from simdl.memory.context import context_bytes
from simdl.memory.gradient_lifetime import LIFETIMES
from simdl.memory.needs import memory_by_rank
from simdl.software.reader import load_stack
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import price
from simdl.step.strategy import Recompute, Strategy

pytestmark = pytest.mark.theory
CASES = [
    pytest.param(tied, recompute, tp, id=f"{'tied' if tied else 'own head'}-{recompute.value}-tp{tp}")
    for tied in (True, False)
    for recompute in (Recompute.NONE, Recompute.FULL)
    for tp in (1, 2)
]


def asked(lifetime, strategy, *, tied=True, batch=1):
    workload = build_workload(build_network(4, tied=tied), precision="bf16-pure", global_batch=batch)
    stack = replace(load_stack("torchtune"), gradients=lifetime)
    pricing = price(workload, build_cluster(1, devices=strategy.devices), stack=stack)
    return workload, pricing, step_cost(workload, strategy, pricing)


def peak(step):
    (parts,) = memory_by_rank(step)
    assert all(nbytes >= 0 for nbytes in parts.values())
    return sum(parts.values())


@pytest.mark.parametrize(("tied", "recompute", "tp"), CASES)
@pytest.mark.parametrize("lifetime", LIFETIMES)
def test_the_peak_is_that_of_the_fullest_moment(tied, recompute, tp, lifetime):
    """At block b: what blocks up to it keep, its brief need and the gradients there are; or the update."""
    strategy = Strategy(tp=tp, recompute=recompute)
    _, _, step = asked(lifetime, strategy, tied=tied)
    (stage,) = step.stages
    element = 2  # [bytes] of a gradient in the format of the parameters
    table = step.workload.network.blocks[0].layers[0].parameters / tp * element if tied else 0.0
    made = [element * block.parameters for block in stage.blocks]
    whole = sum(made)
    moments = []
    for place, block in enumerate(stage.blocks):
        there = {"held": whole, "made": sum(made[place:]), "used": made[place]}[lifetime]
        if lifetime != "held" and place:
            there += table  # the head's gradient of it waits for the embedding's
        moments.append(sum(each.saved for each in stage.blocks[: place + 1]) + block.transient + there)
    update = 0.0 if lifetime == "used" else whole
    lasting = sum(made) * 3 + context_bytes(
        step.strategy, step.pricing
    )  # parameters and two moments of as many bytes
    assert peak(step) == pytest.approx(max(*moments, update) + lasting, rel=1e-12)


@pytest.mark.parametrize("strategy", [Strategy(dp=2), Strategy(micro_batch=1), Strategy(pp=2)])
def test_what_is_reduced_or_added_up_is_held(strategy):
    """Replicas, several microbatches and pipelines have their gradients for the whole step."""
    peaks = {
        max(map(sum, map(dict.values, memory_by_rank(asked(each, strategy, batch=4)[2]))))
        for each in LIFETIMES
    }
    assert len(peaks) == 1


@pytest.mark.parametrize(("tied", "recompute", "tp"), CASES)
@pytest.mark.parametrize("lifetime", LIFETIMES)
@pytest.mark.parametrize("batch", [1, 2])
def test_the_bound_has_the_memory_of_the_simulator(tied, recompute, tp, lifetime, batch):
    strategy = Strategy(tp=tp, recompute=recompute)
    workload, pricing, step = asked(lifetime, strategy, tied=tied, batch=batch)
    bounds = estimate_bounds(single_space(strategy, workload), workload, pricing)
    assert np.allclose(bounds.memory, peak(step), rtol=1e-12)
