"""Closed forms of transformer work, parameters and memory."""

import math

import pytest
from builders import build_network

from workloads.layer import Layer
from workloads.network import Block
from workloads.operators import OperatorKind, Pass, Split
from workloads.zoo.language.decoders import NETWORKS

pytestmark = pytest.mark.theory

# layers, hidden, heads, vocab, tokens
SHAPES = [(2, 64, 4, 1000, 32), (96, 12288, 96, 51200, 2048), (105, 20480, 128, 51200, 2048)]
DEGREES = [1, 2, 4]
GPT = [build for name, build in NETWORKS.items() if name.startswith(("gpt2", "gpt3", "megatron", "turing"))]


def gpt(layers, hidden, heads, vocab, tokens, **changes):
    return build_network(layers, hidden=hidden, vocab=vocab, tokens=tokens, heads=heads, **changes)


def saved_bytes(layers: tuple[Layer, ...], *, tp=1, sequence_parallel=False, flash=False) -> float:
    """Bytes per sample kept in 16 bit on one of ``tp`` ranks."""
    total = 0.0
    for layer in layers:
        for tensor in layer.saved:
            if tensor.fused and flash:
                continue
            whole = tensor.split is Split.REPLICATED or (
                tensor.split is Split.SEQUENCE and not sequence_parallel
            )
            total += tensor.elements * (tensor.element_size or 2) / (1 if whole else tp)
    return total


def block(network, name) -> Block:
    return next(b for b in network.blocks if b.name == name)


@pytest.mark.parametrize("tp", DEGREES)
@pytest.mark.parametrize("shape", SHAPES)
def test_activations_of_a_block_follow_korthikanti_equations_1_2_4(shape, tp):
    _, h, a, _, s = shape
    layers = block(gpt(*shape), "decoder").layers
    assert saved_bytes(layers) == s * h * (34 + 5 * a * s / h)
    assert saved_bytes(layers, tp=tp) == pytest.approx(
        s * h * (10 + 24 / tp + 5 * a * s / (h * tp)), rel=1e-12
    )
    assert saved_bytes(layers, tp=tp, sequence_parallel=True) == pytest.approx(
        s * h / tp * (34 + 5 * a * s / h), rel=1e-12
    )


@pytest.mark.parametrize("tp", DEGREES)
def test_selective_recomputation_leaves_34_sbh(tp):
    shape = SHAPES[1]
    _, h, _, _, s = shape
    layers = block(gpt(*shape), "decoder").layers
    kept = saved_bytes(layers, tp=tp, sequence_parallel=True, flash=True)
    assert kept == pytest.approx(34 * s * h / tp, rel=1e-12)


@pytest.mark.parametrize("tp", DEGREES)
def test_embedding_and_head_activations_follow_korthikanti_section_4_3(tp):
    shape = SHAPES[1]
    _, h, _, v, s = shape
    network = gpt(*shape)
    ends = block(network, "embedding").layers + block(network, "head").layers
    expected = s * h / tp + 4 * s * h / tp * (1 + v / h)
    assert saved_bytes(ends, tp=tp, sequence_parallel=True) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_model_flops_follow_narayanan_without_recomputation(shape):
    l, h, _, v, s = shape  # noqa: E741 - the paper's symbol
    expected = 72 * s * l * h**2 * (1 + s / (6 * h) + v / (12 * l * h))
    assert gpt(*shape).model_flops == pytest.approx(expected, rel=1e-12)


def test_one_more_forward_of_the_blocks_gives_narayanan_equation_3():
    l, h, _, v, s = shape = SHAPES[1]  # noqa: E741 - the paper's symbol
    network = gpt(*shape)
    forward = sum(
        operator.flops
        for layer in block(network, "decoder").layers
        for operator in layer.forward
        if operator.kind is OperatorKind.MATMUL
    )
    expected = 96 * s * l * h**2 * (1 + s / (6 * h) + v / (16 * l * h))
    assert network.model_flops + l * forward == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_parameters_follow_narayanan_equation_2_and_the_final_norm(shape):
    l, h, _, v, s = shape  # noqa: E741 - the paper's symbol
    assert gpt(*shape).parameters == 12 * l * h**2 + 13 * l * h + (v + s) * h + 2 * h


@pytest.mark.parametrize(
    "build",
    GPT,
)
def test_zoo_parameters_follow_the_same_equation(build):
    network = build()
    decoder = block(network, "decoder")
    l, h = decoder.count, decoder.layers[0].output_shape[1]  # noqa: E741 - the paper's symbol
    tables = block(network, "embedding").parameters
    assert network.parameters == 12 * l * h**2 + 13 * l * h + tables + 2 * h


@pytest.mark.parametrize(("heads", "kv_heads", "head_size"), [(8, 8, 16), (8, 2, 16), (8, 1, 32)])
def test_gated_grouped_query_block_has_its_closed_form(heads, kv_heads, head_size):
    h, f, s = 128, 352, 64
    network = gpt(
        1,
        h,
        heads,
        500,
        s,
        kv_heads=kv_heads,
        head_size=head_size,
        ffn=f,
        gated=True,
        activation="silu",
        normalization="rmsnorm",
        positions="rotary",
        bias=False,
        qkv_bias=False,
        dropout=False,
    )
    decoder = block(network, "decoder")
    queries, keys = heads * head_size, kv_heads * head_size
    weights = h * (2 * queries + 2 * keys) + 3 * h * f
    assert decoder.parameters == weights + 2 * h
    # in 16 bit: two norm inputs and outputs, q, k, v, context, gate, its SiLU and up, their product, scores
    kept = 2 * s * (4 * h + 2 * queries + 2 * keys + 4 * f) + 2 * heads * s * s
    assert saved_bytes(decoder.layers) == kept
    flops = sum(
        operator.flops
        for which in Pass
        for layer in decoder.layers
        for operator in layer.operators(which)
        if operator.kind is OperatorKind.MATMUL
    )
    assert flops == 3 * (2 * s * weights + 4 * heads * s * s * head_size)


@pytest.mark.parametrize("which", [Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT])
def test_each_projection_costs_the_same_in_every_pass(which):
    for layer in block(gpt(*SHAPES[0]), "decoder").layers:
        if layer.kind == "linear":
            forward, other = layer.forward[0], layer.operators(which)[0]
            assert other.flops == forward.flops
            extents = [
                sorted((shape.rows, shape.columns, shape.depth)) for shape in (forward.shape, other.shape)
            ]
            assert extents[0] == extents[1]


def test_every_product_has_the_flops_of_its_shape():
    for _, layer in gpt(*SHAPES[0]).layers():
        for which in Pass:
            for operator in layer.operators(which):
                if operator.kind is OperatorKind.MATMUL:
                    shape = operator.shape
                    extents = (shape.rows, shape.columns, shape.depth, shape.products)
                    assert operator.flops == 2 * math.prod(extents)
