"""Mamba-2 and Nemotron-H: published parameters, and the arithmetic of chunks."""

import pytest
from bounded import bounded_report
from builders import build_cluster

from planner.space.candidates import enumerate_space
from simdl.errors import StrategyError
from simdl.software.reader import load_stack
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.errors import NetworkError
from workloads.layers.tokens.state_space import StateSpace, state_space_branch
from workloads.operators import OperatorKind, Pass
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload
from workloads.zoo.language.mamba import build_nemotron_h


def workload(name, tokens=1024):
    return Workload(
        network=load_network(name, tokens=tokens),
        optimizer=load_optimizer("adamw"),
        precision=load_precision("bf16"),
        global_batch=16,
    )


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "parameters", "tolerance"),
    [
        ("mamba2-130m", 128_989_632, 0),  # of the released checkpoints
        ("mamba2-2.7b", 2_702_599_680, 0),
        ("mamba2-370m", 370e6, 0.01),
        ("mamba2-780m", 780e6, 0.01),
        ("mamba2-1.3b", 1.34e9, 0.01),
        ("nemotron-h-8b", 8.1e9, 0.005),  # model cards
        ("nemotron-h-56b", 56e9, 0.01),
    ],
)
def test_parameters_are_the_published_ones(name, parameters, tolerance):
    """Model card pages of state-spaces/mamba2 and nvidia/Nemotron-H; Dao and Gu 2024, arXiv:2405.21060,
    names sizes.
    """
    assert load_network(name).parameters == pytest.approx(parameters, rel=tolerance)


@pytest.mark.published
def test_layers_of_the_hybrid_stand_in_the_released_order():
    """NVIDIA 2025, Nemotron-H, arXiv:2504.03624; hybrid_override_pattern on its model card page."""
    network = load_network("nemotron-h-56b")
    counts = {block.name: block.count for block in network.blocks}
    assert counts == {"embedding": 1, "mamba": 54, "feedforward": 54, "attention": 10, "head": 1}
    assert [block.name for block in network.chain()][1:4] == ["mamba", "feedforward", "mamba"]


@pytest.mark.theory
def test_arithmetic_of_a_chunked_scan():
    """Dao and Gu 2024, section 6: linear in the tokens for chunks of a given size."""
    size = StateSpace(heads=8, head_size=64, groups=2, state=128)
    flops = {
        layer.name: sum(o.flops for o in layer.forward if o.kind is OperatorKind.MATMUL)
        for layer in state_space_branch("input", size, tokens=1024, hidden=256)
    }
    chunk, tokens = 256, 1024
    assert flops["mixer"] == 2 * tokens * chunk * (2 * 128 + 8 * 64) + 4 * tokens * 8 * 128 * 64
    columns = 2 * 512 + 2 * 2 * 128 + 8
    assert flops["mixer_in"] == 2 * tokens * 256 * columns
    assert flops["mixer_out"] == 2 * tokens * 256 * 512
    assert all(
        layer.flops(Pass.WEIGHT_GRADIENT)
        for layer in state_space_branch("x", size, tokens=1024, hidden=256)[:2]
    )


@pytest.mark.theory
def test_twice_the_tokens_are_twice_the_flops_without_attention():
    short, long = (load_network("mamba2-130m", tokens=tokens) for tokens in (1024, 2048))
    assert long.model_flops == 2 * short.model_flops


@pytest.mark.property
@pytest.mark.parametrize("name", ["mamba2-130m", "nemotron-h-8b"])
@pytest.mark.parametrize(
    "strategy",
    [Strategy(dp=8, zero=3), Strategy(dp=2, tp=4, sequence_parallel=True, zero=1), Strategy(dp=4, pp=2)],
)
def test_no_step_is_shorter_than_its_bound(name, strategy):
    if name == "mamba2-130m" and strategy.tp > 1:  # one group
        strategy = Strategy(dp=8, zero=1)
    bounded_report(workload(name), strategy, "megatron-2022")


@pytest.mark.parametrize("name", ["mamba2-130m", "gnmt"])
def test_ranks_do_not_share_the_tokens_of_layers_that_walk(name):
    work = workload(name, tokens=32)
    with pytest.raises(StrategyError, match="cp 2: layers of "):
        simulate(work, build_cluster(2), Strategy(dp=4, cp=2), stack=load_stack("megatron-2022"))
    assert set(enumerate_space(work, build_cluster(1)).cp.tolist()) == {1}


def test_unknown_kinds_of_layers_are_refused():
    with pytest.raises(NetworkError, match="pattern: found 'M-X'; expected some of"):
        build_nemotron_h("x", "M-X", 64, 64, 8, mamba_heads=8, state=16)
