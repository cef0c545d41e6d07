"""No step of a mixture of experts is shorter than its bound, and both need the same memory."""

import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.bounds.estimate import estimate_bounds
from planner.space.candidates import Limits, enumerate_space
from simdl.step.simulate import price, simulate
from simdl.step.strategy import problems
from workloads.layers.tokens.experts import DISPATCHES
from workloads.zoo.language.decoder.parts import Experts

SCHEDULES = ("1f1b", "interleaved-1f1b", "zb-h1", "dualpipe")
EXPERTS = st.builds(
    Experts,
    count=st.just(8),
    chosen=st.integers(1, 3),
    ffn=st.just(512),
    shared=st.sampled_from([0, 256]),
    dense_layers=st.integers(0, 1),
    imbalance=st.sampled_from([1.0, 1.3]),
)
STACKS = st.fixed_dictionaries(
    {
        "gradient_overlap": st.booleans(),
        "parameter_overlap": st.booleans(),
        "pipeline_overlap": st.booleans(),
        "bucket": st.sampled_from([0.0, 1e6, 4e6, 1e9]),
        "dispatch": st.sampled_from(DISPATCHES),
        "dispatch_overlap": st.sampled_from([0.0, 0.5]),
        "contention": st.sampled_from([0.0, 0.2, None]),
    }
)


def mixture(experts: Experts):
    return build_network(
        experts=experts,
        layers=4,
        hidden=256,
        tokens=256,
        gated=True,
        activation="silu",
        normalization="rmsnorm",
        positions="rotary",
        max_positions=0,
        bias=False,
        qkv_bias=False,
        dropout=False,
    )


@pytest.mark.property
@settings(deadline=None, max_examples=6, suppress_health_check=list(HealthCheck))
@given(experts=EXPERTS, changes=STACKS, random=st.randoms(use_true_random=False))
def test_no_step_with_experts_is_shorter_than_its_bound(experts, changes, random):
    workload, cluster = build_workload(mixture(experts), global_batch=16), build_cluster(2, devices=4)
    stack = build_stack(attention="flash", zero=3, context_parallel=True, **changes)
    space = enumerate_space(workload, cluster, limits=Limits(schedules=SCHEDULES))
    bounds = estimate_bounds(space, workload, price(workload, cluster, stack=stack))
    for index in random.sample(range(len(space)), 12):
        strategy = space.strategy(index)
        assert not list(problems(strategy, workload, cluster))
        report = simulate(workload, cluster, strategy, stack=stack).report
        assert bounds.step_time[index] <= report.step_time * (1 + 1e-9), strategy
        assert bounds.memory[index] == pytest.approx(sum(report.memory.values()), rel=1e-9)


def test_the_space_holds_every_way_to_divide_experts():
    workload, cluster = (
        build_workload(mixture(Experts(count=8, chosen=2, ffn=512)), global_batch=16),
        build_cluster(2),
    )
    space = enumerate_space(workload, cluster, limits=Limits(schedules=("1f1b",)))
    found = {(s.tp, s.ep, s.expert_tensor) for s in map(space.strategy, range(len(space)))}
    assert {(1, ep, 1) for ep in (1, 2, 4, 8)} <= found
    assert {(2, 4, 1), (2, 4, 2), (2, 2, 2)} <= found
    assert all(etp in {1, tp} for tp, _, etp in found)
