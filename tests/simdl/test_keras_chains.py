"""Operators as TensorFlow spells them and as XLA compiles them: bytes counted from the code."""

from dataclasses import replace

import pytest

from simdl.kernels.chains import PADDING_MASK
from simdl.kernels.keras_chains import KERAS, XLA
from simdl.kernels.sharding import Shard, block_kernels
from simdl.software.reader import load_stack
from workloads.dtypes import load_precision
from workloads.layers.tokens.feedforward import plain_activation
from workloads.layers.tokens.token_norm import token_norm
from workloads.network import Block
from workloads.operators import Pass
from workloads.registry import load_network

TOKENS, FEATURES = 32, 64
ELEMENTS = TOKENS * FEATURES
FORWARD, BACKWARD, WEIGHTS = Pass.FORWARD, Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT


def moved(layer, which, *chains, precision="fp32"):
    """Tensors of activations' format that a layer's pass moves, and its kernels."""
    stack = replace(load_stack("tensorflow-mirrored"), chains=frozenset(chains))
    mixed = load_precision(precision)
    block = Block(name="one", layers=(layer,))
    kernels = block_kernels(block, which, shard=Shard(), precision=mixed, stack=stack)
    return sum(kernel.nbytes for kernel in kernels) / mixed.activation / ELEMENTS, len(kernels)


def gelu():
    return plain_activation("gelu", "input", tokens=TOKENS, width=FEATURES, function="gelu", bias=False)


def norm():
    return token_norm("norm", "input", kind="layernorm", tokens=TOKENS, features=FEATURES)


@pytest.mark.theory
@pytest.mark.parametrize(("which", "tensors", "kernels"), [(FORWARD, 18, 8), (BACKWARD, 26, 10)])
def test_a_gelu_of_operations_reads_and_writes_a_tensor_in_each(which, tensors, kernels):
    assert moved(gelu(), which, KERAS) == (pytest.approx(tensors), kernels)
    assert moved(gelu(), which, XLA) == moved(gelu(), which)


@pytest.mark.theory
@pytest.mark.parametrize(
    ("which", "keras", "xla"),
    [(FORWARD, (7, 3), (4, 3)), (BACKWARD, (7, 2), (5, 2)), (WEIGHTS, (5, 3), (2, 1))],
)
def test_a_norm_of_keras_scales_and_shifts_apart_and_reductions_end_a_kernel(which, keras, xla):
    for chain, (tensors, kernels) in ((KERAS, keras), (XLA, xla)):
        assert moved(norm(), which, chain) == (pytest.approx(tensors), kernels)


@pytest.mark.theory
def test_norms_stay_in_fp32_under_mixed_precision_and_are_cast():
    """FP32 counts twice as much; a copy from and to 16 bit is three halves of FP32."""
    tensors, kernels = moved(norm(), FORWARD, KERAS, precision="fp16")
    assert (tensors, kernels) == (pytest.approx(2 * 7 + 2 * 3), 5)


@pytest.mark.parametrize("chain", [KERAS, XLA])
def test_bert_moves_more_and_multiplies_as_much(chain):
    encoder = next(block for block in load_network("bert-base").blocks if block.name == "encoder")
    precision, found = load_precision("fp16"), []
    for chains in ((), (chain,)):
        stack = replace(load_stack("tensorflow-mirrored"), chains=frozenset(chains))
        kernels = [
            kernel
            for which in Pass
            for kernel in block_kernels(encoder, which, shard=Shard(), precision=precision, stack=stack)
        ]
        products = sum(kernel.flops for kernel in kernels if kernel.shape is not None)
        found.append((products, sum(kernel.nbytes for kernel in kernels)))
    assert found[1][0] == found[0][0]
    assert found[1][1] > (2 if chain == KERAS else 1.1) * found[0][1]


@pytest.mark.theory
def test_an_encoder_adds_its_padding_mask_to_its_scores_by_a_kernel_of_its_own():
    """Read and written once more; a decoder's causal mask is an operator of the network."""
    precision = load_precision("fp16")
    for name, more in (("bert-base", 1), ("gpt2", 0)):
        (block,) = [each for each in load_network(name).blocks if any(layer.core for layer in each.layers)]
        (layer,) = [each for each in block.layers if each.core]
        scores = layer.core.heads * layer.core.query_tokens * layer.core.key_tokens
        found = []
        for chains in (frozenset(), frozenset({PADDING_MASK})):
            stack = replace(load_stack("pytorch-ngc-bert"), chains=chains)
            kernels = block_kernels(block, FORWARD, shard=Shard(), precision=precision, stack=stack)
            found.append((len(kernels), sum(kernel.nbytes for kernel in kernels)))
        assert found[1][0] - found[0][0] == more
        assert found[1][1] - found[0][1] == pytest.approx(more * 2 * precision.activation * scores)
