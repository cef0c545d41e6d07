"""Files of families whose layers differ in their heads, or have experts beside more than one branch."""

import json
from pathlib import Path

import pytest

from workloads.errors import NetworkError
from workloads.importers.huggingface import load_huggingface
from workloads.network import Block, Network

ARCTIC = {
    "model_type": "arctic",
    "vocab_size": 32000,
    "hidden_size": 7168,
    "intermediate_size": 4864,
    "num_hidden_layers": 35,
    "num_attention_heads": 56,
    "num_key_value_heads": 8,
    "max_position_embeddings": 4096,
    "num_local_experts": 128,
    "num_experts_per_tok": 2,
    "moe_layer_frequency": 1,
    "parallel_attn_mlp_res": True,
}
SWITCH = {
    "model_type": "switch_transformers",
    "vocab_size": 64,
    "d_model": 64,
    "num_layers": 2,
    "num_heads": 4,
}
LONGCAT = {
    "model_type": "longcat_flash",
    "vocab_size": 131072,
    "hidden_size": 6144,
    "num_layers": 28,
    "ffn_hidden_size": 12288,
    "expert_ffn_hidden_size": 2048,
    "num_attention_heads": 64,
    "n_routed_experts": 512,
    "zero_expert_num": 256,
    "moe_topk": 12,
    "max_position_embeddings": 131072,
}
PATTERN = [0, 1, 1, 1, 1, 0]
MIMO = {
    "model_type": "mimo_v2_flash",
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "head_dim": 24,
    "v_head_dim": 16,
    "sliding_window": 32,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "hybrid_layer_pattern": PATTERN,
    "moe_layer_freq": [0, 1, 1, 1, 1, 1],
    "swa_num_key_value_heads": 4,
    "add_swa_attention_sink_bias": True,
}
GEMMA4 = {
    "model_type": "gemma4_text",
    "vocab_size": 262144,
    "hidden_size": 2816,
    "intermediate_size": 2112,
    "num_hidden_layers": 30,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 256,
    "global_head_dim": 512,
    "num_global_key_value_heads": 2,
    "attention_k_eq_v": True,
    "hidden_size_per_layer_input": 0,
    "sliding_window": 1024,
    "max_position_embeddings": 262144,
    "enable_moe_block": True,
    "num_experts": 128,
    "top_k_experts": 8,
    "moe_intermediate_size": 704,
}

DENSE = {
    "hidden_size": 5376,
    "intermediate_size": 21504,
    "num_hidden_layers": 60,
    "num_attention_heads": 32,
    "num_key_value_heads": 16,
    "num_global_key_value_heads": 4,
    "enable_moe_block": False,
}
FLASH = {
    "vocab_size": 152576,
    "hidden_size": 4096,
    "intermediate_size": 16384,
    "num_hidden_layers": 48,
    "num_attention_heads": 64,
    "max_position_embeddings": 262144,
}
VISION = {
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "max_position_embeddings": 131072,
}
PLAIN = {
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
}


def load(tmp_path: Path, fields: dict, **changes) -> Network:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**fields, **changes}))
    return load_huggingface(path)


def block(network: Network, name: str) -> Block:
    (found,) = [each for each in network.blocks if each.name == name]
    return found


@pytest.mark.published
@pytest.mark.parametrize(
    ("fields", "changes", "billions", "active"),
    [
        (ARCTIC, {}, 478.6, 17.3),
        (LONGCAT, {}, 560.7, 28.0),
        (GEMMA4, {}, 25.2, 3.8),
        (GEMMA4, DENSE, 30.7, 30.7),
        ({"model_type": "mimo_v2_flash"}, FLASH, 308.8, 15.4),
        ({"model_type": "mllama_text_model"}, VISION, 9.8, 9.8),
    ],
    ids=["arctic", "longcat", "gemma4-26b-a4b", "gemma4-31b", "mimo-v2-flash", "llama-3.2-11b-vision"],
)
def test_totals_are_those_that_their_authors_print(fields, changes, billions, active, tmp_path):
    """480 and 17 active (model card of Arctic), 560 and 27 (arXiv:2509.01322, abstract), 25.2 and 3.8, 30.7,
    309 and 15 (model cards of Gemma 4 and MiMo-V2-Flash).
    """
    network = load(tmp_path, fields, **changes)
    assert network.parameters / 1e9 == pytest.approx(billions, abs=0.05)
    assert network.active_parameters / 1e9 == pytest.approx(active, abs=0.05)


@pytest.mark.theory
def test_windowed_layers_have_heads_and_sinks_of_their_own(tmp_path):
    """Of 8 query heads of 24, layers with a window have 4 key-value heads, others 2; values are of 16."""
    network = load(tmp_path, MIMO)
    cores = {
        name: next(layer.core for layer in block(network, name).layers if layer.core)
        for name in ("decoder-window32-experts", "decoder-full-experts")
    }
    local, whole = cores.values()
    assert (local.kv_heads, local.window, local.value_size) == (4, 32, 16)
    assert (whole.kv_heads, whole.window, whole.value_size) == (2, 0, 16)
    sinks = {name: block(network, name) for name in cores}
    counts = [next(each.parameters for each in b.layers if each.core) for b in sinks.values()]
    assert counts == [8, 0]


