"""Hugging Face configs: published totals of what is read, clear messages for what is not."""

import json
from pathlib import Path

import pytest

from workloads.dtypes import load_precision
from workloads.errors import NetworkError, WorkloadError
from workloads.importers.huggingface import load_huggingface
from workloads.optimizers import load_optimizer
from workloads.workload import Workload
from workloads.zoo.language.decoders import NETWORKS

DATA = Path(__file__).parent / "data"

LLAMA = {
    "model_type": "llama",
    "vocab_size": 1000,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
# Public dimensions of checkpoints and the number of elements they hold.
CHECKPOINTS = {
    "mistral-7b": (
        {
            "model_type": "mistral",
            "vocab_size": 32000,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": 32768,
            "sliding_window": None,
        },
        7_241_732_096,
    ),
    "qwen3-8b": (
        {
            "model_type": "qwen3",
            "vocab_size": 151936,
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "max_position_embeddings": 40960,
        },
        8_190_735_360,
    ),
    "gemma-7b": (
        {
            "model_type": "gemma",
            "vocab_size": 256000,
            "hidden_size": 3072,
            "intermediate_size": 24576,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
            "max_position_embeddings": 8192,
        },
        8_537_680_896,
    ),
    "gpt2": (
        {
            "model_type": "gpt2",
            "vocab_size": 50257,
            "n_positions": 1024,
            "n_embd": 768,
            "n_layer": 12,
            "n_head": 12,
        },
        124_439_808,
    ),
    "gpt-neox-20b": (
        {
            "model_type": "gpt_neox",
            "vocab_size": 50432,
            "hidden_size": 6144,
            "intermediate_size": 24576,
            "num_hidden_layers": 44,
            "num_attention_heads": 64,
            "max_position_embeddings": 2048,
        },
        20_554_567_680,
    ),
    "mpt-7b": (
        {
            "model_type": "mpt",
            "vocab_size": 50432,
            "d_model": 4096,
            "n_heads": 32,
            "n_layers": 32,
            "max_seq_len": 2048,
            "no_bias": True,
            "attn_config": {"alibi": True},
        },
        6_649_286_656,
    ),
    "bloom": (
        {
            "model_type": "bloom",
            "vocab_size": 250880,
            "n_embed": 14336,
            "n_layer": 70,
            "num_attention_heads": 112,
            "seq_length": 2048,
        },
        176_247_271_424,
    ),
}


def workload_of(network):
    return Workload(
        network=network,
        optimizer=load_optimizer("adam"),
        precision=load_precision("bf16"),
        global_batch=8,
    )


def write(folder, fields):
    file = folder / "config.json"
    file.write_text(json.dumps(fields), encoding="utf-8")
    return file


@pytest.mark.published
@pytest.mark.parametrize(
    ("folder", "parameters"), [("llama-3.1-70b", 70_553_706_496), ("qwen2.5-7b", 7_615_616_512)]
)
def test_shipped_configs_have_the_published_parameters(folder, parameters):
    """Elements of the public checkpoints, on their model card pages."""
    network = load_huggingface(DATA / folder / "config.json", tokens=4096)
    assert network.parameters == parameters
    assert network.name == folder
    assert network.tokens == 4096


@pytest.mark.published
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_every_family_counts_its_checkpoint_exactly(name, tmp_path):
    """Elements of the public checkpoints, on their model card pages; dimensions stand in the table above."""
    fields, parameters = CHECKPOINTS[name]
    assert load_huggingface(write(tmp_path, fields)).parameters == parameters


def test_config_and_registered_model_are_the_same_network():
    read = load_huggingface(DATA / "llama-3.1-70b" / "config.json")
    registered = NETWORKS["llama3.1-70b"]()
    assert read.tokens == registered.tokens == 8192
    assert read.model_flops == registered.model_flops
    assert [b.parameters for b in read.blocks] == [b.parameters for b in registered.blocks]


def test_sequence_is_as_long_as_the_config_says_unless_asked(tmp_path):
    assert load_huggingface(write(tmp_path, LLAMA)).tokens == 256
    assert load_huggingface(write(tmp_path, LLAMA), tokens=64).tokens == 64


def test_key_value_heads_default_to_the_query_heads(tmp_path):
    layers = load_huggingface(write(tmp_path, LLAMA)).blocks[1].layers
    (core,) = (layer.core for layer in layers if layer.core)
    assert core.heads == core.kv_heads == 4


def test_file_of_another_name_names_the_network(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(LLAMA), encoding="utf-8")
    assert load_huggingface(file).name == "mine"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"model_type": "mixtral2"},
            "model_type: found 'mixtral2'; near in name: mixtral; expected one of",
        ),
        ({"model_type": 3}, "model_type: found 3"),
        ({"num_local_experts": 8}, "num_local_experts: found 8; expected none, because models of type llama"),
        ({"hidden_size": "64"}, "hidden_size: found '64'; expected a valid integer"),
        ({"hidden_size": 64.5}, "hidden_size: found 64.5; expected a valid integer"),
        ({"vocab_size": 0}, "vocab_size: found 0; expected greater than 0"),
        ({"hidden_act": "mish"}, "hidden_act: found 'mish'; expected 'gelu'"),
        ({"hidden_size": 66}, "hidden_size: found 66; expected a multiple of the 4 attention heads"),
        ({"num_key_value_heads": 3}, "num_key_value_heads: found 3; expected a divisor of 4 heads"),
        ({"sliding_window": -1}, "sliding_window: found -1; expected greater than or equal to 0"),
    ],
)
def test_wrong_keys_are_refused_with_file_and_key(fields, expected, tmp_path):
    file = write(tmp_path, LLAMA | fields)
    with pytest.raises(WorkloadError) as caught:
        load_huggingface(file)
    assert str(caught.value).startswith(f"{file}: {expected}")


