"""Encoder-decoder transformers: published parameters, arithmetic by formula, and what a pipeline carries."""

import pytest
from builders import build_cluster

from simdl.software.reader import load_stack
from simdl.step.costs.step_cost import chain_costs
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.errors import NetworkError
from workloads.operators import OperatorKind, Pass
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload
from workloads.zoo.language.encoder_decoders import build_pair


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "parameters"),
    [  # of the released checkpoints
        ("t5-small", 60_506_624),
        ("t5-base", 222_903_552),
        ("t5-large", 737_668_096),
        ("t5-3b", 2_851_598_336),
        ("t5-11b", 11_307_321_344),
        ("t5-v1.1-small", 76_961_152),
        ("t5-v1.1-base", 247_577_856),
        ("t5-v1.1-large", 783_150_080),
        ("t5-v1.1-xl", 2_849_757_184),
        ("t5-v1.1-xxl", 11_135_332_352),
        ("bart-base", 139_420_416),
        ("bart-large", 406_291_456),
    ],
)
def test_parameters_are_those_of_the_released_models(name, parameters):
    """Elements of the checkpoints on the model cards of google-t5, google/t5-v1_1 and facebook/bart."""
    assert load_network(name).parameters == parameters


@pytest.mark.published
@pytest.mark.parametrize(
    ("size", "parameters"),
    [
        ("tiny", 37_184_640),
        ("base", 71_825_920),
        ("small", 240_582_912),
        ("medium", 762_321_920),
        ("large", 1_541_384_960),
        ("large-v3", 1_541_570_560),
    ],
)
def test_parameters_of_whisper_are_those_of_the_released_models(size, parameters):
    """Parameters of openai/whisper's checkpoints; the encoder's sinusoids are a buffer there."""
    assert load_network(f"whisper-{size}").parameters == parameters


@pytest.mark.published
def test_whisper_hears_30_seconds_and_writes_448_tokens_at_most():
    assert load_network("whisper-tiny", tokens=100).tokens == 1600
    with pytest.raises(NetworkError, match="expected at most 448"):
        load_network("whisper-tiny", tokens=449)


@pytest.mark.published
@pytest.mark.parametrize(("name", "millions"), [("transformer-base", 65), ("transformer-big", 213)])
def test_parameters_of_the_first_transformers(name, millions):
    """Vaswani et al. 2017, table 3, prints whole millions."""
    assert load_network(name).parameters == pytest.approx(millions * 1e6, rel=0.03)


@pytest.mark.theory
def test_products_of_a_t5_follow_the_formula():
    """Projections 2 tokens x weights; scores and contexts 4 x queries x keys x width."""
    layers, hidden, heads, ffn, source, target = 12, 768, 12, 3072, 512, 128
    width = heads * 64
    square, network = hidden * width, load_network("t5-base")
    encoder = 2 * source * (4 * square + 2 * hidden * ffn) + 4 * source**2 * width
    decoder = 2 * target * (6 * square + 2 * hidden * ffn) + 2 * source * 2 * square
    decoder += 4 * target * (target + source) * width
    logits = 2 * target * hidden * 32128
    products = sum(
        operator.flops
        for _, layer in network.layers()
        for operator in layer.operators(Pass.FORWARD)
        if operator.kind is OperatorKind.MATMUL
    )
    assert products == layers * (encoder + decoder) + logits
    assert network.model_flops == 3 * products


@pytest.mark.theory
def test_the_encoders_output_travels_with_the_decoder_and_is_kept_once():
    network = load_network("transformer-base")
    work = Workload(
        network=network,
        optimizer=load_optimizer("adam"),
        precision=load_precision("fp16"),
        global_batch=16,
    )
    prices = price(work, build_cluster(1), stack=load_stack("pytorch-eager"))
    costs = chain_costs(Strategy(dp=4), prices)
    encoder, decoder = costs[1], costs[8]
    assert decoder.boundary == 2 * encoder.boundary  # as many target as source tokens
    kept = [t for layer in network.blocks[3].layers for t in layer.saved if layer.name == "cross_kv"]
    assert kept == []


@pytest.mark.property
@pytest.mark.parametrize("tp", [1, 2])
@pytest.mark.parametrize("pp", [1, 2])
@pytest.mark.parametrize("name", ["t5-small", "transformer-big"])
def test_every_degree_runs(name, tp, pp):
    work = Workload(
        network=load_network(name),
        optimizer=load_optimizer("adafactor"),
        precision=load_precision("bf16"),
        global_batch=32,
    )
    strategy = Strategy(dp=8 // tp // pp, tp=tp, pp=pp, zero=1)
    report = simulate(work, build_cluster(2), strategy, stack=load_stack("megatron-2022")).report
    assert report.feasible
    assert sum(report.breakdown.values()) == pytest.approx(report.step_time)


def test_a_sequence_length_names_the_source():
    network = load_network("t5-small", tokens=1024)
    assert network.tokens == 1024 + 256


def test_impossible_lengths_are_refused():
    with pytest.raises(NetworkError, match="source_tokens: found 0; expected at least 1"):
        build_pair("t5-small", tokens=0)
