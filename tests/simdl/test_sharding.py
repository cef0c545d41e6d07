"""From operators to kernels: what each degree divides, and what a stack fuses."""

from itertools import groupby, pairwise

import pytest
from builders import build_network, build_stack

from simdl.kernels.kernel import AttentionCall, Product
from simdl.kernels.sharding import Shard, block_kernels
from workloads.dtypes import load_precision
from workloads.operators import OperatorKind, Pass, Split

TOKENS, HIDDEN, HEADS = 128, 256, 8
DECODER = build_network().blocks[1]


def kernels(which=Pass.FORWARD, *, block=DECODER, shard=None, precision="bf16", **stack):
    return block_kernels(
        block,
        which,
        shard=shard or Shard(),
        precision=load_precision(precision),
        stack=build_stack(**({"fused": frozenset()} | stack)),
    )


def named(name, **options):
    return next(kernel for kernel in kernels(**options) if kernel.name == name)


def products(**options):
    return [kernel for kernel in kernels(**options) if kernel.kind is OperatorKind.MATMUL]


@pytest.mark.parametrize(
    ("split", "plain", "sequence"),
    [
        (Split.COLUMN, 1 / 8, 1 / 8),
        (Split.ROW, 1 / 8, 1 / 8),
        (Split.HEADS, 1 / 8, 1 / 8),
        (Split.SEQUENCE, 1 / 2, 1 / 8),
        (Split.REPLICATED, 1 / 2, 1 / 2),
    ],
)
def test_a_rank_has_its_part_of_the_microbatch(split, plain, sequence):
    assert Shard(tp=4, cp=2, micro_batch=3).share(split) == 3 * plain
    assert Shard(tp=4, cp=2, micro_batch=3, sequence_parallel=True).share(split) == 3 * sequence


@pytest.mark.parametrize("which", list(Pass))
@pytest.mark.parametrize("degrees", [{"tp": 4}, {"cp": 4}, {"tp": 2, "cp": 2, "micro_batch": 3}])
def test_products_of_all_ranks_add_up_to_the_whole(which, degrees):
    shard = Shard(**degrees)
    whole = sum(kernel.flops for kernel in products(which=which))
    ranks = shard.tp * shard.cp
    part = sum(kernel.flops for kernel in products(which=which, shard=shard))
    assert part * ranks == pytest.approx(whole * shard.micro_batch, rel=1e-12)


@pytest.mark.parametrize("which", list(Pass))
def test_dimensions_agree_with_flops(which):
    for shard in (Shard(), Shard(tp=4, micro_batch=2), Shard(cp=2), Shard(tp=2, sequence_parallel=True)):
        for kernel in products(which=which, shard=shard):
            size = kernel.shape
            assert isinstance(size, Product)
            assert 2 * size.m * size.n * size.k * size.count == pytest.approx(kernel.flops, rel=1e-12)


