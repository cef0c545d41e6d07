"""Every family of Hugging Face configs: parameters as published, lengths of pre-training, what is said."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.importers.families import FAMILIES
from workloads.importers.huggingface import load_huggingface
from workloads.network import Network
from workloads.registry import load_network

DATA = Path(__file__).parent / "data" / "configs"
# Elements of the public checkpoints, and the sequence length of their pre-training.
PUBLISHED = {
    "bert-base": (109_482_240, 512),
    "command-r": (34_980_831_232, 131_072),
    "falcon-7b": (6_921_720_704, 2048),
    "gemma2-9b": (9_241_705_984, 8192),
    "gemma3-1b": (999_885_952, 32_768),
    "gemma3-4b": (3_880_263_168, 131_072),
    "llama-nulls": (8_030_261_248, 131_072),
    "llama31-8b-tf5": (8_030_261_248, 8192),
    "llava-nested": (8_030_261_248, 131_072),
    "mistral3-nested": (23_572_403_200, 131_072),
    "mistral7b-v01": (7_241_732_096, 32_768),
    "opt-67b": (6_658_473_984, 2048),
    "phi35-mini": (3_821_079_552, 4096),
    "starcoder-gptbigcode": (15_517_456_384, 8192),
}
# Dimensions of public checkpoints that differ from the family's defaults, and their elements.
MORE = {
    "falcon-40b": (
        {
            "model_type": "falcon",
            "vocab_size": 65024,
            "hidden_size": 8192,
            "num_hidden_layers": 60,
            "num_attention_heads": 128,
            "num_kv_heads": 8,
            "new_decoder_architecture": True,
        },
        41_303_293_952,
    ),
    "falcon-rw-1b": (
        {
            "model_type": "falcon",
            "vocab_size": 50304,
            "hidden_size": 2048,
            "num_hidden_layers": 24,
            "num_attention_heads": 32,
            "alibi": True,
            "bias": True,
            "multi_query": False,
            "parallel_attn": False,
        },
        1_311_625_216,
    ),
    "gpt-j-6b": (
        {
            "model_type": "gptj",
            "vocab_size": 50400,
            "n_positions": 2048,
            "n_embd": 4096,
            "n_layer": 28,
            "n_head": 16,
            "rotary_dim": 64,
        },
        6_050_882_784,
    ),
    "internlm2-7b": (
        {
            "model_type": "internlm2",
            "vocab_size": 92544,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "bias": False,
            "max_position_embeddings": 32768,
        },
        7_737_708_544,
    ),
    "chatglm3-6b": (
        {
            "model_type": "chatglm",
            "num_layers": 28,
            "hidden_size": 4096,
            "padded_vocab_size": 65024,
            "seq_length": 8192,
            "multi_query_attention": True,
            "multi_query_group_num": 2,
            "add_qkv_bias": True,
        },
        6_243_584_000,
    ),
    "chatglm-6b": (
        {
            "model_type": "chatglm",
            "num_layers": 28,
            "hidden_size": 4096,
            "inner_hidden_size": 16384,
            "vocab_size": 130528,
            "max_sequence_length": 2048,
        },
        6_173_286_400,
    ),
    "baichuan2-7b": (
        {
            "model_type": "baichuan",
            "vocab_size": 125696,
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "max_position_embeddings": 4096,
            "model_max_length": 4096,
        },
        7_505_973_248,
    ),
    "roberta-base": (
        {
            "model_type": "roberta",
            "vocab_size": 50265,
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "max_position_embeddings": 514,
            "type_vocab_size": 1,
        },
        124_645_632,
    ),
    "opt-350m": (
        {
            "model_type": "opt",
            "vocab_size": 50272,
            "hidden_size": 1024,
            "ffn_dim": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "max_position_embeddings": 2048,
            "word_embed_proj_dim": 512,
            "do_layer_norm_before": False,
        },
        331_196_416,
    ),
    "olmo-7b": (
        {
            "model_type": "olmo",
            "vocab_size": 50304,
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "max_position_embeddings": 2048,
        },
        6_888_095_744,
    ),
}
# Whole dimensions of models of other kinds, and the elements of their public checkpoints.
OTHERS = {
    "t5-small": (
        {
            "model_type": "t5",
            "d_model": 512,
            "d_ff": 2048,
            "d_kv": 64,
            "num_layers": 6,
            "num_heads": 8,
            "vocab_size": 32128,
            "is_encoder_decoder": True,
        },
        60_506_624,
    ),
    "vit-base-patch16-224-in21k": (
        {
            "model_type": "vit",
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "image_size": 224,
            "patch_size": 16,
        },
        86_389_248,
    ),
    "whisper-tiny": (
        {
            "model_type": "whisper",
            "vocab_size": 51865,
            "d_model": 384,
            "encoder_layers": 4,
            "decoder_layers": 4,
            "encoder_attention_heads": 6,
            "decoder_attention_heads": 6,
            "encoder_ffn_dim": 1536,
            "decoder_ffn_dim": 1536,
        },
        37_760_640,
    ),
}
MORE |= OTHERS
LLAMA = {
    "model_type": "llama",
    "vocab_size": 1000,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}


def write(folder, fields, name="config.json"):
    file = folder / name
    file.write_text(fields if isinstance(fields, str) else json.dumps(fields), encoding="utf-8")
    return file


def windows(network):
    return [layer.core.window for _, layer in network.layers() if layer.core]


@pytest.mark.published
@pytest.mark.parametrize("name", PUBLISHED)
def test_files_as_people_have_them_count_their_checkpoint(name):
    """Elements of the public checkpoints; each config.json is a fixture under data/configs, named after
    its model.
    """
    network = load_huggingface(DATA / name)
    assert (network.parameters, network.tokens) == PUBLISHED[name]


@pytest.mark.published
@pytest.mark.parametrize("name", MORE)
def test_other_members_of_the_families_count_theirs(name, tmp_path):
    """Elements of the public checkpoints, whose dimensions stand in the table above under the model's
    name.
    """
    fields, parameters = MORE[name]
    assert load_huggingface(write(tmp_path, fields)).parameters == parameters


@pytest.mark.parametrize("kind", FAMILIES)
def test_null_dimensions_are_those_of_the_family_and_said(kind, tmp_path):
    nulls = dict.fromkeys(FAMILIES[kind].DIMENSIONS)
    network = load_huggingface(write(tmp_path, {"model_type": kind, **nulls}))
    assert network.parameters > 0
    (said,) = (note for note in network.notes if "not given" in note)
    assert all(key in said for key in nulls)


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({"rope_scaling": {"original_max_position_embeddings": 64}}, 64),
        ({"rope_parameters": {"original_max_position_embeddings": 64.0}}, 64),
        ({"rope_parameters": {"full_attention": {"original_max_position_embeddings": 32}}}, 32),
        ({"original_max_position_embeddings": 128}, 128),
        ({"rope_scaling": None, "max_position_embeddings": 512.0}, 512),
    ],
)
def test_samples_are_as_long_as_in_pre_training(fields, tokens, tmp_path):
    assert load_huggingface(write(tmp_path, LLAMA | fields)).tokens == tokens


def test_windows_take_turns_as_the_family_says():
    assert windows(load_network(str(DATA / "gemma3-1b")))[:7] == [512] * 5 + [0, 512]
    assert windows(load_network(str(DATA / "gemma2-9b")))[:3] == [4096, 0, 4096]


@pytest.mark.parametrize("window", [0, None])
def test_a_window_of_zero_or_null_is_none(window, tmp_path):
    fields = LLAMA | {"model_type": "mistral", "num_key_value_heads": 4, "sliding_window": window}
    assert windows(load_huggingface(write(tmp_path, fields), tokens=256)) == [0, 0]


def test_layer_types_say_which_layers_have_the_window(tmp_path):
    kinds = ["full_attention", "sliding_attention"]
    fields = LLAMA | {"model_type": "qwen3", "num_key_value_heads": 2, "use_sliding_window": True}
    fields |= {"sliding_window": 16}
    network = load_huggingface(write(tmp_path, fields | {"layer_types": kinds}))
    assert windows(network) == [0, 16]
    with pytest.raises(WorkloadError, match="layer_types: found 1; expected one for each of 2 layers"):
        load_huggingface(write(tmp_path, fields | {"layer_types": kinds[:1]}))


def test_both_counts_of_a_model_with_a_vision_tower_are_said():
    (note, *_) = load_huggingface(DATA / "gemma3-4b").notes
    assert "text_config of gemma3 is taken, 3,880,263,168 parameters; 4,300,079,472 with its vision" in note


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"quantization_config": {"bits": 4}}, "quantization_config: ignored"),
        ({"mystery": 3, "enigma": 1}, "mystery, enigma: ignored; nothing here reads them"),
    ],
)
def test_what_is_ignored_is_said(fields, said, tmp_path):
    notes = load_huggingface(write(tmp_path, LLAMA | fields)).notes
    assert any(said in note for note in notes)
    assert not load_huggingface(write(tmp_path, LLAMA)).notes


def test_an_adapter_is_refused_alone_and_said_beside_its_model(tmp_path):
    write(tmp_path, {"peft_type": "LORA", "base_model_name_or_path": "org/name"}, "adapter_config.json")
    with pytest.raises(WorkloadError, match="found an adapter \\('LORA'\\) of 'org/name'"):
        load_network(str(tmp_path))
    write(tmp_path, LLAMA)
    (note,) = load_network(str(tmp_path)).notes
    assert "adapter_config.json: ignored" in note


def test_a_byte_order_mark_is_no_fault(tmp_path):
    file = write(tmp_path, "\ufeff" + json.dumps(LLAMA))
    assert load_huggingface(file).tokens == 256


def test_a_hub_id_is_told_where_to_put_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        WorkloadError, match=r"save https://huggingface\.co/org/Some-7B/resolve/main/config\.json"
    ):
        load_network("org/Some-7B")
    (tmp_path / "org" / "Some-7B").mkdir(parents=True)
    write(tmp_path / "org" / "Some-7B", LLAMA)
    assert load_network("org/Some-7B").name == "Some-7B"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
        ('{"model_type": "llama", "hidden_size": 1, "hidden_size": 2}', "'hidden_size': stands twice"),
        ("null", "found a JSON null; expected an object"),
        ("3", "found a JSON number; expected an object"),
        ('"text"', "found a JSON string; expected an object"),
        (json.dumps(LLAMA).replace("1000", "9" * 5000), "vocab_size: found a number of 5,000 digits"),
        (json.dumps(LLAMA).replace("1000", str(10**400)), "vocab_size: found a number of 401 digits"),
        (json.dumps(LLAMA).replace("1000", "1e400"), "vocab_size: found inf"),
        (json.dumps(LLAMA).replace("1000", str(10**12)), "vocab_size: found 1000000000000; expected less"),
        (json.dumps(LLAMA).replace("1000", "10**400"), "not valid JSON"),
        (json.dumps(LLAMA).replace('"llama"', "[" * 900 + "]" * 900), "model_type: found"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(text, said, tmp_path):
    with pytest.raises(WorkloadError) as caught:
        load_huggingface(write(tmp_path, text))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 1000


def example(name):
    if name in MORE:
        return MORE[name][0]
    return json.loads((DATA / name / "config.json").read_text(encoding="utf-8"))


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 10),
    st.sampled_from([2**31, 10**15, -(10**40), 0.5, 4.0, math.inf, math.nan, "", "64", "silu", [], {}, [[]]]),
    st.recursive(st.integers(0, 3), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
)


@pytest.mark.property
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_config_is_a_network_or_one_refusal(data, tmp_path):
    fields = dict(example(data.draw(st.sampled_from([*PUBLISHED, *MORE]))))
    for key in data.draw(st.lists(st.sampled_from([*fields, "rope_parameters", "layer_types"]), max_size=3)):
        fields[key] = data.draw(ODD)
    text = bytearray(json.dumps(fields).encode())
    if data.draw(st.booleans()):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path / "config.json"
    file.write_bytes(bytes(text))
    try:
        answer = load_huggingface(file)
    except WorkloadError as error:
        answer = str(error)
    assert isinstance(answer, Network) or str(file) in answer or "network " in answer
