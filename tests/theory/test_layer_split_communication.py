"""Bytes and seconds of layer splits against the formulas of the papers that introduced them."""

import pytest
from builders import build_cluster, build_stack

from simdl.communication import Group, Operation, collective_time, point_to_point_time
from simdl.kernels.cost_model import ConstantCostModel
from simdl.kernels.pricing import Pricing
from simdl.splits import SPLITS, Layout, Site
from simdl.splits.message_times import messages_time, reshard_time
from simdl.step.costs.gradients import gradient_bytes, gradient_sum_time
from workloads.dtypes import load_precision
from workloads.layers.images.convolution import convolution
from workloads.layers.images.pooling import max_pool
from workloads.layers.linear import linear
from workloads.network import Block, Network
from workloads.tensors import Tensor

pytestmark = pytest.mark.theory

N, C, F, H, W, K = 32, 64, 128, 28, 28, 5
P, ACTIVATION = 8, 2
CLUSTER = build_cluster(nodes=2, devices=4)


def pricing():
    layer = convolution("conv", Tensor("input", (3, 8, 8)), out_channels=4, kernel=3)
    return Pricing(
        network=Network(name="any", blocks=(Block(name="b", layers=(layer,)),), source="", sample="image"),
        precision=load_precision("bf16"),
        cluster=CLUSTER,
        stack=build_stack(),
        cost_model=ConstantCostModel(),
    )


def conv_site():
    layer = convolution("conv", Tensor("input", (C, H, W)), out_channels=F, kernel=K, padding=2, bias=False)
    return Site(layer=layer, shapes=((C, H, W),), batch=N)


def linear_site():
    layer = linear("fc", Tensor("input", (512,)), out_features=256, bias=False)
    return Site(layer=layer, shapes=((512,),), batch=N)


def gathered(messages):
    """Elements one rank receives in all-gathers and reduce-scatters: (p - 1)/p of the buffer."""
    return sum(m.elements * (m.group.size - 1) / m.group.size for m in messages)


def test_halo_of_a_two_dimensional_split():
    """2 SR(O n c w) + 2 SR(O n c h) + 4 SR(O^2 n c), O = floor(K/2) (Dryden et al. 2019, IPDPS, V)."""
    divided = SPLITS["spatial"].divide(conv_site(), P, (2, 2))
    n, h, w, o = N / 2, H / 2, W / 2, K // 2

    def send(elements):
        return point_to_point_time(elements * ACTIVATION, 1, CLUSTER)

    expected = 2 * send(o * n * C * w) + 2 * send(o * n * C * h) + 4 * send(o * o * n * C)
    assert messages_time(divided.forward.before, pricing()) == pytest.approx(expected)


def test_halo_of_the_input_gradient_is_the_output_gradients():
    divided = SPLITS["spatial"].divide(conv_site(), P, (4, 1))
    rows = K // 2
    assert [m.elements for m in divided.input_gradient.before] == [rows * (N / 2) * F * W] * 2


def sent(messages):
    return sum(message.elements for message in messages)


def pool_site(kernel, stride, size, padding=0):
    source = Tensor("input", (C, size, size))
    layer = max_pool("pool", source, kernel=kernel, stride=stride, padding=padding)
    return Site(layer=layer, shapes=((C, size, size),), batch=N)


