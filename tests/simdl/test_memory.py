"""Memory of a rank: closed forms of activations and sharded state, and the sentence about what is short."""

import re

import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from uniform import uniform_network

from simdl.memory.needs import memory_by_rank, memory_shortfalls, shortfall
from simdl.pipelines import in_flight
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Recompute, Strategy

LAYERS, HIDDEN, HEADS, TOKENS, VOCAB = 8, 256, 8, 128, 1000
GIB = 2.0**30


def step_of(strategy, *, network=None, global_batch=32, cluster=None, **stack):
    workload = build_workload(network or build_network(LAYERS), global_batch=global_batch)
    cluster = cluster or build_cluster(strategy.devices, devices=1)
    pricing = price(workload, cluster, stack=build_stack(**stack))
    return step_cost(workload, strategy, pricing)


def parts_of(strategy, rank=0, **options):
    return memory_by_rank(step_of(strategy, **options))[rank]


def block_activations(b, *, t=1, sequence_parallel=False, scores=True):
    """Korthikanti et al. 2022, equations 1 (t = 1), 2 and 4; without scores, equation 6."""
    sbh = TOKENS * b * HIDDEN
    matrix = 5 * HEADS * TOKENS / HIDDEN if scores else 0
    if sequence_parallel:
        return sbh / t * (34 + matrix)
    return sbh * (10 + 24 / t + matrix / t)


