"""`simdl models`: the list, one network, and refusals with exit status 2."""

import json

import pytest
from click.testing import CliRunner

from planner.commands.models import models
from workloads.operators import Pass
from workloads.registry import load_network, network_names


def _run(*arguments):
    return CliRunner().invoke(models, arguments)


def _json(*arguments):
    result = _run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_list_has_every_registered_network():
    records = _json()["models"]
    assert [record["name"] for record in records] == list(network_names())
    by_name = {record["name"]: record for record in records}
    assert by_name["vgg16"]["parameters"] == 138_357_544
    assert by_name["vgg16"]["sample"] == "image"
    assert by_name["gpt2"]["sample"] == "sequence"
    assert all(record["source"] and record["forward_flops"] > 0 for record in records)


def test_list_as_a_table_names_every_network():
    result = _run()
    assert result.exit_code == 0
    assert all(name in result.stdout for name in network_names())


@pytest.mark.published
def test_vgg16_totals_and_first_layers():
    """Simonyan and Zisserman 2015, arXiv:1409.1556, tables 1 and 2 (138 million), to the last parameter
    by torchvision.
    """
    described = _json("vgg16", "--precision", "fp32")
    assert described["parameters"] == 138_357_544
    assert described["macs"] == 15_470_264_320
    layers = {layer["name"].split("/")[-1]: layer for layer in described["layers"]}
    assert set(layers["conv1_1"]) == {"name", "kind", "parameters", "forward_flops", "activation_bytes"}
    assert layers["conv1_1"]["activation_bytes"] == 64 * 224 * 224 * 4
    assert layers["fc6"]["parameters"] * 4 == 392 * 2**20 + 4096 * 4


@pytest.mark.parametrize("name", ["resnet50", "gpt2", "bert-large"])
def test_totals_are_the_sums_of_the_layers(name):
    described = _json(name)
    assert described["parameters"] == sum(layer["parameters"] for layer in described["layers"])
    assert described["forward_flops"] == sum(layer["forward_flops"] for layer in described["layers"])
    assert described["forward_flops"] == load_network(name).flops(Pass.FORWARD)
    assert 0 < 2 * described["macs"] <= described["forward_flops"]


def test_precision_scales_the_activations():
    full = _json("resnet50", "--precision", "fp32")["layers"]
    half = _json("resnet50", "--precision", "bf16")["layers"]
    assert all(a["activation_bytes"] == 2 * b["activation_bytes"] for a, b in zip(full, half, strict=True))


def test_sequence_length_is_honoured():
    assert _json("gpt2", "--seq-len", "128")["tokens"] == 128
    assert _json("gpt2", "--seq-len", "128")["macs"] < _json("gpt2")["macs"]


def test_what_is_counted_only_says_so_first(tmp_path):
    """The work of layers that cannot be simulated is not known, so no total of it is printed."""
    fields = {
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "max_position_embeddings": 8,
        "hidden_size": 64,
    }
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"model_type": "albert", "vocab_size": 9, "intermediate_size": 8, **fields}))
    lines = _run(str(file)).stdout.splitlines()
    assert lines[0].endswith("parameters; it is counted only, for the reason in the last note.")
    assert "alone can be simulated" in lines[-1]
    assert not any(line.startswith(("multiply-adds", "forward flops")) for line in lines)


def test_one_network_as_a_table_shows_totals_and_layers():
    result = _run("resnet50")
    assert result.exit_code == 0
    for text in ("25,557,032", "He et al. 2015", "conv2_x/conv1", "convolution"):
        assert text in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet5",), "did you mean resnet50"),
        (("resnet50", "--seq-len", "128"), "its samples are images"),
        (("gpt2", "--seq-len", "0"), "sequence length: found 0"),
        (("gpt2", "--precision", "fp61"), "did you mean fp16"),
        (("none.toml",), "none.toml: cannot be read"),
        (("none.json",), "none.json: cannot be read"),
        (("--seq-len", "128"), "--seq-len 128: found without NAME; expected a network whose samples it sets"),
        (("--precision", "fp32"), "--precision fp32: found without NAME; expected a network whose activ"),
        (("--precision", "fp61"), "fp61"),
    ],
)
def test_bad_input_is_one_message_and_status_2(arguments, message):
    result = _run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not result.stdout
