"""What updates keep, move, multiply and exchange, against the algorithms as printed."""

from dataclasses import replace

import pytest
from builders import build_cluster, build_stack, build_workload

from hardware.profiles import load_link
from planner.bounds.estimate import estimate_bound, estimate_bounds
from planner.space.candidates import single_space
from simdl.communication import Operation
from simdl.kernels.cost_model import ConstantCostModel
from simdl.software.reader import load_stack
from simdl.step.costs.update import moment_bytes, update_collectives, update_time
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.matrices import hidden_share, matrix_factors, weight_matrices
from workloads.optimizers import OPTIMIZERS, load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload

RATE, BANDWIDTH = 1e-12, 1e-9


def workload(optimizer, network=None, precision="bf16"):
    return Workload(
        network=network or load_network("gpt-mini"),
        optimizer=load_optimizer(optimizer),
        precision=load_precision(precision),
        global_batch=16,
    )


def priced(work, **stack):
    model = ConstantCostModel(seconds_per_flop=RATE, seconds_per_byte=BANDWIDTH)
    return price(work, build_cluster(4), stack=build_stack(**stack), cost_model=model)


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "nbytes"),
    [
        ("sgd", 0),
        ("momentum", 4),
        ("nesterov", 4),
        ("adagrad", 4),
        ("rmsprop", 4),
        ("adamw", 8),
        ("lars", 4),
        ("lamb", 8),
        ("adamw-8bit", 2 * (1 + 4 / 2048)),  # Dettmers et al. 2021: blocks of 2048 share a scale
        ("paged-adamw", 8),
    ],
)
def test_state_of_each_rule(name, nbytes):
    """FP32 moments of each rule's algorithm, which `workloads/optimizers.py` cites by equation; 8-bit ones by
    arXiv:2110.02861, section 2.1.
    """
    assert moment_bytes(workload(name)) == nbytes


@pytest.mark.theory
def test_adafactor_keeps_rows_and_columns_of_every_matrix():
    network = load_network("gpt-mini")
    matrices = weight_matrices(network)
    assert matrix_factors(network) < 0.03 * network.parameters
    vectors = network.parameters - sum(matrix.elements for matrix in matrices)
    assert matrix_factors(network) == vectors + sum((m.rows + m.columns) * m.count for m in matrices)
    kept = moment_bytes(workload("adafactor")) * network.parameters
    assert kept == pytest.approx(4 * matrix_factors(network))


@pytest.mark.theory
def test_matrices_of_a_convolutional_network_are_filters_by_row():
    found = weight_matrices(load_network("vgg16"))
    assert (found[0].rows, found[0].columns) == (64, 27)
    weights = sum(matrix.elements for matrix in found)
    assert weights == 138_357_544 - 13_416  # all parameters less the biases


@pytest.mark.theory
def test_muon_keeps_one_moment_of_hidden_matrices_and_two_of_the_rest():
    work = workload("muon")
    share = hidden_share(work.network)
    assert 0 < share < 1
    assert moment_bytes(work) == pytest.approx(4 * (share + 2 * (1 - share)))


@pytest.mark.theory
def test_muon_multiplies_three_products_five_times():
    work = workload("muon", precision="bf16")
    prices = price(
        work, build_cluster(4), stack=build_stack(), cost_model=ConstantCostModel(seconds_per_flop=RATE)
    )
    flops = 0
    for matrix in weight_matrices(work.network):
        m, n = sorted((matrix.rows, matrix.columns))
        flops += matrix.hidden * matrix.count * 5 * (4 * m * m * n + 2 * m**3)
    owned = work.network.parameters
    found = update_time(owned, work, prices)
    assert found == pytest.approx((flops + 7 * owned) * RATE, rel=1e-9)
    assert update_time(owned / 4, work, prices, tp=4) == pytest.approx(
        (flops + 7 * owned / 4) * RATE, rel=1e-9
    )


