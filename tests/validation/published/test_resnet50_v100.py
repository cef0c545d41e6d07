"""ResNet-50 on one V100: what OneFlow reached, and the least time that arithmetic alone allows."""

import pytest

from hardware.cluster import Cluster
from hardware.profiles import load_device, load_node
from simdl.software.reader import load_stack
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy
from validation.published.rows.cluster import resized_node
from workloads.dtypes import load_precision
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload

PRINTED_RATE = 1443.55  # [images/s] on one V100, mixed precision, batch 256
BATCH = 256
IMAGES = 1_281_167  # training set of ImageNet 2012 (Russakovsky et al. 2015)
EPOCHS = 90
LEAST_HOURS = 6.7  # at 112 TFLOP/s


def least_hours(macs, flop_rate):
    """epochs x images x 3 passes x 2 flops x MACs / rate: the backward pass is twice the forward pass."""
    return EPOCHS * IMAGES * 3 * 2 * macs / flop_rate / 3600


@pytest.mark.published
@pytest.mark.parametrize("name", ["resnet50", "resnet50-v1.5"])
def test_oneflow_on_one_v100(name):
    """Oneflow-Inc/DLPerf, OneFlow/Classification/ConvNets/resnet50v1.5/reports/
    resnet50_oneflow_v0.3.1_report_1202.md, line 57; the convolutions of ``mxnet-ngc`` are fitted on it.
    """
    workload = Workload(
        network=load_network(name),
        optimizer=load_optimizer("momentum"),
        global_batch=BATCH,
        precision=load_precision("fp16"),
    )
    cluster = Cluster(node=resized_node(load_node("dgx-1-v100"), 1), count=1)
    report = simulate(
        workload, cluster, Strategy(dp=1, micro_batch=BATCH), stack=load_stack("oneflow")
    ).report
    assert BATCH / report.step_time == pytest.approx(PRINTED_RATE, rel=0.10)


@pytest.mark.theory
def test_published_macs_give_the_published_least_time():
    rate = load_device("v100-pcie-16gb").flop_rate("fp16")
    assert rate == pytest.approx(112e12)
    assert round(least_hours(3.9e9, rate), 1) == LEAST_HOURS


@pytest.mark.published
def test_counted_flops_give_the_published_least_time():
    """He et al. 2016, table 1: 3.8 G MACs; 3.86 here, less the image's own gradient, which nobody uses."""
    flops = load_network("resnet50").model_flops
    hours = EPOCHS * IMAGES * flops / 112e12 / 3600
    assert hours == pytest.approx(LEAST_HOURS, rel=0.025)
