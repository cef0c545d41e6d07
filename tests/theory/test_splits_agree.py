"""Layers split one by one, and the same step with all layers divided alike: two descriptions, one answer."""

from itertools import product

import pytest

from planner.bounds.estimate import estimate_bound
from planner.questions.question import Options, load_question
from simdl.communication import Group
from simdl.memory.needs import memory_by_rank
from simdl.step.costs.gradients import reductions, replica_group
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Recompute, Strategy

pytestmark = pytest.mark.theory

RANKS, BATCH = 16, 512
FORMS = {
    "plain": {},
    "zero 1": {"zero": 1},
    "zero 2": {"zero": 2},
    "zero 3 within nodes": {"zero": 3, "shard_degree": 8},
    "recomputed": {"recompute": Recompute.FULL},
    "pipelined": {"pp": 2, "zero": 1},
}


def ask(model, stack=None):
    return load_question(
        Options(model=model, cluster="dgx-1-v100:2", global_batch=BATCH, precision="fp32", stack=stack)
    )


def report(question, **fields):
    return simulate(question.workload, question.cluster, Strategy(**fields), stack=question.stack).report


@pytest.mark.parametrize(
    ("model", "stack", "form", "microbatches"),
    [
        *product(["alexnet"], [None], FORMS, [1, 4]),
        *product(["resnet50"], ["pytorch-eager"], FORMS, [4]),
        *product(["vgg16"], ["megatron-2021"], ["plain", "zero 1", "pipelined"], [1]),
        *product(["googlenet"], ["torchtitan"], ["zero 2", "zero 3 within nodes"], [1]),
        *product(["densenet121"], [None], ["recomputed", "pipelined"], [1]),
    ],
)
def test_all_layers_by_sample_are_data_parallelism(model, stack, form, microbatches):
    question, fields = ask(model, stack), FORMS[form]
    ranks = RANKS // fields.get("pp", 1)
    whole = BATCH // microbatches
    split = report(question, split_degree=ranks, micro_batch=whole, **fields)
    for replicas in (ranks, 2):  # all of them as replicas, or two arrangements of half of them
        inner = ranks // replicas
        other = report(question, dp=replicas, split_degree=inner, micro_batch=whole // replicas, **fields)
        assert split.step_time == pytest.approx(other.step_time, rel=1e-9)
        assert dict(split.memory) == pytest.approx(dict(other.memory), rel=1e-9)
        assert dict(split.breakdown) == pytest.approx(dict(other.breakdown), rel=1e-9, abs=1e-15)
        assert dict(split.kernels) == pytest.approx(dict(other.kernels), rel=1e-9)
        assert split.hfu == pytest.approx(other.hfu, rel=1e-9)
        assert split.memory_bound_fraction == pytest.approx(other.memory_bound_fraction, rel=1e-9)


@pytest.mark.parametrize(
    ("split", "inner"),
    [
        ("sample", Group(size=8)),
        ("spatial 2x2", Group(size=8)),
        ("filter 4", Group(size=2, stride=4)),
        ("replicated 8", Group(size=1, stride=8)),
    ],
)
def test_gradients_are_added_up_over_the_sample_groups_of_all_arrangements(split, inner):
    """Rank = (stage x dp + replica) x split_degree + lane, so the groups go on at the same distance."""
    question = ask("resnet50")
    strategy = Strategy(dp=2, split_degree=8, micro_batch=BATCH // 2, splits=(("conv2_1/conv2", split),))
    pricing = price(question.workload, question.cluster, stack=question.stack)
    step = step_cost(question.workload, strategy, pricing)
    groups = {share.group for share in step.rank_gradients(0)}
    assert inner in groups

    over = {collective.group for collective in reductions(step.rank_gradients(0), strategy, pricing)}
    assert replica_group(inner, strategy) == Group(size=2 * inner.size, stride=inner.stride) in over


def test_zero_divides_every_share_over_the_ranks_that_hold_it():
    """Of a row split over 8 of 16 ranks two hold the same parameters, of a sample split all 16 do."""
    question = ask("alexnet")
    splits = (("fc6/fc6", "row 8"), ("fc7/fc7", "column 8"), ("fc8/fc8", "row 8"))
    pricing = price(question.workload, question.cluster, stack=question.stack)

    def optimizer(zero):
        strategy = Strategy(split_degree=RANKS, micro_batch=BATCH, zero=zero, splits=splits)
        step = step_cost(question.workload, strategy, pricing)
        shares = {share.group.size: share.parameters for share in step.rank_gradients(0)}
        return memory_by_rank(step)[0]["optimizer"], shares

    whole, shares = optimizer(0)
    sharded, _ = optimizer(1)
    unit = whole / sum(shares.values())
    assert set(shares) == {2, 16}
    assert sharded == pytest.approx(unit * (shares[2] / 2 + shares[16] / 16))


@pytest.mark.parametrize("fields", [{"zero": 1}, {"pp": 2}, {"pp": 2, "zero": 1}])
def test_one_rank_of_every_stage_stands_for_all(fields):
    question = ask("alexnet")
    inner = RANKS // 2 // fields.get("pp", 1)
    splits = (("conv1/conv1", "spatial 2x2"), ("fc6/fc6", "column 4"))
    strategy = Strategy(dp=2, split_degree=inner, micro_batch=64, splits=splits, **fields)
    folded, unfolded = (
        simulate(question.workload, question.cluster, strategy, stack=question.stack, unfolded=each).report
        for each in (False, True)
    )
    assert unfolded.step_time == folded.step_time
    assert dict(unfolded.breakdown) == pytest.approx(dict(folded.breakdown), rel=1e-9)


@pytest.mark.parametrize("model", ["alexnet", "resnet50"])
@pytest.mark.parametrize("fields", [{}, {"zero": 1}, {"pp": 2}, {"zero": 3}, {"recompute": Recompute.FULL}])
def test_no_step_of_splits_is_shorter_than_its_bound(model, fields):
    question = ask(model)
    ranks = RANKS // fields.get("pp", 1)
    first = "conv1/conv1"
    for split in ("sample", "spatial 2", "replicated 2"):
        strategy = Strategy(split_degree=ranks, micro_batch=128, splits=((first, split),), **fields)
        pricing = price(question.workload, question.cluster, stack=question.stack)
        found = simulate(question.workload, question.cluster, strategy, stack=question.stack).report
        bound = estimate_bound(strategy, question.workload, pricing)
        assert 0 < bound <= found.step_time * (1 + 1e-12)