@pytest.mark.theory
@pytest.mark.parametrize("sequence_parallel", [False, True])
@pytest.mark.parametrize("t", [2, 4])
@pytest.mark.parametrize("b", [1, 2])
def test_first_stage_of_1f1b_holds_the_activations_of_p_microbatches(b, t, sequence_parallel):
    """Korthikanti et al. 2022, section 4.3: p microbatches of L/p blocks are L blocks, and p masks."""
    p = 4
    strategy = Strategy(pp=p, tp=t, micro_batch=b, sequence_parallel=sequence_parallel)
    mask = TOKENS * b * HIDDEN / (t if sequence_parallel else 1)
    expected = LAYERS * block_activations(b, t=t, sequence_parallel=sequence_parallel) + p * mask
    assert parts_of(strategy)["activations"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.theory
@pytest.mark.parametrize("rank", [1, 2])
def test_stage_r_of_1f1b_holds_p_minus_r_microbatches(rank):
    p = 4
    expected = (p - rank) * LAYERS / p * block_activations(1)
    assert parts_of(Strategy(pp=p), rank)["activations"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.theory
def test_last_stage_adds_normalisation_projection_and_loss():
    """Korthikanti et al. 2022, section 4.3: 4 s b h (1 + v / h) beside the blocks."""
    p = 4
    expected = LAYERS / p * block_activations(1) + 4 * TOKENS * HIDDEN * (1 + VOCAB / HIDDEN)
    assert parts_of(Strategy(pp=p), p - 1)["activations"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.theory
def test_gpipe_holds_every_microbatch():
    m = 8
    expected = m * (LAYERS / 4 * block_activations(1) + TOKENS * HIDDEN)
    found = parts_of(Strategy(pp=4, schedule="gpipe"), global_batch=m)["activations"]
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.theory
@pytest.mark.parametrize("v", [2, 4])
def test_interleaving_holds_more_by_p_minus_1_over_p_v(v):
    """Korthikanti et al. 2022, section 4.3: 1 + (p - 1)/(p v) times the blocks of 1F1B, which are all L."""
    p, m = 2, 32
    strategy = Strategy(pp=p, schedule="interleaved-1f1b", virtual_stages=v, stages=_even(p * v))
    masks = in_flight(strategy.schedule, p, m, v)[0][0]
    held = parts_of(strategy, global_batch=m)["activations"] - masks * TOKENS * HIDDEN
    expected = LAYERS * (1 + (p - 1) / (p * v))
    assert held / block_activations(1) == pytest.approx(expected, rel=1e-12)


def _even(stages):
    """Embedding with the first stage, head with the last, the decoder blocks evenly."""
    cut = [LAYERS // stages] * stages
    cut[0] += 1
    cut[-1] += 1
    return tuple(cut)


@pytest.mark.theory
def test_selective_recomputation_keeps_34_sbh_per_block():
    strategy = Strategy(recompute=Recompute.SELECTIVE, dp=1)
    saved = step_of(strategy).stages[0].blocks[1].saved
    assert saved == pytest.approx(block_activations(1, scores=False), rel=1e-12)


@pytest.mark.theory
def test_full_recomputation_keeps_only_the_input_of_a_block():
    saved = step_of(Strategy(recompute=Recompute.FULL)).stages[0].blocks[1].saved
    assert saved == 2 * TOKENS * HIDDEN


def test_flash_attention_keeps_one_number_per_row_instead_of_the_scores():
    saved = step_of(Strategy(), attention="flash").stages[0].blocks[1].saved
    assert saved == pytest.approx(block_activations(1, scores=False) + 4 * HEADS * TOKENS, rel=1e-12)


def test_context_parallelism_divides_the_activations():
    whole, half = (parts_of(Strategy(cp=cp))["activations"] for cp in (1, 2))
    assert half == pytest.approx(whole / 2, rel=1e-12)


@pytest.mark.theory
@pytest.mark.parametrize("n", [2, 8])
@pytest.mark.parametrize(
    ("zero", "expected"),
    [
        (0, lambda _: 2 + 2 + 12),
        (1, lambda n: 2 + 2 + 12 / n),
        (2, lambda n: 2 + (2 + 12) / n),
        (3, lambda n: 16 / n),
    ],
)
def test_state_of_adam_in_mixed_precision(zero, n, expected):
    """Rajbhandari et al. 2020, figure 1, with K = 12."""
    parts = parts_of(Strategy(dp=n, zero=zero))
    state = sum(parts[name] for name in ("parameters", "gradients", "optimizer"))
    assert state == pytest.approx(expected(n) * build_network(LAYERS).parameters, rel=1e-12)
    assert (parts["gathered"] > 0) == (zero >= 2)


@pytest.mark.theory
@pytest.mark.parametrize(
    ("precision", "nbytes"), [("fp32", 16), ("bf16", 16), ("bf16-pure", 8), ("fp16", 16)]
)
def test_state_of_adam_by_precision(precision, nbytes):
    """Two moments, a gradient and a parameter, all FP32; in mixed precision a master copy; or all in BF16."""
    workload = build_workload(build_network(LAYERS), precision=precision)
    pricing = price(workload, build_cluster(1, devices=1), stack=build_stack())
    parts = memory_by_rank(step_cost(workload, Strategy(), pricing))[0]
    state = sum(parts[name] for name in ("parameters", "gradients", "optimizer"))
    assert state == pytest.approx(nbytes * build_network(LAYERS).parameters, rel=1e-12)


@pytest.mark.parametrize("zero", [2, 3])
@pytest.mark.parametrize("gradient_size", [2, 4])
def test_a_sharded_block_is_held_in_full_while_it_runs_backward(zero, gradient_size):
    """Zhao et al. 2023: its gradient, with ZeRO-3 also parameters; later activations are gone."""
    step = step_of(Strategy(dp=8, zero=zero), gradient_size=gradient_size)
    blocks = step.stages[0].blocks
    needs = []
    for index, block in enumerate(blocks):
        upcoming = blocks[index - 1].parameters if index else 0
        whole = 2 * (block.parameters + upcoming) if zero == 3 else 0
        freed = sum(later.saved for later in blocks[index + 1 :])
        needs.append(whole + gradient_size * block.parameters - freed)
    assert memory_by_rank(step)[0]["gathered"] == pytest.approx(max(needs), rel=1e-12)
    assert needs.index(max(needs)) > 0  # the embedding is larger, but runs backward last


def test_one_shard_gathers_nothing():
    assert parts_of(Strategy(dp=8, zero=3, shard_degree=1))["gathered"] == 0


def test_hybrid_sharding_divides_by_the_shards_only():
    parts = parts_of(Strategy(dp=8, zero=3, shard_degree=4))
    assert parts["parameters"] == pytest.approx(2 * build_network(LAYERS).parameters / 4, rel=1e-12)


def test_context_parallel_ranks_share_the_shards():
    parts = parts_of(Strategy(dp=2, cp=2, zero=1))
    assert parts["optimizer"] == pytest.approx(12 * build_network(LAYERS).parameters / 4, rel=1e-12)


def test_pipeline_stages_own_their_blocks():
    network = build_network(LAYERS)
    owned = [parts_of(Strategy(pp=4), rank)["parameters"] / 2 for rank in range(4)]
    copied = network.blocks[0].layers[0].parameters  # the last stage multiplies by its own copy of the table
    assert sum(owned) == pytest.approx(network.parameters + copied, rel=1e-12)
    assert owned[1] == owned[2] < owned[0]


def test_tensor_parallel_ranks_divide_products_and_copy_normalisations():
    network = uniform_network(4, parameters=100)
    assert parts_of(Strategy(), network=network)["parameters"] == 2 * 4 * 100
    decoder = parts_of(Strategy(tp=4))["parameters"] / 2
    whole = build_network(LAYERS).parameters
    assert whole / 4 < decoder < whole / 4 * 1.1


def test_fp32_gradients_are_kept_where_the_stack_reduces_them():
    half, full = (parts_of(Strategy(), gradient_size=size)["gradients"] for size in (2, 4))
    assert full == 2 * half


def test_report_shows_the_worst_rank():
    strategy = Strategy(pp=4)
    workload = build_workload(build_network(LAYERS), global_batch=32)
    report = simulate(workload, build_cluster(4, devices=1), strategy, stack=build_stack()).report
    per_rank = [sum(parts_of(strategy, rank).values()) for rank in range(4)]
    assert report.peak_memory == pytest.approx(max(per_rank), rel=1e-12)


def test_shortfall_says_how_much_is_missing_and_what_takes_most():
    parts = {"parameters": 2 * GIB, "activations": 20.1 * GIB}
    assert shortfall(0, 22.1 * GIB, 19 * GIB, parts) == (
        "stage 0 is 3.1 GiB short (needs 22.1 GiB of 19.0 GiB usable; most of it activations, 20.1 GiB)"
    )


def test_every_stage_that_does_not_fit_is_named():
    strategy = Strategy(pp=4)
    cluster = build_cluster(4, devices=1, memory_capacity=1e6)
    step = step_of(strategy, cluster=cluster)
    found = list(memory_shortfalls(step, cluster.device))
    pattern = r"stage {} is \S+ [KMG]iB short \(needs \S+ [KMG]iB of \S+ [KMG]iB usable; most of it \w+, .*\)"
    assert len(found) == 4
    needs = {rank: sum(memory_by_rank(step)[rank].values()) for rank in range(4)}
    for rank, sentence in zip(sorted(needs, key=lambda rank: -needs[rank]), found, strict=True):
        assert re.fullmatch(pattern.format(rank), sentence), sentence


def test_the_allocator_reserve_is_not_usable():
    strategy = Strategy(dp=1)
    need = sum(parts_of(strategy).values())
    for reserve, short in ((0.0, 0), (0.1, 1)):
        cluster = build_cluster(1, devices=1, memory_capacity=need * 1.05)
        step = step_of(strategy, cluster=cluster, memory_reserve=reserve)
        assert len(list(memory_shortfalls(step, cluster.device))) == short


@pytest.mark.theory
@pytest.mark.parametrize("shards", [1, 4])
def test_an_update_out_of_place_needs_its_copies_where_activations_were(shards):
    """State and 4 k bytes a parameter, or state and what backward passes hold, whichever is more."""
    strategy = Strategy(dp=4, zero=1) if shards > 1 else Strategy()
    plain, few, many = (parts_of(strategy, update_copies=copies) for copies in (0, 1, 1000))
    gone = plain["activations"] + plain["transient"]
    parameters = plain["optimizer"] / 12 * shards
    assert "update" not in plain
    assert few.get("update", 0.0) == pytest.approx(max(0.0, 4 * parameters / shards - gone))
    assert many["update"] + gone == pytest.approx(4000 * parameters / shards)