@pytest.mark.parametrize(("kernel", "stride", "size"), [(3, 2, 65), (5, 2, 67), (3, 3, 66), (4, 3, 67)])
def test_pooling_pushes_partial_results_where_that_sends_less(kernel, stride, size):
    """Of K - S straddling rows of w pixels, ceil((K - S)/S) rows of w/S partial results are sent instead."""
    site = pool_site(kernel, stride, size)
    outputs = site.layer.output_shape[-1]
    divided = SPLITS["spatial"].divide(site, P, (2, 1))
    pulled = (kernel - stride) * size * C * N / 4
    pushed = -(-(kernel - stride) // stride) * outputs * C * N / 4
    assert sent(divided.forward.before) == min(pulled, pushed)
    assert pushed < pulled or kernel == stride
    assert sent(divided.input_gradient.before) == pushed


def test_pooling_in_two_dimensions_pushes_corners_too():
    divided = SPLITS["spatial"].divide(pool_site(3, 2, 65), P, (2, 2))
    outputs = -(-32 // 2)
    assert sent(divided.forward.before) == (2 * outputs + 1) * C * N / 2


def test_pooling_at_stride_one_pulls_pixels():
    divided = SPLITS["spatial"].divide(pool_site(3, 1, 66, padding=1), P, (2, 1))
    assert sent(divided.forward.before) == 2 * 66 * C * N / 4


def test_stationary_x_moves_the_output():
    """Reduce-scatter of y, all-gather of dL/dy; x and dL/dx stay (Dryden et al. 2019, SC, section 3)."""
    divided = SPLITS["channel"].divide(conv_site(), P, (4, 1))
    output = N / 2 * F * H * W
    assert gathered(divided.forward.after) == pytest.approx(output * 3 / 4)
    assert gathered(divided.input_gradient.before) == pytest.approx(output * 3 / 4)
    assert divided.weight_gradient.before == divided.forward.before == ()


def test_stationary_y_moves_the_input():
    divided = SPLITS["filter"].divide(conv_site(), P, (4, 1))
    inputs = N / 2 * C * H * W
    for messages in (divided.forward.before, divided.input_gradient.after, divided.weight_gradient.before):
        assert gathered(messages) == pytest.approx(inputs * 3 / 4)
    assert divided.forward.after == ()


def test_stationary_w_moves_parts_of_both():
    divided = SPLITS["channel-filter"].divide(conv_site(), P, (2, 2))
    inputs, outputs = N / 2 * C * H * W / 2, N / 2 * F * H * W / 2
    assert gathered(divided.forward.before) == pytest.approx(inputs / 2)
    assert gathered(divided.forward.after) == pytest.approx(outputs / 2)
    assert divided.forward.after[0].group == Group(size=2, stride=2)
    assert divided.layer.parameters == C * F * K * K / 4


@pytest.mark.parametrize(
    ("name", "grid"), [("channel", (4, 1)), ("filter", (4, 1)), ("channel-filter", (2, 2))]
)
def test_weight_gradients_are_added_up_by_segments(name, grid):
    """Each quarter of the filters over the two sample groups that hold it, rather than all over all ranks."""
    divided = SPLITS[name].divide(conv_site(), P, grid)
    assert divided.replicas == Group(size=2, stride=4)
    nbytes = gradient_bytes(divided.layer.parameters, pricing())
    segment = gradient_sum_time(nbytes, divided.replicas, pricing())
    alone = collective_time(Operation.ALL_REDUCE, nbytes, Group(size=2, stride=4), CLUSTER).time
    assert segment == pytest.approx(alone / pricing().stack.reduction_speed)


def test_column_and_row_splits_pay_one_all_reduce_each():
    """f and g of Shoeybi et al. 2019: dL/dx of a column split, y of a row split."""
    column = SPLITS["column"].divide(linear_site(), P, (4, 1))
    row = SPLITS["row"].divide(linear_site(), P, (4, 1))
    (reduce_x,), (reduce_y,) = column.input_gradient.after, row.forward.after
    assert (reduce_x.operation, reduce_x.elements) == (Operation.ALL_REDUCE, N / 2 * 512)
    assert (reduce_y.operation, reduce_y.elements) == (Operation.ALL_REDUCE, N / 2 * 256)
    assert not column.forward.before + column.forward.after + row.input_gradient.before
    assert column.output == row.source == Layout(2, channel=4)


def test_summa_gathers_panels_of_x_along_rows_and_of_w_along_columns():
    """van de Geijn and Watts 1997: of its row of x a rank lacks (c-1)/c, of its column of w (r-1)/r."""
    divided = SPLITS["summa"].divide(linear_site(), P, (2, 4))
    x, w = divided.forward.before
    assert gathered([x]) == pytest.approx(N / 2 * 512 * 3 / 4)
    assert gathered([w]) == pytest.approx(512 * 256 / 4 / 2)
    assert (x.group, w.group) == (Group(size=4), Group(size=2, stride=4))
    assert divided.layer.parameters == 512 * 256 / 8


def test_model_parallel_layers_gather_the_batch():
    """Krizhevsky 2014, section 4, scheme (a): every worker gets the last activations of all workers."""
    elements = 256.0 * 6 * 6 * N
    found = reshard_time(Layout(P), Layout(1, copies=P), elements, pricing())
    assert found == collective_time(Operation.ALL_GATHER, elements * ACTIVATION, Group(size=P), CLUSTER).time
    assert reshard_time(Layout(1, copies=P), Layout(P), elements, pricing()) == 0
