"""What a per-layer step takes at least with an option, against all choices that have it."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.per_layer.problem import Item, LayerProblem, Option, Tensor, estimate_step
from planner.per_layer.pruning import option_bounds

LAYOUTS = range(2)
seconds = st.integers(0, 9).map(float)


@st.composite
def options(draw):
    """One way to carry out a node; the host may be slower than the device."""
    return Option(
        source=draw(st.sampled_from(LAYOUTS)),
        output=draw(st.sampled_from(LAYOUTS)),
        forward=draw(seconds),
        backward=draw(seconds),
        reduce=draw(seconds),
        extra=draw(seconds),
        host=(draw(seconds), draw(seconds)),
    )


@st.composite
def problems(draw):
    """A few nodes, each of which reads some before it."""
    count = draw(st.integers(1, 4))
    items = tuple(
        Item(
            name=f"node {n}",
            block=n,
            count=1,
            options=tuple(draw(st.lists(options(), min_size=1, max_size=3))),
        )
        for n in range(count)
    )
    matrices = st.tuples(*(st.tuples(*(seconds for _ in LAYOUTS)) for _ in LAYOUTS))
    tensors = tuple(
        Tensor(
            source=a,
            target=b,
            count=1,
            forward=draw(matrices),
            backward=draw(matrices),
            late=draw(st.booleans()),
        )
        for b in range(1, count)
        for a in draw(st.sets(st.integers(0, b - 1), max_size=2))
    )
    return LayerProblem(name="some", items=items, tensors=tensors, room=1.0, overlap=draw(st.booleans()))


@pytest.mark.property
@settings(deadline=None, max_examples=60)
@given(problems())
def test_no_choice_with_an_option_is_shorter_than_its_bound(problem):
    bounds = option_bounds(problem)
    for choice in product(*(range(len(item.options)) for item in problem.items)):
        step = estimate_step(problem, choice)
        assert all(
            bound[index] <= step * (1 + 1e-9) + 1e-9 for bound, index in zip(bounds, choice, strict=True)
        )