@pytest.mark.theory
def test_heads_differ_where_windows_are_switched_off(tmp_path):
    with_windows, without = load(tmp_path, MIMO), load(tmp_path, MIMO, sliding_window=0)
    assert with_windows.parameters == without.parameters
    assert {each.name for each in without.blocks} >= {"decoder-local-experts", "decoder-full-experts"}


@pytest.mark.theory
def test_keys_that_are_values_are_projected_once(tmp_path):
    """Layers without a window: 16 query heads and 2 of keys, each of 512 features."""
    network = load(tmp_path, GEMMA4)
    layers = {layer.name: layer for layer in block(network, "decoder-full").layers}
    assert layers["qkv"].parameters == 2816 * (16 + 2) * 512
    assert layers["value_norm"].parameters == 0
    assert layers["split"].output_shape[-1] == (16 + 2 * 2) * 512


@pytest.mark.theory
def test_experts_beside_attention_read_what_the_layer_reads(tmp_path):
    small = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 8, "num_hidden_layers": 2}
    network = load(tmp_path, ARCTIC, **small, num_key_value_heads=4)
    layers = {layer.name: layer for layer in block(network, "decoder").layers}
    assert layers["norm3"].inputs == ("input",)
    assert layers["residual3"].inputs == ("combine", "residual2")
    assert layers["up"].parameters == 2 * 64 * 64


@pytest.mark.theory
def test_a_balanced_router_sends_two_thirds_of_its_choices_to_experts_that_compute(tmp_path):
    """12 of 768 are chosen, of which 512 compute: 8 rows of every token."""
    network = load(tmp_path, LONGCAT)
    layers = {layer.name: layer for layer in block(network, "decoder").layers}
    assert layers["router"].output_shape[-1] == 768
    assert layers["experts_up"].output_shape[0] == 8 * network.tokens
    assert layers["residual3"].inputs == ("combine", "second_residual2")
    assert layers["second_norm1"].inputs == ("residual2",)


@pytest.mark.parametrize(
    ("model_type", "fields"),
    [
        ("gemma3n_text", {"num_kv_shared_layers": 0}),
        ("gemma4_text", {}),
        ("mllama_text_model", {"cross_attention_layers": [1], "num_key_value_heads": 2}),
    ],
)
def test_what_is_counted_only_says_why(model_type, fields, tmp_path):
    network = load(tmp_path, {**PLAIN, "model_type": model_type, **fields})
    assert "can be simulated" in network.obstacle


@pytest.mark.theory
def test_heads_are_read_as_transformers_writes_them(tmp_path):
    """Files that Transformers has saved name the layers that differ instead of two global numbers."""
    names = ("global_head_dim", "num_global_key_value_heads")
    saved = {key: value for key, value in GEMMA4.items() if key not in names}
    heads = {"head_dim": 512, "num_key_value_heads": 2}
    saved["per_layer_config"] = {str(layer): heads for layer in range(5, 30, 6)}
    assert load(tmp_path, saved).parameters == load(tmp_path, GEMMA4).parameters


@pytest.mark.parametrize(
    ("fields", "changes", "message"),
    [
        (MIMO, {"swa_num_attention_heads": 4}, "swa_num_attention_heads: found 4; expected 8"),
        (MIMO, {"swa_num_key_value_heads": 3}, "swa_num_key_value_heads: found 3; expected a divisor of 8"),
        (MIMO, {"hybrid_layer_pattern": [0]}, "layer_types: found 1; expected one for each of 6 layers"),
        (
            SWITCH,
            {"num_sparse_encoder_layers": 3},
            "num_sparse_encoder_layers: found 3; expected at most the 2",
        ),
        (LONGCAT, {"router_bias": True}, "router_bias: found true; expected false"),
        (LONGCAT, {"zero_expert_type": "copy"}, "zero_expert_type: found 'copy'; expected 'identity'"),
        (GEMMA4, {"num_experts": None}, "num_experts: found none; expected a number"),
        (GEMMA4, {"num_kv_shared_layers": 30}, "num_kv_shared_layers: found 30; expected fewer than 30"),
        (
            {**PLAIN, "model_type": "mllama_text_model"},
            {"cross_attention_layers": [0, 9], "num_key_value_heads": 2},
            "cross_attention_layers: found [0, 9]; expected different numbers below the 2 layers",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(fields, changes, message, tmp_path):
    with pytest.raises(NetworkError) as refused:
        load(tmp_path, fields, **changes)
    assert message in str(refused.value)
