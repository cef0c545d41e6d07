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


def seconds(kind, *, node="dgx-1-v100", dtype="fp16", flops=0.0, **stack):
    shape = Product(64, 64, 64, 1) if kind is OperatorKind.MATMUL else None
    pricing = price(
        build_workload(build_network()),
        Cluster(node=load_node(node), count=1),
        stack=build_stack(**stack),
        cost_model=ConstantCostModel(SECONDS),
    )
    return priced(pricing, [Kernel("kernel", kind, flops, 0.0, dtype, shape)]).device


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


def test_only_matrix_units_lower_the_clock_as_far_as_they_are_busy():
    device = load_node("dgx-1-v100").device
    assert device.sustained < 1
    most = SECONDS * device.flop_rate("fp16") * device.matmul.fraction["fp16"]
    whole, half, none = (seconds(OperatorKind.MATMUL, flops=share * most) for share in (1.0, 0.5, 0.0))
    assert whole == pytest.approx(SECONDS / device.sustained, rel=0.01)
    assert SECONDS == pytest.approx(none)
    assert none < half < whole
    assert seconds(OperatorKind.MATMUL, dtype="fp32") == pytest.approx(SECONDS)
    assert seconds(OperatorKind.CONVOLUTION) == pytest.approx(SECONDS)
