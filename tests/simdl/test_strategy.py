"""What a strategy may not be, one sentence each."""

from dataclasses import replace

import numpy as np
import pytest
from builders import build_cluster, build_network, build_workload
from uniform import uniform_network

from simdl.errors import StrategyError
from simdl.step.strategy import Recompute, Strategy, problems
from workloads.registry import load_network


def found(strategy, *, workload=None, cluster=None):
    return list(problems(strategy, workload or build_workload(), cluster or build_cluster()))


@pytest.mark.parametrize(
    "degrees",
    [
        {"dp": 8},
        {"dp": 2, "tp": 2, "pp": 2},
        {"tp": 8, "sequence_parallel": True},
        {"cp": 4, "dp": 2},
        {"dp": 8, "zero": 3, "shard_degree": 4},
        {"dp": 4, "pp": 2, "zero": 1, "schedule": "interleaved-1f1b", "virtual_stages": 2},
        {"dp": 4, "pp": 2, "stages": (1, 5)},
    ],
)
def test_a_strategy_that_divides_has_no_problem(degrees):
    assert found(Strategy(**degrees)) == []


@pytest.mark.parametrize(
    ("degrees", "message"),
    [
        ({"dp": 4}, "dp 4 x tp 1 x pp 1 x cp 1 = 4 devices; expected the 8 of tiny:2"),
        ({"dp": 8, "sequence_parallel": True}, "sequence_parallel needs tp > 1; found tp 1"),
        ({"dp": 8, "shard_degree": 4}, "shard_degree 4 with zero 0 and 8 replicas"),
        ({"dp": 8, "zero": 3, "shard_degree": 3}, "shard_degree 3 with zero 3 and 8 replicas"),
        ({"dp": 4, "pp": 2, "zero": 3}, "zero 3 with pp 2: gradients of a pipeline accumulate locally"),
        ({"dp": 8, "micro_batch": 3}, "dp 8 x micro-batch 3 = 24 does not divide global batch 16"),
        ({"pp": 8}, "pp 8 x virtual stages 1 = 8 stages; tiny has 6 blocks"),
        ({"dp": 8, "virtual_stages": 2}, "virtual stages 2 with pp 1; expected pp of at least 2"),
        ({"dp": 4, "pp": 2, "virtual_stages": 2}, "schedule 1f1b: virtual stages: found 2; expected 1"),
        (
            {"dp": 4, "pp": 2, "stages": (3, 2)},
            "stages: found 2 adding up to 5 blocks; expected 2 adding up to 6",
        ),
        ({"dp": 4, "pp": 2, "stages": (6,)}, "stages: found 1 adding up to 6 blocks; expected 2"),
        ({"dp": 8, "splits": (("a/b", "row 2"),)}, "splits: found 1 with split_degree 1; expected"),
        ({"split_degree": 8}, "splits: tiny: per-layer splits need images and a convolution first; found"),
        (
            {"tp": 2, "split_degree": 4},
            "split_degree 4 with tp 2 and cp 1: per-layer splits",
        ),
        ({"dp": 2, "split_degree": 2}, "x cp 1 x split_degree 2 = 4 devices; expected the 8 of tiny:2"),
    ],
)
def test_one_problem_is_named(degrees, message):
    assert any(message in problem for problem in found(Strategy(**degrees)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dp": 0}, "dp: found 0; expected a whole number, at least 1"),
        ({"tp": -4}, "tp: found -4; expected a whole number, at least 1"),
        ({"pp": "2"}, "pp: found '2'; expected a whole number, at least 1"),
        ({"cp": 1.5}, "cp: found 1.5; expected a whole number, at least 1"),
        ({"ep": True}, "ep: found True; expected a whole number, at least 1"),
        ({"etp": -1}, "etp: found -1; expected a whole number, at least 0"),
        ({"micro_batch": None}, "micro_batch: found None; expected a whole number, at least 1"),
        ({"schedule": "1f2b"}, "schedule: found '1f2b'; expected one of"),
        ({"schedule": 3}, "schedule: found 3; expected text such as '1f1b'"),
        ({"recompute": "bogus"}, "recompute: found 'bogus'; expected one of none, selective, full"),
        ({"recompute": True}, "recompute: found True; expected one of none, selective, full"),
        ({"zero": 4}, "zero: found 4; expected 0, 1, 2 or 3"),
        ({"shard_degree": -2}, "shard_degree: found -2; expected a whole number, at least 0"),
        ({"sequence_parallel": 1}, "sequence_parallel: found 1; expected true or false"),
        ({"compression": "zip"}, "compression: found 'zip'; expected one of fp16"),
        ({"compression": "qsgd:0"}, "compression 'qsgd:0': levels: found 0; expected a whole number"),
        ({"stages": (0, 6)}, "stages: found (0, 6); expected a list of block counts, at least 1 each"),
        ({"stages": 6}, "stages: found 6; expected a list of block counts, at least 1 each"),
        ({"shares": "3,5"}, "shares: found '3,5'; expected a list of microbatches per replica"),
        ({"split_degree": 0}, "split_degree: found 0; expected a whole number, at least 1"),
        ({"splits": {"fc6/fc6": 8}}, "splits: found {'fc6/fc6': 8}; expected a table such as"),
        ({"splits": (("a/b", "sample"), ("a/b", "row"))}, "splits.a/b: given twice; expected once"),
    ],
)
def test_a_field_that_cannot_be_is_refused_when_a_strategy_is_made(values, message):
    with pytest.raises(StrategyError) as refused:
        Strategy(**values)
    (reason,) = refused.value.reasons
    assert reason.startswith(message)


