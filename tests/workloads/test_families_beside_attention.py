"""Families with layers of further kinds: beside attention, linear, narrowed before experts, encoders."""

import json
from pathlib import Path

import pytest

from workloads.errors import NetworkError, WorkloadError
from workloads.importers.families import FAMILIES
from workloads.importers.families.refused import REFUSED
from workloads.importers.huggingface import load_huggingface
from workloads.layers.tokens.lightning import LightningAttention, lightning_branch
from workloads.operators import OperatorKind

HEADS = {"num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 512}
PLAIN = {"vocab_size": 100, "hidden_size": 64, "intermediate_size": 96, **HEADS}


def load(tmp_path: Path, model_type: str, **fields):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": model_type, **PLAIN, **fields}))
    return load_huggingface(path)


def layer(network, block, name):
    (found,) = [each for each in network.blocks if each.name == block]
    return next(each for each in found.layers if each.name == name)


@pytest.mark.published
@pytest.mark.parametrize(
    ("model_type", "fields", "parameters"),
    [
        (
            "apertus",
            {
                "vocab_size": 131072,
                "hidden_size": 4096,
                "intermediate_size": 21504,
                "num_hidden_layers": 32,
                "num_attention_heads": 32,
                "num_key_value_heads": 8,
            },
            8_053_338_176,
        ),
        (
            "modernbert",
            {
                "vocab_size": 50368,
                "hidden_size": 768,
                "intermediate_size": 1152,
                "num_hidden_layers": 22,
                "num_attention_heads": 12,
            },
            149_014_272,
        ),
        (
            "albert",
            {
                "vocab_size": 30000,
                "hidden_size": 768,
                "intermediate_size": 3072,
                "num_hidden_layers": 12,
                "num_attention_heads": 12,
            },
            11_683_584,
        ),
        (
            "deberta-v2",
            {
                "vocab_size": 128100,
                "hidden_size": 768,
                "intermediate_size": 3072,
                "num_hidden_layers": 12,
                "num_attention_heads": 12,
                "relative_attention": True,
                "position_buckets": 256,
                "norm_rel_ebd": "layer_norm",
                "share_att_key": True,
                "pos_att_type": "p2c|c2p",
                "position_biased_input": False,
                "max_relative_positions": -1,
            },
            183_831_552,
        ),
    ],
)
def test_parameters_are_those_of_the_checkpoint(tmp_path, model_type, fields, parameters):
    """Apertus 8B, ModernBERT base, ALBERT base v2 and DeBERTa v3 base: elements of the public checkpoints."""
    assert load(tmp_path, model_type, **fields).parameters == parameters


@pytest.mark.theory
def test_products_of_lightning_attention_grow_with_the_sequence_alone():
    """In a block of B tokens and d features: 4 B^2 d within it and 4 B d^2 through the state, a head."""
    heads, size, block = 4, 16, 32
    for tokens in (64, 128):
        branch = lightning_branch(
            "norm", LightningAttention(heads=heads, head_size=size, block=block), tokens=tokens, hidden=64
        )
        (mixer,) = [each for each in branch if each.name == "mixer"]
        flops = sum(each.flops for each in mixer.forward if each.kind is OperatorKind.MATMUL)
        assert flops == heads * tokens // block * (4 * block**2 * size + 4 * block * size**2)


def test_tokens_on_their_way_to_narrowed_experts_are_narrower(tmp_path):
    fields = {
        "hybrid_override_pattern": "ME",
        "mamba_num_heads": 4,
        "n_groups": 2,
        "moe_intermediate_size": 48,
        "moe_shared_expert_intermediate_size": 64,
        "n_routed_experts": 4,
        "num_key_value_heads": 2,
    }
    sent = {}
    for latent in (None, 24):
        network = load(tmp_path, "nemotron_h", **fields, moe_latent_size=latent)
        sent[latent] = layer(network, "experts", "dispatch").token_exchange.elements
        router = layer(network, "experts", "router")
        assert router.parameters == 4 * 64 + 4  # routes the token as it is, whatever is sent
    assert sent == {None: 512 * 64, 24: 512 * 24}


def test_a_mixer_beside_attention_reads_the_same_input(tmp_path):
    network = load(tmp_path, "falcon_h1", mamba_d_ssm=128, mamba_n_heads=4, num_key_value_heads=2)
    assert layer(network, "decoder", "qkv").inputs == ("norm1",)
    assert layer(network, "decoder", "mixer_in").inputs == ("norm1",)
    assert layer(network, "decoder", "residual1").inputs == ("mixer_out", "residual0")
    assert set(network.tensor_divisors) >= {4, 1}


def test_windows_of_an_encoder_reach_to_both_sides(tmp_path):
    network = load(tmp_path, "modernbert", local_attention=64, num_hidden_layers=4)
    counts = {block.name: block.count for block in network.blocks}
    assert counts["decoder-full-bare"] == counts["decoder-full-normed"] == 1
    assert counts["decoder-window65-normed"] == 2
    assert "norm1" not in {each.name for each in network.blocks[1].layers}


@pytest.mark.parametrize("model_type", ["albert", "deberta", "deberta-v2"])
def test_encoders_that_are_counted_say_why_no_step_is_simulated(tmp_path, model_type):
    assert "alone can be simulated" in load(tmp_path, model_type).obstacle


@pytest.mark.parametrize("model_type", ["rwkv", "zamba2", "xlnet", "deepseek_v4"])
def test_families_that_are_known_and_not_described_say_why(tmp_path, model_type):
    with pytest.raises(WorkloadError, match="known but not described here") as refused:
        load(tmp_path, model_type)
    assert REFUSED[model_type] in str(refused.value)


def test_no_family_is_described_and_refused():
    assert not FAMILIES.keys() & REFUSED.keys()


@pytest.mark.parametrize(
    ("model_type", "fields", "message"),
    [
        ("falcon_h1", {"mamba_d_ssm": 100, "mamba_n_heads": 3}, "mamba_n_heads: found 3; expected a divisor"),
        ("minimax", {"attn_type_list": [0], "num_key_value_heads": 2}, "found 1; expected one for each of 2"),
        ("modernbert", {"layer_types": ["full_attention"]}, "found 1; expected one for each of 2 layers"),
        ("afmoe", {"attention_bias": True}, "attention_bias: found true; expected false"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, model_type, fields, message):
    with pytest.raises(NetworkError) as refused:
        load(tmp_path, model_type, **fields)
    assert message in str(refused.value)
