"""What the reference trainer does not do, it says, all of it at once."""

from dataclasses import replace

import pytest
from cases import build_case, small_decoder

from simdl.software.reader import load_stack
from simdl.step.strategy import Recompute, Strategy
from validation.errors import TrainerError
from validation.reference_trainer.cut import boundary_shapes, stage_sizes
from validation.reference_trainer.refusals import case_problems
from validation.reference_trainer.run import measure_training


def problems(**changes):
    strategy = changes.pop("strategy", {})
    return list(case_problems(build_case(strategy=Strategy(**{"micro_batch": 4, **strategy}), **changes)))


@pytest.mark.parametrize(
    "strategy",
    [
        {},
        {"dp": 2},
        {"dp": 2, "zero": 3},
        {"dp": 2, "zero": 3, "shard_degree": 2},
        {"pp": 2, "schedule": "gpipe"},
        {"pp": 2, "schedule": "interleaved-1f1b", "virtual_stages": 2},
        {"pp": 2, "stages": (1, 3)},
    ],
)
def test_what_it_does_is_not_refused(strategy):
    assert problems(strategy=strategy) == []


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({"tp": 2}, "tp: found 2; the reference trainer has dp, pp and zero 3 only"),
        ({"cp": 2}, "cp: found 2"),
        ({"sequence_parallel": True}, "sequence_parallel: the reference trainer has none"),
        ({"recompute": Recompute.FULL}, "recompute: found full; the reference trainer keeps all activations"),
        ({"dp": 2, "zero": 1}, r"zero: found 1; the reference trainer has 0 and 3 \(FSDP\)"),
        ({"zero": 3}, "zero 3 with dp 1: nothing to shard over"),
        ({"dp": 4, "micro_batch": 2, "zero": 3, "shard_degree": 2}, "shard_degree: found 2"),
        ({"dp": 2, "pp": 2}, "pp 2 with dp 2: expected dp 1 or pp 1"),
        ({"micro_batch": 3}, "dp 1 x micro-batch 3 = 3 does not divide global batch 8"),
        ({"pp": 5}, "5 pipeline stages; small has 4 blocks"),
        ({"pp": 2, "stages": (1, 2)}, "stages: found 2 adding up to 3 blocks; expected 2 adding up to 4"),
        ({"virtual_stages": 2}, "virtual stages 2 with pp 1"),
        (
            {"pp": 2, "schedule": "interleaved-1f1b", "virtual_stages": 2, "micro_batch": 8},
            "microbatches: found 1; expected a multiple of the 2 pipeline ranks",
        ),
    ],
)
def test_strategies_it_cannot_carry_out(strategy, message):
    with pytest.raises(TrainerError, match=message):
        measure_training(build_case(strategy=Strategy(**{"micro_batch": 4, **strategy})))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "tpu"}, "device: found 'tpu'; expected cpu or cuda:N"),
        ({"device": "cuda"}, "device: found 'cuda'"),
        ({"warmup": 0}, "warmup: found 0; expected at least 1"),
        ({"steps": 2}, "steps: found 2; expected at least 3"),
        ({"budget": 0.0}, "budget: found 0.0 s; expected a number above 0"),
        ({"budget": float("nan")}, "budget: found nan s"),
        ({"budget": float("inf")}, "budget: found inf s"),
        ({"precision": "fp16"}, "precision: found fp16; the reference trainer has fp32, tf32, bf16"),
        ({"precision": "tf32"}, "precision: found tf32 on a CPU"),
    ],
)
def test_settings_it_does_not_take(changes, message):
    with pytest.raises(TrainerError, match=message):
        measure_training(build_case(**changes))


def test_fused_attention_with_dropout_is_refused_on_cpus_only():
    network = small_decoder(dropout=True)
    (problem,) = problems(network=network)
    assert "expected a stack with unfused attention (pytorch-cpu-unfused)" in problem
    assert problems(network=network, stack=load_stack("pytorch-cpu-unfused")) == []
    assert problems(network=network, device="cuda:0") == []


def test_all_faults_come_together():
    assert len(problems(device="tpu", steps=1, strategy={"tp": 2, "cp": 2})) == 4


def test_stages_are_those_of_the_strategy_else_even_else_balanced():
    network = small_decoder(layers=4)
    assert stage_sizes(network, Strategy(pp=2, stages=(1, 5))) == (1, 5)
    assert stage_sizes(network, Strategy(pp=2)) == (3, 3)
    uneven = stage_sizes(small_decoder(layers=3), Strategy(pp=2))
    assert sum(uneven) == 5
    assert min(uneven) >= 1


def test_boundaries_have_the_shape_of_the_block_before_the_cut():
    network = small_decoder()
    assert boundary_shapes(network, (2, 1, 1), 4) == ((4, 8, 16), (4, 8, 16))
    assert boundary_shapes(network, (4,), 4) == ()


def test_a_case_is_not_changed_by_asking():
    case = build_case()
    assert replace(case).strategy == case.strategy
    assert list(case_problems(case)) == []
