"""Networks of one's own: what the file says is built, and every fault is named with its place."""

import pytest

from workloads.errors import NetworkError, WorkloadError
from workloads.operators import Pass
from workloads.registry import load_network

HEADER = 'kind = "image"\ninput = [3, 32, 32]\n'

RESIDUAL = (
    HEADER
    + """
[[layers]]
name = "conv0"
type = "convolution"
out_channels = 16
kernel = 3
padding = 1

[[layers]]
name = "sum"
type = "addition"
inputs = ["bn", "conv0"]

[[layers]]
name = "conv1"
type = "convolution"
inputs = ["conv0"]
out_channels = 16
kernel = [3, 3]
padding = 1
bias = false

[[layers]]
name = "bn"
type = "batch_norm"

[[layers]]
name = "fc"
type = "linear"
inputs = ["sum"]
out_features = 10
"""
)

DECODER = """
kind = "decoder"
layers = 2
hidden = 64
heads = 4
kv_heads = 2
head_size = 16
ffn = 256
vocab = 1000
tokens = 128
gated = true
activation = "silu"
normalization = "rmsnorm"
positions = "rotary"
bias = false
qkv_bias = false
tied = false
dropout = false
"""


def _load(tmp_path, text, **overrides):
    file = tmp_path / "own.toml"
    file.write_text(text, encoding="utf-8")
    return load_network(str(file), **overrides)


def _faults(tmp_path, text, **overrides):
    with pytest.raises(WorkloadError) as caught:
        _load(tmp_path, text, **overrides)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(str(tmp_path / "own.toml")) for line in lines)
    return [line.removeprefix(f"{tmp_path / 'own.toml'}: ") for line in lines]


def test_layers_are_put_in_order_and_cut_into_blocks(tmp_path):
    network = _load(tmp_path, RESIDUAL)
    assert (network.name, network.source, network.sample) == ("own", "own.toml", "image")
    assert [[layer.name for layer in block.layers] for block in network.blocks] == [
        ["conv0"],
        ["conv1", "bn", "sum"],
        ["fc"],
    ]
    assert network.parameters == 16 * 27 + 16 + 16 * 144 + 32 + 16 * 1024 * 10 + 10


def test_image_size_replaces_height_and_width(tmp_path):
    network = _load(tmp_path, RESIDUAL, image_size=16)
    assert network.blocks[1].layers[-1].output_shape == (16, 16, 16)


def test_a_zoo_network_written_in_toml_is_the_same_network(tmp_path):
    layers = [
        ("conv1", "convolution", "out_channels = 6\nkernel = 5\npadding = 2"),
        ("tanh1", "tanh", ""),
        ("pool1", "average_pool", "kernel = 2"),
        ("conv2", "convolution", "out_channels = 16\nkernel = 5"),
        ("tanh2", "tanh", ""),
        ("pool2", "average_pool", "kernel = 2"),
        ("fc3", "linear", "out_features = 120"),
        ("tanh3", "tanh", ""),
        ("fc4", "linear", "out_features = 84"),
        ("tanh4", "tanh", ""),
        ("fc5", "linear", "out_features = 10"),
        ("loss", "softmax", ""),
    ]
    tables = [f'[[layers]]\nname = "{name}"\ntype = "{kind}"\n{options}\n' for name, kind, options in layers]
    own = _load(tmp_path, 'kind = "image"\ninput = [1, 28, 28]\n' + "\n".join(tables))
    lenet5 = load_network("lenet5")
    assert [name for name, _ in own.layers()] == [name for name, _ in lenet5.layers()]
    for (_, mine), (_, published) in zip(own.layers(), lenet5.layers(), strict=True):
        assert mine.parameters == published.parameters
        assert mine.saved == published.saved
        for which in Pass:
            assert mine.operators(which) == published.operators(which)


def test_decoder_takes_its_dimensions(tmp_path):
    network = _load(tmp_path, DECODER)
    assert (network.name, network.sample, network.tokens) == ("own", "sequence", 128)
    attention = 64 * (64 + 2 * 32) + 64 * 64
    assert network.parameters == 2 * (attention + 3 * 64 * 256 + 2 * 64) + 2 * 1000 * 64 + 64


def test_decoder_takes_another_sequence_length(tmp_path):
    assert _load(tmp_path, DECODER, tokens=32).tokens == 32