def test_every_wrong_field_is_named_at_once_and_also_when_one_is_replaced():
    with pytest.raises(StrategyError) as refused:
        Strategy(dp=0, tp=-1, recompute="some", zero=9)
    assert len(refused.value.reasons) == 4
    with pytest.raises(StrategyError, match=r"^zero: found 5; expected 0, 1, 2 or 3$"):
        replace(Strategy(dp=2), zero=5)


def test_words_and_lists_become_what_the_simulator_compares():
    strategy = Strategy(pp=2, recompute="full", stages=[3, 3], splits={"fc6/fc6": "row 8"})
    assert strategy.recompute is Recompute.FULL
    assert strategy == Strategy(pp=2, recompute=Recompute.FULL, stages=(3, 3), splits=(("fc6/fc6", "row 8"),))
    assert hash(strategy) == hash(replace(strategy))
    assert Strategy(tp=np.int64(2)) == Strategy(tp=2)


def split(*splits, **fields):
    workload = replace(build_workload(load_network("alexnet")), global_batch=32)
    strategy = Strategy(**{"split_degree": 8, "micro_batch": 32, "splits": splits, **fields})
    return found(strategy, workload=workload)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"conv1/conv": "spatial 2"}, "conv1/conv: unknown layer; expected BLOCK/LAYER such as conv1/conv1"),
        (
            {"conv2/conv2": "space 2"},
            "conv2/conv2: found 'space 2'; expected a split and its degrees",
        ),
        ({"conv2/conv2": "row 2"}, "found row 2 on a layer of kind convolution; expected one of sample"),
        ({"conv2/conv2": "spatial 3"}, "found spatial 3 with 8 ranks; expected degrees above 1 that divide"),
        (
            {"conv2/conv2": "filter 2"},
            "conv2/conv2: found filter 2; a convolution in groups",
        ),
        ({"conv1/conv1": "channel 8"}, "conv1/conv1: found channel 8; more parts than"),
        ({"fc6/fc6": "row 2x2"}, "fc6/fc6: found row 2x2; expected one degree"),
        ({"fc6/fc6": "summa 4"}, "fc6/fc6: found summa 4; expected two degrees above 1"),
    ],
)
def test_splits_that_do_not_fit_a_layer_are_named(splits, message):
    (problem,) = split(*splits.items())
    assert message in problem


def test_splits_that_do_not_fit_the_rest_of_a_strategy_are_named():
    assert split(("fc6/fc6", "row 8"), zero=1) == []
    (problem,) = split(("fc6/fc6", "row 8"), zero=1, shard_degree=8)
    assert problem.startswith(
        "shard_degree 8: found a layer whose parameters 1 ranks hold; expected a divisor"
    )
    (problem,) = split(recompute=Recompute.SELECTIVE)
    assert problem == "recompute selective with per-layer splits; expected none or full"
    (problem,) = split(micro_batch=4)
    assert problem == (
        "splits: conv1/conv1: found none, and sample does not apply (8 sample groups do not divide 4 "
        "samples); expected a split"
    )


def test_heads_and_features_that_do_not_divide_are_named():
    messages = found(Strategy(tp=3), cluster=build_cluster(3, devices=1))
    assert messages == [
        "tp 3 does not divide 8 heads or features of tiny; expected a divisor",
        "tp 3 does not divide 1024 heads or features of tiny; expected a divisor",
    ]


def test_key_value_heads_are_divided_or_copied_evenly():
    workload = build_workload(build_network(hidden=384, heads=24, kv_heads=4))
    for tp in (2, 4, 8, 12):
        assert found(Strategy(tp=tp), workload=workload, cluster=build_cluster(tp, devices=1)) == []
    for tp in (3, 6):
        (message,) = found(Strategy(tp=tp), workload=workload, cluster=build_cluster(tp, devices=1))
        assert message.startswith(f"tp {tp} does not divide the 4 key-value heads of tiny")


def test_a_network_without_tensor_parallel_form_is_named():
    workload = build_workload(uniform_network(4))
    messages = found(Strategy(tp=8), workload=workload)
    assert "tp 8: uniform has no tensor-parallel form; expected tp 1" in messages


def test_tokens_that_do_not_divide_are_named():
    cluster = build_cluster(3, devices=1)
    workload = build_workload(build_network(tokens=128))
    assert any(
        "does not divide the 128 tokens" in problem
        for problem in found(Strategy(cp=3), workload=workload, cluster=cluster)
    )


def test_a_batch_smaller_than_the_replicas_is_named():
    messages = found(Strategy(dp=8), workload=build_workload(global_batch=4))
    assert messages == ["global batch 4 is smaller than the 8 replicas; expected at least one sample each"]


def test_interleaving_takes_microbatches_in_groups_of_the_pipeline_ranks():
    strategy = Strategy(dp=2, pp=4, schedule="interleaved-1f1b", virtual_stages=1)
    messages = found(strategy, workload=build_workload(global_batch=12))
    assert messages == [
        "schedule interleaved-1f1b: microbatches: found 6; expected a multiple of the 4 pipeline ranks"
    ]


def test_independent_problems_are_reported_together():
    strategy = Strategy(dp=3, tp=3, shard_degree=2, micro_batch=7, sequence_parallel=True)
    assert len(found(strategy)) >= 5


def test_degrees_follow_from_the_fields():
    strategy = Strategy(dp=4, cp=2, tp=3, pp=5, micro_batch=2, zero=1)
    assert strategy.devices == 120
    assert strategy.replicas == 8
    assert strategy.shards == 8
    assert strategy.microbatches(64) == 8
    assert Strategy(dp=4, zero=0).shards == 1
    assert Strategy(dp=8, zero=2, shard_degree=4).shards == 4
