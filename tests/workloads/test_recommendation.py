"""Recommendation networks: published parameters, tables in parts, and what their ranks exchange."""

import statistics

import pytest
from bounded import bounded_report
from builders import build_cluster

from planner.space.candidates import enumerate_space
from simdl.communication import Group, Operation, collective_seconds
from simdl.errors import StrategyError
from simdl.software.reader import load_stack
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy
from validation.published.prediction import predict_row
from validation.published.tables import load_tables, published_folder
from workloads.dtypes import load_precision
from workloads.exchange import Tables
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload
from workloads.zoo.recommendation import CRITEO_KAGGLE, CRITEO_TERABYTE, MULTI_HOT


def workload(name, batch=64):
    return Workload(
        network=load_network(name),
        optimizer=load_optimizer("adagrad"),
        precision=load_precision("fp16"),
        global_batch=batch,
    )


@pytest.mark.published
def test_counts_of_the_criteo_tables():
    """Counts of rows in the code of mlcommons/training and facebookresearch/dlrm, README and scripts."""
    assert sum(CRITEO_TERABYTE) == 204_184_588  # mlcommons/training, recommendation_v2
    assert sum(CRITEO_KAGGLE) == 33_762_577  # facebookresearch/dlrm
    assert sum(MULTI_HOT) == 214


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "parameters", "tolerance"),
    [
        ("ncf", 31_832_577, 0),  # NVIDIA DeepLearningExamples, and 31.8 M in MLPerf v0.5
        ("dlrm-kaggle", 540e6, 0.002),  # facebookresearch/dlrm prints 540 M
        ("dlrm-terabyte", 26e9, 0.01),
    ],
)
def test_parameters_are_the_published_ones(name, parameters, tolerance):
    """README of NVIDIA DeepLearningExamples (NCF) and of facebookresearch/dlrm."""
    assert load_network(name).parameters == pytest.approx(parameters, rel=tolerance)


@pytest.mark.theory
def test_dense_parameters_of_the_cross_network():
    network = load_network("dlrm-dcnv2")
    features = 27 * 128
    cross = 3 * (2 * features * 512 + features)
    bottom = 13 * 512 + 512 + 512 * 256 + 256 + 256 * 128 + 128
    top = features * 1024 + 1024 + 1024**2 + 1024 + 1024 * 512 + 512 + 512 * 256 + 256 + 256 + 1
    assert network.parameters == 204_184_588 * 128 + cross + bottom + top


@pytest.mark.theory
def test_whole_tables_are_dealt_out_and_rows_evenly():
    tables = Tables(rows=(60, 30, 20, 10), width=4, lookups=(1, 1, 1, 3))
    assert tables.share(2) == 0.5
    assert tables.share(4) == 0.5  # the largest table is one
    assert tables.share(8) == 1 / 8  # columns of each on two ranks
    assert tables.sent(2) == 4 * 4 / 2
    by_row = Tables(rows=(60, 30, 20, 10), width=4, lookups=(1, 1, 1, 3), by_row=True)
    assert by_row.share(4) == 1 / 4
    assert by_row.sent(4) == (1 + 1 + 1 + 3) * 4 / 4  # a partial sum per rank that has a row
    assert by_row.sent(2) == (1 + 1 + 1 + 2) * 4 / 2


@pytest.mark.theory
def test_lookups_travel_all_to_all_there_and_back():
    work, cluster = workload("dlrm-kaggle"), build_cluster(1)
    report = simulate(work, cluster, Strategy(cp=4, micro_batch=64), stack=load_stack("hugectr")).report
    nbytes = 2 * 64 * 26 * 16 / 4
    each = collective_seconds(Operation.ALL_TO_ALL, nbytes, Group(size=4, stride=1), cluster)
    assert report.breakdown["context_communication"] == pytest.approx(2 * each)


@pytest.mark.theory
def test_tables_have_no_gradient_and_are_held_in_parts():
    work, cluster = workload("dlrm-kaggle"), build_cluster(1)
    reports = [
        simulate(
            work, build_cluster(1, devices=cp), Strategy(cp=cp, micro_batch=64), stack=load_stack("hugectr")
        )
        for cp in (1, 4)
    ]
    whole, part = (simulation.report.memory for simulation in reports)
    tables = sum(CRITEO_KAGGLE) * (16 * 2 + 4)  # FP16 rows, and row-wise state
    dense = work.network.parameters - sum(CRITEO_KAGGLE) * 16
    assert whole["parameters"] == pytest.approx(tables + 2 * dense)
    assert whole["gradients"] == pytest.approx(2 * dense)
    assert part["parameters"] < 0.35 * whole["parameters"]
    assert cluster.devices == 4


@pytest.mark.property
@pytest.mark.parametrize("name", ["dlrm-kaggle", "dlrm-dcnv2"])
@pytest.mark.parametrize("strategy", [Strategy(cp=8, micro_batch=64), Strategy(pp=2, cp=4, micro_batch=16)])
def test_no_step_is_shorter_than_its_bound(name, strategy):
    bounded_report(workload(name), strategy, "hugectr")


def test_copies_of_tables_are_refused():
    work, cluster = workload("dlrm-kaggle"), build_cluster(2)
    with pytest.raises(StrategyError, match="dp 2: the tables of dlrm-kaggle lie on"):
        simulate(work, cluster, Strategy(dp=2, cp=4), stack=load_stack("hugectr"))
    space = enumerate_space(work, cluster)
    assert len(space) > 0
    assert set(space.dp.tolist()) == {1}


@pytest.mark.published
def test_dlrm_rows_of_mlperf_are_predicted():
    rows = load_tables(published_folder() / "cnn" / "mlperf-training.csv").rows
    found = [predict_row(row, stack_loader=load_stack) for row in rows if "dlrm" in row["model"]]
    errors = [abs(each.predicted / each.setup.measured - 1) for each in found if not each.skipped]
    assert len(errors) > 30
    assert statistics.median(errors) < 0.1