def test_all_faults_of_the_keys_are_reported_at_once(tmp_path):
    text = (
        'kind = "image"\ninput = [3, 32]\nsize = 3\n'
        '[[layers]]\nname = "a"\ntype = "convoluton"\n'
        '[[layers]]\nname = "b"\ntype = "convolution"\nout_channels = "16"\nkernel = [3, 3.5]\npaddin = 1\n'
        '[[layers]]\nname = "c"\ntype = "max_pool"\n'
        '[[layers]]\nname = "d"\n'
    )
    faults = _faults(tmp_path, text)
    for start in (
        "input[2]: missing",
        "size: unknown key",
        "layers[0].type: found 'convoluton'; expected one of convolution, ",
        "layers[1].out_channels: found '16'; expected a valid integer",
        "layers[1].kernel: found [3, 3.5]; expected a whole number",
        "layers[1].paddin: unknown key",
        "layers[2].kernel: missing",
        "layers[3].type: found None",
    ):
        assert any(fault.startswith(start) for fault in faults), (start, faults)
    assert len(faults) == 8


def test_all_faults_of_the_names_are_reported_at_once(tmp_path):
    text = (
        HEADER + '[[layers]]\nname = "a"\ntype = "relu"\ninputs = ["nowhere"]\n'
        '[[layers]]\nname = "a"\ntype = "relu"\ninputs = ["input", "nothing"]\n'
        '[[layers]]\nname = "c"\ntype = "relu"\ninputs = ["input"]\n'
        '[[layers]]\nname = "d"\ntype = "relu"\ninputs = ["input"]\n'
    )
    faults = " | ".join(_faults(tmp_path, text))
    assert "layers[0].inputs: found 'nowhere'" in faults
    assert "layers[1].inputs: found 2; expected one for a relu layer" in faults
    assert "layers[1].name: found 'a', taken" in faults
    assert "nothing reads a, c, d" in faults


def test_cycles_are_errors(tmp_path):
    text = (
        HEADER + '[[layers]]\nname = "a"\ntype = "addition"\ninputs = ["input", "b"]\n'
        '[[layers]]\nname = "b"\ntype = "relu"\ninputs = ["a"]\n'
        '[[layers]]\nname = "c"\ntype = "relu"\n'
    )
    (fault,) = _faults(tmp_path, text)
    assert fault.startswith("layers: ")
    assert "is a cycle" in fault


def test_independent_faults_of_the_shapes_are_reported_at_once(tmp_path):
    text = (
        HEADER + '[[layers]]\nname = "large"\ntype = "max_pool"\nkernel = 40\n'
        '[[layers]]\nname = "after"\ntype = "relu"\n'
        '[[layers]]\nname = "fc"\ntype = "linear"\ninputs = ["input"]\nout_features = 3\n'
        '[[layers]]\nname = "conv"\ntype = "convolution"\nout_channels = 3\nkernel = 1\n'
        '[[layers]]\nname = "end"\ntype = "addition"\ninputs = ["after", "conv"]\n'
    )
    faults = _faults(tmp_path, text)
    assert len(faults) == 2
    assert "large: window (40, 40) on input (32, 32)" in faults[0]
    assert "conv: reads 'fc' of shape (3,)" in faults[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind = ", "not TOML"),
        ("layers = 3", "kind: missing; expected one of decoder, image"),
        ('kind = "rnn"', "kind: found 'rnn'; expected one of decoder, image"),
        (HEADER, "layers: missing"),
        (HEADER + "layers = []", "layers: found []; "),
    ],
)
def test_files_that_describe_nothing(tmp_path, text, message):
    assert message in _faults(tmp_path, text)[0]


def test_decoder_faults_are_reported_at_once(tmp_path):
    text = DECODER.replace("hidden = 64", 'hidden = "64"').replace("heads = 4\n", "headz = 4\n", 1)
    faults = " | ".join(_faults(tmp_path, text))
    assert "hidden: found '64'" in faults
    assert "headz: unknown key" in faults
    assert "heads: missing" in faults


def test_decoder_rules_name_the_file(tmp_path):
    with pytest.raises(NetworkError, match=r"own\.toml: .*kv_heads"):
        _load(tmp_path, DECODER.replace("kv_heads = 2", "kv_heads = 3"))


def test_overrides_of_the_other_kind_are_refused(tmp_path):
    assert "its samples are images" in _faults(tmp_path, RESIDUAL, tokens=8)[0]
    assert "its samples are no images" in _faults(tmp_path, DECODER, image_size=8)[0]
