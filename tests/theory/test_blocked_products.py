"""Blocked products move the elements that their papers print, and give the product."""

from math import isqrt

import numpy as np
import pytest

from simdl.errors import SimdlError
from simdl.splits import SPLITS, Site
from simdl.splits.registry import divide_layer, enumerate_choices, format_choice, parse_choice
from workloads.layers.linear import linear
from workloads.tensors import Tensor

pytestmark = pytest.mark.theory

N = 96  # samples and features alike


def site(samples=N, inputs=N, outputs=N):
    layer = linear("fc", Tensor("input", (inputs,)), out_features=outputs, bias=False)
    return Site(layer=layer, shapes=((inputs,),), batch=samples)


def sent(messages):
    """Elements one rank sends to neighbours."""
    return sum(message.elements for message in messages if message.operation is None)


def received(messages):
    """Elements one rank receives in all-gathers and reduce-scatters."""
    return sum(m.elements * (m.group.size - 1) / m.group.size for m in messages if m.operation is not None)


@pytest.mark.parametrize("ranks", [4, 9, 16, 64])
def test_cannon_sends_2_n2_over_root_p_elements(ranks):
    """Every block of x and w is aligned once and shifted sqrt(p) - 1 times (Cannon 1969)."""
    side = isqrt(ranks)
    divided = SPLITS["cannon"].divide(site(), ranks, (side, side))
    for phase in (divided.forward, divided.input_gradient, divided.weight_gradient):
        assert sent((*phase.before, *phase.after)) == pytest.approx(2 * N**2 / ranks**0.5)
    assert divided.gathered == pytest.approx(2 * N**2 / ranks)


@pytest.mark.parametrize(("side", "copies"), [(2, 2), (4, 2), (4, 4), (6, 3)])
def test_two_and_a_half_dimensions_send_2_n2_over_root_cp_elements(side, copies):
    """Solomonik and Demmel 2011: shifts of 2 n^2 / sqrt(c p), and the sum over c layers."""
    ranks = side * side * copies
    divided = SPLITS["2.5d"].divide(site(), ranks, (side, side, copies))
    for phase in (divided.forward, divided.input_gradient, divided.weight_gradient):
        assert sent((*phase.before, *phase.after)) == pytest.approx(2 * N**2 / (copies * ranks) ** 0.5)
        (total,) = (message for message in phase.after if message.operation is not None)
        assert (total.group.size, total.elements) == (copies, pytest.approx(N**2 / side**2))
    assert divided.layer.parameters == N**2 / side**2


@pytest.mark.parametrize("side", [2, 3, 4])
def test_a_cube_receives_the_least_that_is_possible(side):
    """3 (m n k / p)^(2/3) without what is its own (Kwasniewski et al. 2019, with memory unlimited)."""
    ranks = side**3
    divided = SPLITS["cosma"].divide(site(), ranks, (side, side, side))
    least = 3 * (N**3 / ranks) ** (2 / 3)
    forward = divided.forward.before + divided.forward.after
    assert received(forward) == pytest.approx(least * (1 - 1 / side))
    assert divided.layer.parameters == -(-(N**2) // ranks)


def test_the_grid_with_the_least_volume_follows_the_extents():
    """A layer with few samples keeps its weights in place: its longest extents are divided most."""
    place = site(samples=8, inputs=512, outputs=4096)
    volumes = {
        choice.grid: received(divided.forward.before + divided.forward.after)
        for choice, divided in enumerate_choices(place, 64, (64,))
        if choice.split == "cosma"
    }
    rows, columns, depth = min(volumes, key=volumes.get)
    assert rows <= depth <= columns
    assert min(volumes.values()) < received(SPLITS["summa"].divide(place, 64, (8, 8)).forward.before)


def test_cannons_blocks_meet_where_they_should():
    """The product of a run with exactly the shifts that are priced."""
    side = 4
    numbers = np.random.default_rng(0)
    x, w = numbers.random((8, 12)), numbers.random((12, 16))
    x_blocks = [np.hsplit(part, side) for part in np.vsplit(x, side)]
    w_blocks = [np.hsplit(part, side) for part in np.vsplit(w, side)]
    own_x = [[x_blocks[i][(i + j) % side] for j in range(side)] for i in range(side)]  # aligned
    own_w = [[w_blocks[(i + j) % side][j] for j in range(side)] for i in range(side)]
    sums = [[own_x[i][j] @ own_w[i][j] for j in range(side)] for i in range(side)]
    shifts = 1
    for _ in range(side - 1):
        own_x = [[own_x[i][(j + 1) % side] for j in range(side)] for i in range(side)]
        own_w = [[own_w[(i + 1) % side][j] for j in range(side)] for i in range(side)]
        sums = [[sums[i][j] + own_x[i][j] @ own_w[i][j] for j in range(side)] for i in range(side)]
        shifts += 1
    np.testing.assert_allclose(np.block(sums), x @ w)
    before = SPLITS["cannon"].divide(site(), side * side, (side, side)).forward.before
    assert len(before) == 2 * shifts


@pytest.mark.parametrize("text", ["cannon 4x4", "2.5d 2x2x2", "cosma 2x4x2"])
def test_a_choice_is_read_as_it_is_written(text):
    assert format_choice(parse_choice(text)) == text
    assert divide_layer(site(), parse_choice(text), 16).source.ranks == 16


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cannon 4x2", "expected two equal degrees above 1"),
        ("2.5d 2x2x4", "expected two equal degrees and copies that divide them, such as 4x4x2"),
        ("2.5d 4", "expected two equal degrees and copies"),
        ("cosma 16x1x1", "expected three degrees above 1"),
        ("cosma 4x4x4", "with 16 ranks; expected degrees above 1 that divide them"),
        ("summa 2x2x2", "expected degrees such as 'summa 4' or 'summa 2x2'"),
    ],
)
def test_degrees_that_do_not_fit_are_refused(text, message):
    with pytest.raises(SimdlError, match=message):
        divide_layer(site(), parse_choice(text), 16)


def test_the_planner_offers_all_of_them():
    found = {choice.split for choice, _ in enumerate_choices(site(), 64, (1, 8, 16, 64))}
    assert {"column", "row", "summa", "cannon", "2.5d", "cosma"} <= found
