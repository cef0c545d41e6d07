"""Families of configs that were taken in later, and other sizes: elements of the public checkpoints."""

import json
from pathlib import Path

import pytest

from workloads.errors import NetworkError
from workloads.importers.huggingface import load_huggingface

HYBRID = "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-"
LLAMA_KEYS = (
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "max_position_embeddings",
)


def llama_like(*values, **more):
    return {**dict(zip(LLAMA_KEYS, values, strict=True)), **more}


PUBLISHED = {
    "gemma2-27b": (
        llama_like("gemma2", 4608, 36864, 46, 32, 16, 256000, 8192, head_dim=128),
        27_227_128_320,
    ),
    "olmo2-32b": (llama_like("olmo2", 5120, 27648, 64, 40, 8, 100352, 4096), 32_234_279_936),
    "olmoe": (
        llama_like("olmoe", 2048, 1024, 16, 16, 16, 50304, 4096, num_experts=64, num_experts_per_tok=8),
        6_919_161_856,
    ),
    "command-r7b": (
        llama_like("cohere2", 4096, 14336, 32, 32, 8, 256000, 132096, sliding_window=4096),
        8_028_033_024,
    ),
    "xlm-roberta-base": (
        llama_like("xlm-roberta", 768, 3072, 12, 12, 12, 250002, 514, type_vocab_size=1),
        278_043_648,
    ),
    "phi-4-mini": (
        llama_like("phi3", 3072, 8192, 32, 24, 8, 200064, 131072, tie_word_embeddings=True),
        3_836_021_760,
    ),
    "bart-base": (
        {
            "model_type": "bart",
            "vocab_size": 50265,
            "d_model": 768,
            "encoder_layers": 6,
            "decoder_layers": 6,
            "encoder_attention_heads": 12,
            "decoder_attention_heads": 12,
            "encoder_ffn_dim": 3072,
            "decoder_ffn_dim": 3072,
        },
        139_420_416,
    ),
    "mt5-small": (
        {
            "model_type": "mt5",
            "vocab_size": 250112,
            "d_model": 512,
            "num_layers": 8,
            "num_heads": 6,
            "tie_word_embeddings": False,
        },
        300_176_768,
    ),
    "codestral-mamba": (
        {
            "model_type": "mamba2",
            "hidden_size": 4096,
            "num_hidden_layers": 64,
            "num_heads": 128,
            "vocab_size": 32768,
        },
        7_285_403_648,
    ),
    "nemotron-nano-9b-v2": (
        llama_like(
            "nemotron_h",
            4480,
            15680,
            56,
            40,
            8,
            131072,
            131072,
            hybrid_override_pattern=HYBRID,
            mamba_head_dim=80,
            mamba_num_heads=128,
        ),
        8_888_227_328,
    ),
}


def load(tmp_path, fields):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(fields))
    return load_huggingface(path)


@pytest.mark.published
@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_of_the_checkpoint(name, tmp_path):
    """Elements of the public checkpoints, whose dimensions stand in the table above under the model's
    name.
    """
    fields, expected = PUBLISHED[name]
    assert load(tmp_path, fields).parameters == expected


@pytest.mark.published
def test_a_nemotron_has_a_squared_relu_without_a_gate(tmp_path):
    """Nemotron-4 15B (arXiv:2402.16819, table 1) as a file: two products and LayerNorms with shift."""
    fields = llama_like("nemotron", 6144, 24576, 32, 48, 8, 256000, 4096)
    layer = 2 * 6144 * 48 * 128 + 2 * 6144 * 8 * 128 + 2 * 6144 * 24576 + 4 * 6144
    assert load(tmp_path, fields).parameters == 32 * layer + 2 * 256000 * 6144 + 2 * 6144


def test_command_r7b_rotates_queries_of_windowed_layers_alone(tmp_path):
    network = load(tmp_path, PUBLISHED["command-r7b"][0] | {"max_position_embeddings": 8192})
    blocks = {block.name: block for block in network.blocks}
    kinds = {name: {layer.kind for layer in block.layers} for name, block in blocks.items()}
    assert (blocks["decoder-window4096-rotary"].count, blocks["decoder-full-unrotated"].count) == (24, 8)
    assert "rotary" in kinds["decoder-window4096-rotary"]
    assert "rotary" not in kinds["decoder-full-unrotated"]


def test_olmo3_looks_back_over_a_window_in_three_of_four_layers(tmp_path):
    fields = llama_like("olmo3", 4096, 11008, 32, 32, 32, 100278, 65536)
    counts = {block.name: block.count for block in load(tmp_path, fields).blocks}
    assert (counts["decoder-window4096"], counts["decoder-full"]) == (24, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hybrid_override_pattern": "M-"}, "found 2 letters; expected one for each of 56 layers"),
        ({"hybrid_override_pattern": "X" * 56}, "found X; expected some of M - * E"),
        ({"mlp_hidden_act": "silu"}, "mlp_hidden_act: found 'silu'; expected 'relu2'"),
        ({"n_groups": 7}, "n_groups: found 7; expected a divisor of 128 heads"),
    ],
)
def test_orders_of_layers_that_do_not_fit_are_refused(change, message, tmp_path):
    fields = PUBLISHED["nemotron-nano-9b-v2"][0] | change
    with pytest.raises(NetworkError) as refused:
        load(tmp_path, fields)
    assert message in str(refused.value)


COUNTED = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "transformers-counts.jsonl").read_text().splitlines()
]


@pytest.mark.published
@pytest.mark.parametrize("family", sorted({fields["model_type"] for fields in COUNTED}))
def test_parameters_are_those_that_transformers_builds(family, tmp_path):
    """Random small files, counted with Transformers 5.24 on torch's meta device, with balancing biases."""
    for fields in COUNTED:
        if fields["model_type"] == family:
            found = load(tmp_path, {key: value for key, value in fields.items() if key != "parameters"})
            assert found.parameters == fields["parameters"], fields


def test_attention_by_an_indexer_is_counted_and_not_simulated(tmp_path):
    fields = next(each for each in COUNTED if each["model_type"] == "deepseek_v32")
    network = load(tmp_path, {key: value for key, value in fields.items() if key != "parameters"})
    assert "keys that an indexer chooses" in network.obstacle
