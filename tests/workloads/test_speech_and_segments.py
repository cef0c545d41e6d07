"""Tacotron 2, WaveGlow and Transformer-XL: published parameters, and steps that wait."""

import pytest
from bounded import bounded_report

from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.errors import NetworkError
from workloads.operators import OperatorKind, Pass
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload

LOOP = {"stepped_recurrent", "location_attention", "stepped_linear"}
"""Kinds of layer that Tacotron 2 runs frame by frame."""


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "millions", "tolerance"),
    [
        ("tacotron2", 28.2, 0.001),  # NVIDIA's PyTorch code
        ("waveglow", 268, 0.002),
        ("transformer-xl-base", 192, 0.001),  # NVIDIA's PyTorch code, WikiText-103
        ("transformer-xl-large", 284, 0.003),  # as released for WikiText-103
    ],
)
def test_parameters_are_the_published_ones(name, millions, tolerance):
    """NVIDIA DeepLearningExamples, README of each; Dai et al. 2019, arXiv:1901.02860, table 1 has 257M
    for the large one.
    """
    assert load_network(name).parameters == pytest.approx(millions * 1e6, rel=tolerance)


@pytest.mark.theory
def test_tacotron_makes_a_frame_a_step():
    network = load_network("tacotron2")
    steps = {
        operator.steps
        for _, layer in network.layers()
        if layer.kind in {"stepped_recurrent", "location_attention"}
        for operator in layer.forward
    }
    assert steps == {600}
    longer = load_network("tacotron2", tokens=200)
    walked = [
        operator.steps
        for _, layer in longer.layers()
        if layer.kind == "stepped_recurrent"
        for operator in layer.forward
    ]
    assert set(walked) == {1200}


@pytest.mark.theory
def test_a_frame_of_tacotron_runs_the_kernels_that_its_program_calls():
    """``Decoder.decode`` and ``Attention.forward``: two cells of a join, two products, gates and dropout; 13
    of the attention; two projections. Gradients of weights are summed step by step, each by its own kernel.
    """
    layers = [each for _, each in load_network("tacotron2").layers() if each.kind in LOOP]
    assert sum(len(layer.forward) for layer in layers) == 2 * 5 + 13 + 2
    passes = [each for layer in layers for which in Pass for each in layer.operators(which)]
    assert {operator.steps for operator in passes} == {600}
    sums = [o for layer in layers for o in layer.weight_gradient if o.name.startswith("sum of")]
    assert len(sums) == 2 * 4 + 4 + 2 * 2


@pytest.mark.theory
def test_without_clusters_every_word_is_predicted_for_every_token():
    network = load_network("transformer-xl-base-full-softmax")
    logits = [layer for _, layer in network.layers() if layer.name.startswith("logits")]
    (product,) = [o for o in logits[0].forward if o.kind is OperatorKind.MATMUL]
    assert len(logits) == 1
    assert product.flops == 2 * 192 * 512 * 267_735
    clustered = load_network("transformer-xl-base")
    assert clustered.parameters - network.parameters == 3 * (512 + 1)  # the rows that choose a cluster


@pytest.mark.theory
def test_a_segment_attends_to_itself_and_the_one_before():
    network = load_network("transformer-xl-base")
    layers = {layer.name: layer for layer in network.blocks[1].layers}
    products = [o for o in layers["attention"].forward if o.kind is OperatorKind.MATMUL]
    assert [o.flops for o in products] == [2 * 8 * 192 * 384 * 64] * 2
    places = [o for o in layers["position_scores"].forward if o.kind is OperatorKind.MATMUL]
    assert [o.flops for o in places] == [2 * 8 * 192 * 384 * 64]
    assert layers["positions"].input_gradient == ()


@pytest.mark.property
@pytest.mark.parametrize("name", ["tacotron2", "waveglow", "transformer-xl-base", "transformer-xl-large"])
@pytest.mark.parametrize("strategy", [Strategy(dp=8), Strategy(dp=4, pp=2), Strategy(dp=8, zero=3)])
def test_no_step_is_shorter_than_its_bound(name, strategy):
    work = Workload(
        network=load_network(name),
        optimizer=load_optimizer("adam"),
        precision=load_precision("fp16"),
        global_batch=16,
    )
    report = bounded_report(work, strategy, "pytorch-eager")
    assert sum(report.breakdown.values()) == pytest.approx(report.step_time)


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "parameters"), [("wav2vec2-base", 95_044_608), ("wav2vec2-large", 317_390_592)]
)
def test_wav2vec_has_the_parameters_of_its_pre_training(name, parameters):
    """facebook/wav2vec2-base and wav2vec2-large-lv60 on Hugging Face; Baevski et al. 2020: 95m and 317m."""
    assert load_network(name).parameters == parameters


@pytest.mark.theory
@pytest.mark.parametrize("samples", [16_000, 250_000])
def test_wav2vec_makes_a_frame_of_320_samples_that_sees_400(samples):
    layers = {layer.name: layer for _, layer in load_network("wav2vec2-base", tokens=samples).layers()}
    assert layers["features"].output_shape == ((samples - 400) // 320 + 1, 512)


def test_wav2vec_refuses_sound_without_a_masked_frame():
    with pytest.raises(NetworkError, match="found 400 samples; expected masked frames"):
        load_network("wav2vec2-base", tokens=400)
