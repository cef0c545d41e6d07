"""The whole way from a case to a measurement, in processes of their own."""

import pytest
from cases import build_case, small_decoder

from simdl.step.strategy import Strategy
from validation.reference_trainer.run import measure_training

pytest.importorskip("torch")


def test_fully_sharded_ranks_hold_half_of_the_state():
    network = small_decoder()
    case = build_case(network, Strategy(dp=2, micro_batch=2, zero=3), steps=4, layers=True)
    measured = measure_training(case)
    assert len(measured.steps) == 4
    assert min(measured.steps) <= measured.step_time <= max(measured.steps)
    assert measured.spread >= 0
    assert measured.memory["parameters"] == pytest.approx(2 * network.parameters, rel=0.1)
    assert measured.memory["optimizer"] == measured.memory["gradients"] == measured.memory["parameters"]
    assert sum(measured.memory.values()) == measured.peak_memory
    assert [layer.name for layer in measured.layers] == [name for name, _ in network.layers()]
    assert measured.software["ranks"] == "2"
