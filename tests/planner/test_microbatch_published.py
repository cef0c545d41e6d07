"""What micro-batches gain, as mu-cuDNN's authors measured it on a P100-SXM2; nothing is fitted to it."""

import pytest

from hardware.profiles import load_cluster, load_device
from planner.microbatch.configuration import Policy, micro_batch_sizes
from planner.microbatch.convolutions import network_convolutions, read_layer_list
from planner.microbatch.costs import price_passes
from planner.microbatch.plan import MicrobatchPlan, Mode, plan_micro_batches
from simdl.software.reader import load_stack
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.operators import Pass
from workloads.optimizers import load_optimizer
from workloads.profiles import MU_CUDNN_LAYERS
from workloads.registry import load_network
from workloads.workload import Workload

DEVICE = load_device("p100-sxm")
FP32 = load_precision("fp32")
MIB = 2.0**20

pytestmark = pytest.mark.published


def planned(passes, batch, limit) -> MicrobatchPlan:
    """The choice among powers of two, which is what the program takes unless it is told otherwise."""
    priced = price_passes(passes, micro_batch_sizes(Policy.POWER_OF_TWO, batch), DEVICE, FP32)
    return plan_micro_batches(priced, batch=batch, workspace=limit * MIB, mode=Mode.REUSE)


@pytest.mark.parametrize(
    ("maps", "channels", "filters", "taps", "gains"),
    [
        (28, 256, 512, 3, (1.61, 1.74, 1.81)),
        (14, 512, 512, 3, (1.38, 1.51, 1.56)),
        (7, 512, 512, 3, (2.28, 1.00, 1.00)),
        (28, 128, 128, 3, (1.25, 1.38, 1.00)),
        (14, 512, 48, 5, (2.19, 2.32, 1.00)),
        (28, 192, 32, 5, (3.28, 3.84, 1.00)),
    ],
)
def test_deepbench_layers_gain_in_the_limits_that_are_too_small_for_them(
    maps, channels, filters, taps, gains
):
    """README of spcl/ucudnn, figure "DeepBench", read from its bars: forward, batch 256; 128, 256, 512 MiB.

    Where a bar stands at one, the workspace of the fast algorithm for the whole batch fits.
    """
    layers = read_layer_list(MU_CUDNN_LAYERS, "deepbench_conv_train_mb256").convolutions
    part = next(
        each
        for each in layers
        if each.which is Pass.FORWARD
        and (each.shape.in_height, each.shape.in_channels, each.shape.out_channels)
        == (maps, channels, filters)
        and each.shape.kernel_height == taps
    )
    found = [planned([part], 256, limit) for limit in (128, 256, 512)]
    modelled = [each.undivided_time / each.time for each in found]
    assert modelled == pytest.approx(gains, rel=0.22 if taps == 5 else 0.12)
    assert [gain > 1 for gain in modelled] == [gain > 1 for gain in gains]


def test_convolutions_of_alexnet_gain_what_is_printed():
    """Oyama et al. 2018, abstract: 1.63 for AlexNet, whose list has a gradient of the image besides."""
    found = planned(read_layer_list(MU_CUDNN_LAYERS, "alexnet").convolutions, 256, 64)
    assert found.undivided_time / found.time == pytest.approx(1.63, rel=0.05)


def test_a_step_of_resnet18_gains_what_is_printed():
    """Oyama et al. 2018, abstract: 1.21 for a step of ResNet-18, most of which convolutions are."""
    network = load_network("resnet18")
    workload = Workload(
        network=network, optimizer=load_optimizer("momentum"), precision=FP32, global_batch=128
    )
    cluster, stack = load_cluster("dgx-1-p100:1gpus"), load_stack("tensorflow-2017")
    step = simulate(workload, cluster, Strategy(micro_batch=128), stack=stack).report.step_time
    convolutions = network_convolutions(network)
    unlimited, limited = (planned(convolutions, 128, limit) for limit in (4096, 64))
    others = step - unlimited.undivided_time
    gain = (others + limited.undivided_time) / (others + limited.time)
    assert gain == pytest.approx(1.21, rel=0.03)
    assert limited.undivided_time / limited.time > gain
