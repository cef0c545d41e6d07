"""Configuration files of mixtures of experts, against the registered networks and published counts."""

import json

import pytest

from workloads.errors import NetworkError
from workloads.importers.huggingface import load_huggingface
from workloads.registry import load_network

# Keys as the published files write them, those that matter here.
MIXTRAL = {
    "model_type": "mixtral",
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32768,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "sliding_window": None,
}
QWEN3 = {
    "model_type": "qwen3_moe",
    "vocab_size": 151936,
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 94,
    "num_attention_heads": 64,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "max_position_embeddings": 40960,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 1536,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
}
QWEN15 = {
    "model_type": "qwen2_moe",
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "max_position_embeddings": 8192,
    "num_experts": 60,
    "num_experts_per_tok": 4,
    "moe_intermediate_size": 1408,
    "shared_expert_intermediate_size": 5632,
}
LITE = {
    "model_type": "deepseek_v2",
    "vocab_size": 102400,
    "hidden_size": 2048,
    "intermediate_size": 10944,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "max_position_embeddings": 163840,
    "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096},
    "n_routed_experts": 64,
    "n_shared_experts": 2,
    "num_experts_per_tok": 6,
    "moe_intermediate_size": 1408,
    "first_k_dense_replace": 1,
    "q_lora_rank": None,
    "topk_method": "greedy",
}
V2 = LITE | {
    "hidden_size": 5120,
    "intermediate_size": 12288,
    "num_hidden_layers": 60,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "n_routed_experts": 160,
    "moe_intermediate_size": 1536,
    "q_lora_rank": 1536,
    "topk_method": "group_limited_greedy",
    "n_group": 8,
    "topk_group": 3,
}
V3 = {
    "model_type": "deepseek_v3",
    "vocab_size": 129280,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "max_position_embeddings": 163840,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 2048,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "num_nextn_predict_layers": 1,
}
KIMI = V3 | {
    "model_type": "kimi_k2",
    "vocab_size": 163840,
    "num_attention_heads": 64,
    "num_key_value_heads": 64,
    "max_position_embeddings": 131072,
    "n_routed_experts": 384,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
    "num_nextn_predict_layers": 0,
}
GPT_OSS = {
    "model_type": "gpt_oss",
    "vocab_size": 201088,
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "num_hidden_layers": 36,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "num_local_experts": 128,
    "num_experts_per_tok": 4,
    "sliding_window": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 18,
}
GROK = {
    "model_type": "grok-1",
    "vocab_size": 131072,
    "hidden_size": 6144,
    "intermediate_size": 32768,
    "num_hidden_layers": 64,
    "num_attention_heads": 48,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "num_experts": 8,
    "num_experts_per_tok": 2,
}
MAVERICK = {
    "model_type": "llama4",
    "text_config": {
        "model_type": "llama4_text",
        "vocab_size": 202048,
        "hidden_size": 5120,
        "intermediate_size": 8192,
        "intermediate_size_mlp": 16384,
        "num_hidden_layers": 48,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 1048576,
        "num_local_experts": 128,
        "num_experts_per_tok": 1,
        "interleave_moe_layer_step": 2,
        "no_rope_layers": [],
        "use_qk_norm": False,
    },
}


def load(tmp_path, fields, tokens=4096):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(fields))
    return load_huggingface(file, tokens=tokens)


@pytest.mark.published
@pytest.mark.parametrize(
    ("fields", "registered"),
    [
        (MIXTRAL, "mixtral-8x7b"),
        (QWEN3, "qwen3-235b-a22b"),
        (QWEN15, "qwen1.5-moe-a2.7b"),
        (LITE, "deepseek-v2-lite"),
        (V2, "deepseek-v2"),
        (V3, "deepseek-v3"),
        (KIMI, "kimi-k2"),
        (GPT_OSS, "gpt-oss-120b"),
        (GROK, "grok-1"),
        (MAVERICK, "llama4-maverick"),
    ],
)
def test_files_are_the_registered_networks(tmp_path, fields, registered):
    """Dimensions of the public config.json of each model, on its model card page."""
    found, known = load(tmp_path, fields), load_network(registered, tokens=4096)
    assert found.parameters == known.parameters
    assert found.active_parameters == known.active_parameters
    assert found.model_flops == known.model_flops
    assert found.places == known.places


def test_dense_layers_stand_where_the_file_says(tmp_path):
    found = load(tmp_path, QWEN3 | {"num_hidden_layers": 4, "decoder_sparse_step": 2, "mlp_only_layers": [3]})
    assert [block.name for block in found.chain()][1:-1] == [
        "decoder-dense",
        "decoder-experts",
        "decoder-dense",
        "decoder-dense",
    ]


def test_predictors_of_a_file_are_said_to_be_left_out(tmp_path):
    assert any("num_nextn_predict_layers: found 1" in note for note in load(tmp_path, V3).notes)


def test_experts_that_do_not_go_together_are_refused(tmp_path):
    with pytest.raises(NetworkError) as caught:
        load(tmp_path, MIXTRAL | {"num_experts_per_tok": 9})
    assert "chosen: found 9; expected at most the 8 experts" in str(caught.value)
