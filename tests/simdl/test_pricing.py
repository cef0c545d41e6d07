"""What a software stack and long training do to the time of kernels."""

import pytest
from builders import build_network, build_stack, build_workload

from hardware.cluster import Cluster
from hardware.profiles import load_node
from simdl.kernels.cost_model import ConstantCostModel
from simdl.kernels.kernel import Kernel, Product
from simdl.kernels.pricing import priced
from simdl.step.simulate import price
from workloads.operators import OperatorKind

SECONDS = 1e-3


def seconds(kind, *, node="dgx-1-v100", dtype="fp16", nbytes=0.0, **stack):
    shape = Product(64, 64, 64, 1) if kind is OperatorKind.MATMUL else None
    pricing = price(
        build_workload(build_network()),
        Cluster(node=load_node(node), count=1),
        stack=build_stack(**stack),
        cost_model=ConstantCostModel(SECONDS),
    )
    return priced(pricing, [Kernel("kernel", kind, 0.0, nbytes, dtype, shape)]).device


@pytest.mark.parametrize(
    ("speed", "kind"),
    [
        ("streaming_speed", OperatorKind.ELEMENTWISE),
        ("streaming_speed", OperatorKind.NORMALIZATION),
        ("convolution_speed", OperatorKind.CONVOLUTION),
    ],
)
def test_half_the_speed_takes_twice_the_time(speed, kind):
    assert seconds(kind, **{speed: 0.5}) == pytest.approx(2 * seconds(kind, **{speed: 1.0}))


@pytest.mark.parametrize("speed", ["streaming_speed", "convolution_speed"])
def test_products_do_not_wait_for_other_kernels(speed):
    assert seconds(OperatorKind.MATMUL, **{speed: 0.5}) == seconds(OperatorKind.MATMUL, **{speed: 1.0})


def test_only_arithmetic_of_matrix_units_takes_longer_at_a_lower_clock():
    device = load_node("dgx-1-v100").device
    assert device.sustained < 1
    assert seconds(OperatorKind.MATMUL) == pytest.approx(SECONDS / device.sustained, rel=0.01)
    streamed = SECONDS * device.memory_bandwidth * device.memory.fraction  # bytes that take as long
    assert seconds(OperatorKind.MATMUL, nbytes=2 * streamed) == pytest.approx(SECONDS)
    half = seconds(OperatorKind.MATMUL, nbytes=streamed / 2)
    assert SECONDS < half < SECONDS / device.sustained
    assert seconds(OperatorKind.MATMUL, dtype="fp32") == pytest.approx(SECONDS)
    assert seconds(OperatorKind.CONVOLUTION) == pytest.approx(SECONDS)