@pytest.mark.theory
@pytest.mark.parametrize(("name", "words"), [("adamw", 0), ("lars", 2), ("lamb", 3), ("adafactor", 3)])
def test_words_beyond_one_pass(name, words):
    work = workload(name)
    model = ConstantCostModel(seconds_per_byte=BANDWIDTH)
    prices = price(work, build_cluster(4), stack=build_stack(optimizer_traffic=0.0), cost_model=model)
    once = 2 * (moment_bytes(work) + 4) + 2 + 2
    assert update_time(1000, work, prices) == pytest.approx(1000 * (once + 4 * words) * BANDWIDTH, rel=1e-9)


@pytest.mark.theory
@pytest.mark.parametrize(
    ("name", "zero", "tp", "expected"),
    [
        ("adamw", 1, 2, []),
        ("lamb", 0, 1, []),
        ("lamb", 1, 1, [(Operation.ALL_REDUCE, 16)]),
        ("lamb", 1, 2, [(Operation.ALL_REDUCE, 8), (Operation.ALL_REDUCE, 2)]),
        ("muon", 0, 1, []),
        ("muon", 1, 2, [(Operation.ALL_GATHER, 8), (Operation.ALL_GATHER, 2)]),
        ("adafactor", 3, 1, [(Operation.ALL_REDUCE, 16)]),
    ],
)
def test_who_exchanges_what(name, zero, tp, expected):
    work = workload(name)
    strategy = Strategy(dp=16 // tp, tp=tp, zero=zero)
    found = list(update_collectives(1e6, strategy, work, priced(work)))
    assert [(each.operation, each.group.size) for each in found] == expected
    if name == "muon" and found:
        assert found[0].nbytes == pytest.approx(2e6 * hidden_share(work.network))


@pytest.mark.property
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
@pytest.mark.parametrize(
    "strategy",
    [
        Strategy(dp=16, zero=1),
        Strategy(dp=4, tp=2, pp=2, zero=1),
        Strategy(dp=8, tp=2, zero=3),
        Strategy(dp=16),
    ],
    ids=["zero1", "pipeline", "zero3", "plain"],
)
def test_no_step_is_shorter_than_its_bound_or_smaller_than_its_need(name, strategy):
    work = workload(name)
    cluster, stack = build_cluster(4), load_stack("megatron-2022")
    report = simulate(work, cluster, strategy, stack=stack).report
    prices = price(work, cluster, stack=stack)
    assert estimate_bound(strategy, work, prices) <= report.step_time * (1 + 1e-9)
    bounds = estimate_bounds(single_space(strategy, work), work, prices)
    assert bounds.memory[0] == pytest.approx(report.peak_memory, rel=1e-9)


@pytest.mark.theory
def test_state_without_room_is_paged_and_costs_the_host_link():
    cluster = build_cluster(4)
    plain = Workload(
        network=load_network("gpt2"),
        optimizer=load_optimizer("adamw"),
        precision=load_precision("bf16"),
        global_batch=16,
    )
    paged = replace(plain, optimizer=load_optimizer("paged-adamw"))
    strategy = Strategy(dp=16)
    need = simulate(plain, cluster, strategy, stack=build_stack(memory_reserve=0.0)).report
    device = replace(cluster.device, memory_capacity=need.peak_memory - 5e8, generation="ampere")
    small = replace(cluster, node=replace(cluster.node, device=device))
    refused = simulate(plain, small, strategy, stack=build_stack(memory_reserve=0.0)).report
    held = simulate(paged, small, strategy, stack=build_stack(memory_reserve=0.0)).report
    assert not refused.feasible
    assert held.feasible
    assert held.peak_memory == pytest.approx(device.memory_capacity)
    host = load_link("pcie4-x16")
    spilled = refused.memory["optimizer"] - held.memory["optimizer"]
    assert held.breakdown["host_transfer"] == pytest.approx(
        2 * (spilled / (31.5e9 * host.efficiency) + host.latency), rel=1e-6
    )
    assert any("lie in host memory" in warning for warning in held.warnings)


@pytest.mark.golden
def test_every_rule_names_its_paper():
    assert all(rule.source for rule in OPTIMIZERS.values())
    assert build_workload().optimizer.source
