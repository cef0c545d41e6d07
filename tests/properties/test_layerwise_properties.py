"""Rules of per-layer plans on drawn problems, small enough to try every choice."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import InfeasibleError
from planner.per_layer.problem import Item, LayerProblem, Option, Tensor, estimate_step, needed_bytes
from planner.per_layer.program import first_answers, solve_layer_problem
from simdl.splits import SPLITS, Layout, Site, enumerate_choices
from simdl.splits.resharding import reshard_message
from workloads.layers.images.convolution import convolution
from workloads.tensors import Tensor as Input

pytestmark = pytest.mark.property

LAYOUTS = 3
GIB = 2.0**30
SECONDS = st.integers(0, 40).map(lambda ticks: ticks / 8)


@st.composite
def options(draw):
    return Option(
        source=draw(st.integers(0, LAYOUTS - 1)),
        output=draw(st.integers(0, LAYOUTS - 1)),
        forward=draw(SECONDS),
        backward=draw(SECONDS),
        reduce=draw(SECONDS),
        extra=draw(SECONDS) / 8,
        host=(draw(SECONDS), draw(SECONDS)),
        nbytes=draw(st.integers(0, 4)) * GIB,
        transient=draw(st.integers(0, 4)) * GIB,
    )


@st.composite
def matrices(draw):
    cells = {(a, b): 0.0 if a == b else draw(SECONDS) for a in range(LAYOUTS) for b in range(LAYOUTS)}
    return tuple(tuple(cells[a, b] for b in range(LAYOUTS)) for a in range(LAYOUTS))


@st.composite
def problems(draw):
    """Blocks of up to two items, some repeated, each item reading one or two earlier ones."""
    items, tensors = [], []
    for block in range(draw(st.integers(1, 3))):
        count = draw(st.integers(1, 3))
        first = len(items)
        for _ in range(draw(st.integers(1, 2))):
            own = tuple(draw(st.lists(options(), min_size=1, max_size=3)))
            items.append(Item(name=f"item {len(items)}", block=block, count=count, options=own))
            index = len(items) - 1
            for source in draw(st.sets(st.integers(0, index - 1), max_size=2)) if index else ():
                times = count if source >= first else 1
                tensors.append(_tensor(draw, source, index, times))
        if count > 1:
            tensors.append(_tensor(draw, len(items) - 1, first, count - 1))
    return LayerProblem(
        name="drawn",
        items=tuple(items),
        tensors=tuple(tensors),
        room=draw(st.integers(2, 40)) * GIB,
        overlap=draw(st.booleans()),
    )


def _tensor(draw, source, target, count):
    return Tensor(
        source=source,
        target=target,
        count=count,
        forward=draw(matrices()),
        backward=draw(matrices()),
        late=draw(st.booleans()),
    )


def fitting(problem):
    choices = product(*(range(len(item.options)) for item in problem.items))
    return [choice for choice in choices if needed_bytes(problem, choice) <= problem.room]


@settings(max_examples=60, deadline=None)
@given(problems())
def test_the_program_finds_the_least_of_all_choices_that_fit(problem):
    choices = fitting(problem)
    if not choices:
        with pytest.raises(InfeasibleError, match="memory of a device"):
            solve_layer_problem(problem)
        return
    solution = solve_layer_problem(problem)
    assert solution.choice in choices
    least = min(estimate_step(problem, choice) for choice in choices)
    assert solution.step == pytest.approx(least, rel=1e-5, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_more_room_is_never_slower(problem):
    if fitting(problem):
        roomy = solve_layer_problem(replace(problem, room=problem.room * 2)).step
        assert roomy <= solve_layer_problem(problem).step * (1 + 1e-5) + 1e-6


@settings(max_examples=40, deadline=None)
@given(problems())
def test_first_answers_fit_and_are_beaten(problem):
    known = first_answers(problem)
    if known:
        best = solve_layer_problem(problem).step
        assert all(estimate_step(problem, choice) >= best - 1e-6 for choice in known)
        assert all(needed_bytes(problem, choice) <= problem.room for choice in known)


@st.composite
def layouts(draw, ranks=16):
    inner = draw(st.sampled_from([1, 2, 4, 8, 16]))
    kind = draw(st.sampled_from(["channel", "height", "width", "copies"]))
    return Layout(ranks // inner, **{kind: inner})


@given(layouts(), layouts())
def test_nothing_is_sent_where_nothing_is_missing_and_never_more_than_is_needed(source, target):
    message = reshard_message(source, target, 1600.0)
    if source == target or source.copies >= target.inner:
        assert message is None
    else:
        assert message is not None
        assert message.elements <= 1600.0 * max(source.inner, target.inner) / 16
        assert message.group.size * message.group.stride <= 16


@given(
    batch=st.sampled_from([4, 8, 16, 64]),
    channels=st.sampled_from([3, 16, 64]),
    size=st.sampled_from([7, 14, 56]),
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.sampled_from([1, 2]),
)
def test_every_choice_gives_every_rank_a_part(batch, channels, size, kernel, stride):
    layer = convolution(
        "conv",
        Input("input", (channels, size, size)),
        out_channels=32,
        kernel=kernel,
        stride=stride,
        padding=2,
    )
    site = Site(layer=layer, shapes=((channels, size, size),), batch=batch)
    found = list(enumerate_choices(site, 16, (1, 2, 4, 8, 16)))
    assert found
    for choice, divided in found:
        assert divided.source.ranks == divided.output.ranks == 16
        assert divided.source.sample * divided.samples >= batch
        assert 0 <= divided.forward.interior <= 1
        assert all(message.elements > 0 for message in (*divided.forward.before, *divided.forward.after))
        assert choice.split in SPLITS
