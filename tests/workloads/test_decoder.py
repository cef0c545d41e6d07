"""Structure of the transformer block and refusal of impossible dimensions."""

import pytest

from workloads.errors import NetworkError
from workloads.operators import OperatorKind, Pass, Split
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.stack import build_decoder
from workloads.zoo.language.decoders import NETWORKS

CHOICES = {
    "name": "small",
    "source": "test",
    "layers": 3,
    "hidden": 64,
    "heads": 8,
    "kv_heads": 2,
    "head_size": 16,
    "ffn": 160,
    "vocab": 500,
    "tokens": 32,
    "gated": False,
    "activation": "gelu",
    "normalization": "layernorm",
    "positions": "learned",
    "max_positions": 32,
    "bias": True,
    "qkv_bias": True,
    "tied": True,
    "dropout": True,
}


def config(**changes):
    return DecoderConfig(**(CHOICES | changes))


def decoder_layers(**changes):
    network = build_decoder(config(**changes))
    return {layer.name: layer for layer in network.blocks[1].layers}


def names(operators):
    return [operator.name for operator in operators]


def test_blocks_repeat_the_decoder_between_embedding_and_head():
    network = build_decoder(config())
    assert [(b.name, b.count) for b in network.blocks] == [("embedding", 1), ("decoder", 3), ("head", 1)]
    assert network.tensor_divisors == (8, 160)
    assert network.kv_heads == 2
    assert network.tokens == 32


def test_attention_core_is_written_unfused_and_carries_its_shape():
    core = decoder_layers()["attention"]
    assert names(core.forward) == ["scores", "scale", "mask", "softmax", "dropout", "context"]
    assert core.selective
    assert core.core is not None
    assert (core.core.heads, core.core.kv_heads, core.core.causal) == (8, 2, True)
    assert {tensor.name for tensor in core.saved if tensor.fused} == {
        "probabilities",
        "dropout mask",
        "dropped probabilities",
    }


def test_only_the_core_is_selective_and_has_a_shape():
    for name, layer in decoder_layers().items():
        assert layer.selective == (name == "attention")
        assert (layer.core is not None) == (name == "attention")


def test_tensor_regions_begin_and_end_in_pairs():
    layers = decoder_layers()
    boundary = 32 * 64
    assert {n: layer.tensor_entry for n, layer in layers.items() if layer.tensor_entry} == {
        "qkv": boundary,
        "up": boundary,
    }
    assert {n: layer.tensor_exit for n, layer in layers.items() if layer.tensor_exit} == {
        "projection": boundary,
        "down": boundary,
    }


@pytest.mark.parametrize(
    ("name", "forward", "gradient"),
    [("qkv", Split.COLUMN, Split.ROW), ("down", Split.ROW, Split.COLUMN)],
)
def test_gradient_of_a_divided_projection_is_divided_the_other_way(name, forward, gradient):
    layer = decoder_layers()[name]
    assert layer.forward[0].split.axis is forward
    assert layer.input_gradient[0].split.axis is gradient
    assert layer.weight_gradient[0].split.axis is Split.COLUMN
    assert layer.weight_gradient[0].shape.batch_axis == "depth"


def test_sharded_dimension_of_a_row_projections_weight_gradient_is_its_columns():
    shape = decoder_layers()["down"].weight_gradient[0].shape
    assert (shape.rows, shape.columns, shape.depth) == (64, 160, 32)


def test_tied_head_counts_its_weights_once():
    tied, own = build_decoder(config()), build_decoder(config(tied=False))
    assert own.parameters - tied.parameters == 500 * 64
    assert own.model_flops == tied.model_flops


@pytest.mark.parametrize("positions", ["learned", "rotary", "alibi", "none"])
def test_positions_add_their_own_work_only(positions):
    network = build_decoder(config(positions=positions))
    embedding = {layer.name for layer in network.blocks[0].layers}
    block = {layer.name: layer for layer in network.blocks[1].layers}
    assert ("positions" in embedding) == (positions == "learned")
    assert ("rotary" in block) == (positions == "rotary")
    assert ("alibi" in names(block["attention"].forward)) == (positions == "alibi")


def test_without_dropout_and_biases_nothing_of_them_remains():
    layers = decoder_layers(dropout=False, bias=False, qkv_bias=False)
    launched = {name for layer in layers.values() for which in Pass for name in names(layer.operators(which))}
    assert not any("dropout" in name or "bias" in name for name in launched)
    assert names(layers["residual1"].forward) == ["add"]


def test_gated_network_multiplies_two_halves():
    layers = decoder_layers(gated=True, activation="silu", bias=False)
    assert layers["up"].forward[0].shape.columns == 2 * 160
    assert {operator.fusion for operator in layers["activation"].forward} == {"swiglu"}
    assert layers["down"].forward[0].shape.depth == 160


def test_parallel_branches_read_the_same_input_once():
    layers = decoder_layers(parallel_residual=True)
    assert layers["norm2"].inputs == ("input",)
    assert layers["norm2"].saved == ()


def test_query_and_key_norms_have_one_scale_per_feature():
    plain = decoder_layers(normalization="rmsnorm")
    normed = decoder_layers(normalization="rmsnorm", qk_norm="head")
    extra = normed.keys() - plain.keys()
    assert extra == {"query_norm", "key_norm"}
    assert sum(normed[name].parameters for name in extra) == 2 * 16


@pytest.mark.parametrize("build", [NETWORKS["gpt2"], NETWORKS["llama3-8b"]])
def test_fused_groups_never_read_more_than_they_were_given(build):
    for _, layer in build().layers():
        for which in Pass:
            before = None
            for operator in layer.operators(which):
                if operator.chained:
                    assert before is not None
                    assert before.fusion == operator.fusion != ""
                    assert operator.chained <= min(before.writes, operator.reads)
                before = operator


def test_sequence_length_scales_products_and_leaves_weights():
    short, long = NETWORKS["llama3-8b"](tokens=2048), NETWORKS["llama3-8b"](tokens=4096)
    assert short.parameters == long.parameters
    assert long.model_flops > 2 * short.model_flops
    for (_, a), (_, b) in zip(short.layers(), long.layers(), strict=True):
        assert a.parameters == b.parameters


def test_backward_of_the_core_has_four_products():
    core = decoder_layers()["attention"]
    kinds = [operator.kind for operator in core.input_gradient]
    assert kinds.count(OperatorKind.MATMUL) == 4
    assert core.weight_gradient == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"layers": 0}, "layers: found 0; expected at least 1"),
        ({"kv_heads": 3}, "kv_heads: found 3; expected a divisor of the 8 heads"),
        ({"activation": "gelo"}, "activation: found 'gelo'; expected one of"),
        ({"normalization": "batch"}, "normalization: found 'batch'"),
        ({"positions": "sine"}, "positions: found 'sine'"),
        ({"max_positions": 16}, "max_positions: found 16; expected at least the 32 tokens"),
        ({"post_norm": True, "parallel_residual": True}, "exclude each other"),
    ],
)
def test_impossible_dimensions_are_refused_with_their_place(changes, expected):
    with pytest.raises(NetworkError) as caught:
        config(**changes)
    assert expected in str(caught.value)
    assert "network small" in str(caught.value)


def test_independent_faults_are_reported_together():
    with pytest.raises(NetworkError) as caught:
        config(layers=0, vocab=-1, activation="gelo")
    assert len(caught.value.faults) == 3