def test_column_and_row_products_divide_different_axes():
    whole, part = products(), products(shard=Shard(tp=4))
    tokens = TOKENS
    assert whole[0].shape == Product(tokens, 3 * HIDDEN, HIDDEN)
    assert part[0].shape == Product(tokens, 3 * HIDDEN // 4, HIDDEN)
    assert whole[1].shape == Product(tokens, tokens, HIDDEN // HEADS, HEADS)
    assert part[1].shape == Product(tokens, tokens, HIDDEN // HEADS, HEADS // 4)
    assert whole[3].shape == Product(tokens, HIDDEN, HIDDEN)
    assert part[3].shape == Product(tokens, HIDDEN, HIDDEN // 4)


def test_the_microbatch_grows_rows_or_products():
    one, three = products(), products(shard=Shard(micro_batch=3))
    assert three[0].shape == Product(3 * TOKENS, 3 * HIDDEN, HIDDEN)
    assert three[1].shape == Product(TOKENS, TOKENS, HIDDEN // HEADS, 3 * HEADS)
    gradient = products(which=Pass.WEIGHT_GRADIENT, shard=Shard(micro_batch=3))
    assert {kernel.shape.k for kernel in gradient} == {3 * TOKENS}
    assert len(one) == len(three)


def test_sequence_parallelism_divides_normalisation_but_not_its_weights():
    weights = 2 * DECODER.layers[0].forward[0].weights
    whole, tensor, sequence = (
        kernels(shard=shard)[0].nbytes - weights
        for shard in (Shard(), Shard(tp=4), Shard(tp=4, sequence_parallel=True))
    )
    assert weights > 0
    assert tensor == whole
    assert sequence == whole / 4


def test_uneven_parts_are_rounded_up_as_the_largest_sets_the_pace():
    odd = build_network(vocab=1001).blocks[2]
    logits = products(block=odd, shard=Shard(tp=2))[0]
    assert logits.shape.n == 501


def test_fusion_saves_what_the_two_kernels_would_have_passed_on():
    apart, fused = kernels(), kernels(fused=frozenset({"bias_gelu"}))
    assert len(fused) == len(apart) - 1
    width = 4 * HIDDEN * TOKENS
    saved = sum(kernel.nbytes for kernel in apart) - sum(kernel.nbytes for kernel in fused)
    assert saved == 2 * width * 2
    assert sum(k.flops for k in fused) == sum(k.flops for k in apart)


def test_a_product_absorbs_its_epilogue():
    plain = [kernel for kernel in kernels() if kernel.kind is OperatorKind.MATMUL]
    fused = [k for k in kernels(fused=frozenset({"gemm_bias"})) if k.kind is OperatorKind.MATMUL]
    assert len(fused) == len(plain)
    assert [kernel.shape for kernel in fused] == [kernel.shape for kernel in plain]
    assert len(kernels(fused=frozenset({"gemm_bias"}))) < len(kernels())


def test_only_neighbours_of_one_group_fuse():
    groups = [operator.fusion for layer in DECODER.layers for operator in layer.forward]
    runs = [(group, len(list(run))) for group, run in groupby(groups)]
    expected = sum(1 if group else count for group, count in runs)
    assert len(kernels(fused=frozenset(groups) - {""})) == expected < len(groups)


@pytest.mark.theory
def test_flash_attention_is_one_kernel_that_computes_the_scores_again_backward():
    """Dao 2023 (FlashAttention-2), section 4.1: 4 s^2 d a flops forward, 2.5 times as many backward."""
    scores = TOKENS * TOKENS * HIDDEN
    forward = named("attention", attention="flash")
    backward = named("attention", which=Pass.INPUT_GRADIENT, attention="flash")
    assert isinstance(forward.shape, AttentionCall)
    assert forward.flops == 4 * scores
    assert backward.flops == 2.5 * forward.flops
    assert not any(k.kind is OperatorKind.ATTENTION for k in kernels(Pass.WEIGHT_GRADIENT, attention="flash"))
    causal = named("attention", attention="flash-causal")
    assert causal.flops == forward.flops / 2
    assert causal.nbytes == forward.nbytes


def test_flash_attention_divides_by_heads_and_tokens():
    whole = named("attention", attention="flash")
    part = named("attention", attention="flash", shard=Shard(tp=2, cp=2, micro_batch=3))
    assert part.flops == 3 * whole.flops / 4
    assert part.shape.shape.heads == HEADS // 2
    assert part.shape.shape.query_tokens == TOKENS // 2
    assert part.shape.shape.key_tokens == TOKENS


def test_fp8_keeps_the_attention_products_in_bf16():
    by_type = {kernel.dtype for kernel in products(precision="fp8")}
    assert by_type == {"fp8", "bf16"}
    attention = [kernel for kernel in products(precision="fp8") if kernel.dtype == "bf16"]
    assert len(attention) == 2


def test_backward_runs_layers_in_reverse():
    forward, backward = products(), products(which=Pass.INPUT_GRADIENT)
    assert forward[0].shape == Product(TOKENS, 3 * HIDDEN, HIDDEN)
    assert backward[0].shape == Product(TOKENS, 4 * HIDDEN, HIDDEN)
    assert backward[-1].shape == Product(TOKENS, HIDDEN, 3 * HIDDEN)


def test_parameters_are_read_once_whatever_the_microbatch():
    one, four = (kernels(shard=Shard(micro_batch=count))[0].nbytes for count in (1, 4))
    assert 4 * one - four == 3 * 2 * DECODER.layers[0].forward[0].weights


@pytest.mark.theory
@pytest.mark.parametrize(
    ("precision", "nbytes", "weight"),
    [
        ("fp8", 2 + 2 * 1, 0),
        ("fp8-tensorwise", 2 + 2 + 2 * 1, (2 + 2 * 3) / 2),
        ("fp8-rowwise", (2 + 1 + 2) + (2 + 1), ((2 + 1) + (2 + 2) + (2 + 1)) / 2),
        ("mxfp8", 2 + 2 * (1 + 1 / 32), 0),
        ("nvfp4", 2 + 2 * (2 + 0.5 + 1 / 16), 0),
    ],
)
@pytest.mark.parametrize("which", [Pass.FORWARD, Pass.INPUT_GRADIENT])
def test_what_a_narrow_product_reads_is_quantised_for_both_directions(precision, nbytes, weight, which):
    """One read and two writes, block scales with them; NVFP4 reads three times, tensor scales twice."""
    found = kernels(which=which, precision=precision)
    casts = [(first, second) for first, second in pairwise(found) if first.name == "cast"]
    assert casts
    for cast, product in casts:
        assert isinstance(product.shape, Product)
        m, n, k = product.shape.m, product.shape.n, product.shape.k
        assert cast.nbytes == pytest.approx((nbytes * m + weight * n) * k)


@pytest.mark.theory
def test_weights_that_are_gathered_quantised_are_only_transposed_for_the_backward_pass():
    for precision, weight in (("fp8-tensorwise", (1 + 1) / 2), ("fp8-rowwise", 5)):
        plain, narrow = (
            next(k for k in kernels(precision=precision, narrow_gathers=each) if k.name == "cast").nbytes
            for each in (False, True)
        )
        anew = load_precision(precision).quantised_weight
        assert plain - narrow == pytest.approx((anew - weight) * HIDDEN * 3 * HIDDEN)


def test_products_in_sixteen_bits_are_not_quantised():
    assert not [kernel for kernel in kernels(precision="bf16") if kernel.name == "cast"]
