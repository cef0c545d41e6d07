"""Published mixtures of experts: parameters in all and those that a token meets."""

import pytest
from builders import build_network

from workloads.errors import NetworkError
from workloads.operators import Pass
from workloads.registry import load_network
from workloads.zoo.language.decoder.parts import Experts
from workloads.zoo.language.decoders import NETWORKS, build_registered, decoder_config

# Parameters of the published checkpoints; the papers round them.
PARAMETERS = {
    "mixtral-8x7b": 46_702_792_704,  # 46.7 B
    "mixtral-8x22b": 140_620_634_112,  # 141 B
    "qwen3-30b-a3b": 30_532_122_624,  # 30.5 B
    "qwen3-235b-a22b": 235_093_634_560,  # 235 B
    "qwen1.5-moe-a2.7b": 14_315_784_192,  # 14.3 B
    "deepseek-v2-lite": 15_706_484_224,  # 15.7 B
    "deepseek-v2": 235_741_434_880,  # 236 B
    "deepseek-v3": 671_026_419_200,  # 671 B
    "kimi-k2": 1_026_408_232_448,  # 1.04 T, "1 trillion"
    "gpt-oss-20b": 20_914_757_184,  # 20.9 B
    "gpt-oss-120b": 116_829_156_672,  # 116.8 B
    "llama4-scout": 107_769_861_120,  # 109 B with the vision tower
    "llama4-maverick": 400_711_848_960,  # 400 B
}
# [billions] active per token, as the papers and cards print them (with or without the embedding table)
ACTIVE = {
    "mixtral-8x7b": 12.9,
    "mixtral-8x22b": 39.1,
    "qwen3-30b-a3b": 3.3,
    "qwen3-235b-a22b": 22.2,
    "deepseek-v2": 21.4,
    "deepseek-v3": 37.6,
    "kimi-k2": 32.9,
    "gpt-oss-20b": 4.2,
    "gpt-oss-120b": 5.7,
    "llama4-scout": 17.2,
}
MIXTURES = sorted(name for name in NETWORKS if decoder_config(name).experts and "mtp" not in name)


@pytest.mark.published
@pytest.mark.parametrize(("name", "expected"), PARAMETERS.items())
def test_parameters_are_those_of_the_checkpoints(name, expected):
    """Elements of the public checkpoints; behind each stands what its paper or model card page prints."""
    assert load_network(name).parameters == expected


@pytest.mark.published
@pytest.mark.parametrize(("name", "billions"), ACTIVE.items())
def test_active_parameters_are_the_published_ones(name, billions):
    """Papers and model card pages of the models named."""
    assert load_network(name).active_parameters / 1e9 == pytest.approx(billions, abs=0.06)


@pytest.mark.published
def test_grok_has_314_billion_parameters_a_quarter_of_them_active():
    """x.ai, page of the open release of Grok-1: 314 B parameters, 25 % of the weights active on a token."""
    network = load_network("grok-1")
    assert network.parameters == pytest.approx(314e9, rel=0.01)
    assert network.active_parameters == pytest.approx(0.25 * network.parameters, rel=0.07)


@pytest.mark.published
def test_router_biases_of_deepseek_v3_are_counted():
    """DeepSeek-V3, inference/model.py, Gate.bias (no table): 256 in each of 58 layers with experts."""
    plain = load_network("deepseek-v3")
    layers = {name: layer for name, layer in plain.layers() if layer.kind == "router"}
    assert len(layers) == 58
    assert sum(layer.parameters for layer in layers.values()) == 58 * (7168 * 256 + 256)


def test_predictors_add_a_layer_a_projection_and_their_norms():
    plain, more = load_network("deepseek-v3"), load_network("deepseek-v3-mtp")
    layer = next(block for block in plain.blocks if block.name == "decoder-experts").parameters
    assert more.parameters - plain.parameters == layer + 2 * 7168 * 7168 + 3 * 7168
    assert more.model_flops > plain.model_flops
    assert [block.name for block in more.chain()][-2:] == ["predictor", "head"]


@pytest.mark.parametrize("name", MIXTURES)
def test_flops_are_those_of_active_weights_and_attention(name):
    """Two flops per active weight that multiplies and token, plus attention: within 1 % of it."""
    network = build_registered(name, tokens=1024)
    attention = sum(layer.flops(Pass.FORWARD) for _, layer in network.layers() if layer.core is not None)
    table = 0 if network.blocks[-1].layers[1].tied else network.blocks[0].parameters
    expected = 2 * 1024 * (network.active_parameters - table)
    assert network.model_flops / 3 == pytest.approx(expected + attention, rel=0.012)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"count": 0}, "experts.count: found 0; expected at least 1"),
        ({"chosen": 9}, "experts.chosen: found 9; expected at most the 8 experts"),
        ({"groups": 3}, "experts.groups: found 1 of 3 for 8 experts; expected a divisor"),
        ({"imbalance": 0.5}, "experts.imbalance: found 0.5; expected at least 1"),
        ({"capacity": -1.0}, "experts.capacity: found -1.0; expected a positive number"),
        ({"shared": -1}, "experts.shared: found -1; expected at least 0"),
    ],
)
def test_impossible_experts_are_refused_with_their_place(changes, expected):
    with pytest.raises(NetworkError) as caught:
        build_network(experts=Experts(**{"count": 8, "chosen": 2, "ffn": 64} | changes))
    assert expected in str(caught.value)
