"""What a layer tells a program that runs it, beside its shapes."""

import pytest

from workloads.registry import load_network


def attributes(network, name):
    return dict(next(layer.attributes for full, layer in load_network(network).layers() if full == name))


@pytest.mark.parametrize(
    ("network", "layer", "expected"),
    [
        ("alexnet", "conv2/conv2", {"padding": (2, 2)}),
        ("inception-v3", "b1/7x7_2", {"padding": (0, 3)}),
        ("alexnet", "conv1/norm1", {"size": 5}),
        ("alexnet", "fc6/drop6", {"rate": 0.5}),
        ("lenet5", "conv1/tanh1", {"function": "tanh"}),
        ("resnet18", "conv1/conv1_norm", {"over": "batch"}),
        ("gpt2", "embedding/tokens", {"index": "token"}),
        ("gpt2", "embedding/positions", {"index": "position"}),
        ("bert-base", "embedding/segments", {"index": "segment"}),
        ("gpt2", "decoder.0/norm1", {"over": "layernorm"}),
        ("llama3-8b", "decoder.3/norm1", {"over": "rmsnorm"}),
        ("llama3-8b", "decoder.3/activation", {"function": "silu", "gated": 1}),
        ("llama3-8b", "decoder.3/attention", {"rate": 0.0, "alibi": 0, "cap": 0.0, "sinks": 0}),
        ("bloom-176b", "decoder.3/attention", {"rate": 0.0, "alibi": 1, "cap": 0.0, "sinks": 0}),
        ("gpt2", "decoder.0/attention", {"rate": 0.1, "alibi": 0, "cap": 0.0, "sinks": 0}),
        ("gpt2", "decoder.0/residual1", {"rate": 0.1}),
        (
            "llama3-8b",
            "decoder.0/split",
            {"operation": "split", "heads": 32, "kv_heads": 8, "head_size": 128},
        ),
    ],
)
def test_builders_say_what_shapes_do_not_tell(network, layer, expected):
    assert attributes(network, layer) == expected


@pytest.mark.parametrize(
    ("network", "layer", "operation", "stride", "ceil"),
    [
        ("googlenet-ceil", "conv1/pool1", "maximum", (2, 2), 1),
        ("googlenet", "conv1/pool1", "maximum", (2, 2), 0),
        ("lenet5", "conv1/pool1", "average", (2, 2), 0),
        ("inception-v3", "a1/pool", "average", (1, 1), 0),
    ],
)
def test_poolings_carry_their_windows(network, layer, operation, stride, ceil):
    found = attributes(network, layer)
    assert (found["operation"], found["stride"], found["ceil"]) == (operation, stride, ceil)
    assert set(found) == {"operation", "kernel", "stride", "padding", "ceil", "whole"}
