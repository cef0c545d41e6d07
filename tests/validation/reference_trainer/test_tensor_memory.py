"""Bytes of tensors against a network whose every tensor can be counted by hand."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from cases import build_case, small_decoder  # noqa: E402

from simdl.step.strategy import Strategy  # noqa: E402
from validation.reference_trainer.build import build_trainer  # noqa: E402
from validation.reference_trainer.tensor_memory import MEASURED, _replay, measure_memory  # noqa: E402
from validation.reference_trainer.trainer import FORWARD, SAVED  # noqa: E402
from workloads.layers.classifier import softmax  # noqa: E402
from workloads.layers.drafts.draft import Draft, build_image_network  # noqa: E402
from workloads.layers.linear import linear  # noqa: E402
from workloads.optimizers import load_optimizer  # noqa: E402
from workloads.workload import Workload  # noqa: E402

CPU = torch.device("cpu")
SMALL = 100  # bytes of scalars: loss, its weight, optimizer step
INPUTS, OUTPUTS, SAMPLES = 1000, 500, 64


def measured(case):
    _, memory = measure_memory(lambda: build_trainer(case, 0, CPU, nullcontext), CPU)
    return memory


def one_product(optimizer):
    draft = Draft((INPUTS,))
    draft.add(linear, "fc", out_features=OUTPUTS, bias=False)
    draft.add(softmax, "loss")
    case = build_case(build_image_network("one", draft.blocks(), source="test"))
    workload = Workload(
        network=case.workload.network,
        optimizer=load_optimizer(optimizer),
        precision=case.workload.precision,
        global_batch=SAMPLES,
    )
    return build_case(workload=workload, strategy=Strategy(micro_batch=SAMPLES))


@pytest.mark.parametrize(("optimizer", "states"), [("sgd", 0), ("momentum", 1), ("adam", 2), ("adamw", 2)])
def test_one_product_holds_what_it_must(optimizer, states):
    memory = measured(one_product(optimizer))
    weights = 4 * INPUTS * OUTPUTS
    batch = 4 * SAMPLES * INPUTS + 8 * SAMPLES  # numbers, and 8-byte targets
    logits = 4 * SAMPLES * OUTPUTS
    assert memory.parts["parameters"] == memory.parts["gradients"] == weights
    assert memory.parts["optimizer"] == pytest.approx(states * weights, abs=SMALL)
    assert memory.saved == pytest.approx(logits, abs=SMALL)  # the logarithms of the shares
    # fullest while the weight gradient is written: it needs the input and the gradient of the logits
    assert memory.parts["activations"] == pytest.approx(batch + logits, abs=SMALL)
    assert memory.peak == sum(memory.parts.values())


def test_a_forward_pass_keeps_what_the_network_says():
    network = small_decoder(layers=4)
    case = build_case(network, Strategy(micro_batch=8))
    elements = {
        (block.name, layer.name, tensor.name): block.count * tensor.elements * (tensor.element_size or 4)
        for block in network.blocks
        for layer in block.layers
        for tensor in layer.saved
        if not tensor.fused
    }
    lower, upper = 0.9, 1.35  # statistics of normalisations, and tensors that torch keeps twice
    assert lower < measured(case).saved / (8 * sum(elements.values())) < upper


def event(name, time, nbytes=0):
    return SimpleNamespace(name=lambda: name, start_ns=lambda: time, nbytes=lambda: nbytes)


def test_the_peak_is_that_of_the_measured_step():
    events = [
        event("[memory]", 1, 1000),
        event("[memory]", 2, -900),
        event(MEASURED, 3),
        event(FORWARD, 4),
        event("[memory]", 5, 50),
        event(SAVED, 6),
        event("[memory]", 8, -50),
        event("[memory]", 7, 20),
        event("other", 9, 10_000),
    ]
    assert _replay(events) == (170.0, 50.0)


def test_a_step_without_allocations_peaks_at_what_was_there():
    events = [event("[memory]", 1, 64), event(MEASURED, 2), event(FORWARD, 3), event(SAVED, 4)]
    assert _replay(events) == (64.0, 0.0)
