"""Seconds per layer: every layer once, nothing left behind, and the clock counts what it is told."""

import time
from contextlib import nullcontext

import pytest

torch = pytest.importorskip("torch")

from cases import build_case, small_images  # noqa: E402

from simdl.step.strategy import Strategy  # noqa: E402
from validation.reference_trainer.build import build_trainer  # noqa: E402
from validation.reference_trainer.layer_times import Clock, measure_layers  # noqa: E402

CPU = torch.device("cpu")


def test_every_layer_has_its_seconds_and_no_hook_stays():
    network = small_images()
    trainer = build_trainer(build_case(network, Strategy(micro_batch=8)), 0, CPU, nullcontext)
    start = time.perf_counter()
    layers = measure_layers(trainer, CPU, steps=2)
    passed = time.perf_counter() - start
    assert [(entry.name, entry.kind) for entry in layers] == [
        (name, layer.kind) for name, layer in network.layers()
    ]
    assert all(entry.forward > 0 and entry.backward > 0 for entry in layers)
    assert sum(entry.forward + entry.backward for entry in layers) < passed
    for _, _, module in trainer.stages[0].layer_modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_seconds_add_up_over_microbatches():
    trainer = build_trainer(build_case(small_images(), Strategy(micro_batch=1)), 0, CPU, nullcontext)
    calls = []
    module = next(trainer.stages[0].layer_modules())[2]
    module.register_forward_hook(lambda *_: calls.append(1))
    layers = measure_layers(trainer, CPU, steps=1)
    assert len(calls) == 2 * 8
    assert layers[0].forward > 0


def test_a_clock_adds_intervals_of_one_place():
    clock = Clock(CPU)
    for _ in range(2):
        clock.start("key")
        time.sleep(0.01)
        clock.stop("key", "place")
    assert 0.02 <= clock.seconds["place"] < 2