def test_more_layers_than_a_network_can_have_are_refused(tmp_path):
    file = write(tmp_path, LLAMA | {"num_hidden_layers": 10**8})
    with pytest.raises(WorkloadError, match="layers: found 100,000,000; expected at most 10,000") as caught:
        load_huggingface(file)
    assert str(caught.value).startswith(f"{file}: ")


def test_all_faults_come_at_once(tmp_path):
    fields = {key: value for key, value in LLAMA.items() if key != "vocab_size"} | {
        "hidden_size": "wide",
        "num_attention_heads": -1,
    }
    with pytest.raises(NetworkError) as caught:
        load_huggingface(write(tmp_path, fields))
    places = {fault.split(": ")[1] for fault in caught.value.faults}
    assert places == {"vocab_size", "hidden_size", "num_attention_heads"}
    assert "vocab_size: missing" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "not valid JSON"),
        ("[1]", "found a JSON list; expected an object"),
        ("{}", "model_type: missing; expected one of"),
        ("\x00", "not valid JSON"),
    ],
)
def test_malformed_files_are_refused(text, expected, tmp_path):
    file = tmp_path / "config.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(WorkloadError, match=expected):
        load_huggingface(file)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(WorkloadError, match="cannot be read"):
        load_huggingface(tmp_path / "config.json")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    file = tmp_path / "config.json"
    file.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(WorkloadError, match="cannot be read"):
        load_huggingface(file)


@pytest.mark.parametrize("tokens", [0, -5])
def test_sequence_length_is_positive(tokens, tmp_path):
    with pytest.raises(WorkloadError, match="sequence length: found"):
        load_huggingface(write(tmp_path, LLAMA), tokens=tokens)


def test_learned_positions_bound_the_sequence(tmp_path):
    file = write(tmp_path, CHECKPOINTS["gpt2"][0])
    with pytest.raises(WorkloadError, match="n_positions: found 1024; expected at least the 2048 tokens"):
        load_huggingface(file, tokens=2048)


def test_unbounded_positions_need_a_length(tmp_path):
    fields = {key: value for key, value in CHECKPOINTS["bloom"][0].items() if key != "seq_length"}
    network = load_huggingface(write(tmp_path, fields))
    assert network.parameters == CHECKPOINTS["bloom"][1]
    with pytest.raises(WorkloadError, match="expected one to be asked for"):
        workload_of(network)
    assert load_huggingface(write(tmp_path, fields), tokens=128).tokens == 128
