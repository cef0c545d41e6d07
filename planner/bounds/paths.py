"""Longest paths through the orders of a shape's candidates, all durations at once.

What :mod:`planner.bounds.chains` sums up of a rank's passes and of round trips says little where gradients of
inputs and weights run apart, where passes run interleaved, where stages are held twice, and where ranks go
from step to step without waiting. There the order itself is walked (:mod:`simdl.pipelines.skeleton`), from
the beginning of the step or, where ranks do not begin together, from a rank's own beginning to its own end.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np

from planner.bounds.orders import ShapeOrder
from planner.space.candidates import Integers
from planner.space.prices import Floats
from planner.space.shapes import Shape
from simdl.kernels.pricing import Pricing
from simdl.pipelines.skeleton import Key, Skeleton, skeleton

AT_ONCE = 4_000_000
"""Times of nodes that are held together, about."""


class Entries(Protocol):
    """What entries of a shape's orders take."""

    def columns(self, entries: Sequence[Key], members: Integers) -> Floats:
        """[entries and stages of all copies x members] seconds of entries and of transfers after stages."""


def path_ends(shape: Shape, order: ShapeOrder, seconds: Entries, pricing: Pricing) -> Floats | None:
    """[lanes and cuts x ranks] end of every rank's last pass, at least; None where chains say as much."""
    if order.outline.plain or order.updates_often:  # what never drains has no first and last pass of a step
        return None
    blocking = not pricing.stack.pipeline_overlap
    strategy = shape.strategy
    found = np.zeros((len(shape.rows) * shape.cuts, shape.ranks))
    for count in sorted({*shape.microbatches.tolist()}):
        sizes = strategy.schedule, strategy.pp, count, strategy.virtual_stages
        nodes = skeleton(*sizes, blocking=blocking)
        if nodes is not None:
            members = shape.all_cuts(np.flatnonzero(shape.microbatches == count))
            found[members] = _ends(nodes, seconds.columns(nodes.entries, members), _begins(shape, order))
    return found


def _begins(shape: Shape, order: ShapeOrder) -> list[Floats]:
    """[ranks] seconds at which ranks begin: all together, or one and the others never before it."""
    ranks, place = np.arange(shape.ranks), order.placement.place
    if order.synchronised:
        return [np.zeros(shape.ranks)]
    origins = dict.fromkeys((int(place[0]), int(place[shape.kind.shape[1] - 1])))
    return [np.where(ranks == origin, 0.0, -np.inf) for origin in origins]


def _ends(nodes: Skeleton, durations: Floats, begins: list[Floats]) -> Floats:
    """[n x ranks] ends of last passes, given [entries and stages x n] seconds."""
    found = np.zeros((durations.shape[1], nodes.ranks))
    step = max(1, AT_ONCE // len(nodes.column))
    for begin in begins:
        wanted = np.flatnonzero(begin > -np.inf)
        for first in range(0, len(found), step):
            part = slice(first, first + step)
            ends = walk_nodes(nodes, durations[:, part], begin)
            found[part, wanted] = ends[nodes.last[wanted]].T
    return found


def walk_nodes(nodes: Skeleton, durations: Floats, begin: Floats) -> Floats:
    """[nodes x n] ends of all nodes, level by level.

    Args:
        nodes: of an order.
        durations: [entries and stages x n] seconds of their columns.
        begin: [ranks] when ranks begin; -inf where paths do not begin there.
    """
    columns = np.concatenate([durations, nodes.inserted * (nodes.round @ durations)])
    ends = np.empty((len(nodes.column), columns.shape[1]))
    ends[: nodes.ranks] = begin[:, None]
    one, other, third = nodes.waits
    for first, stop in pairwise(nodes.levels):
        here = slice(first, stop)
        latest = np.maximum(ends[one[here]], ends[other[here]])
        np.maximum(latest, ends[third[here]], out=latest)
        np.add(latest, columns[nodes.column[here]], out=ends[here])
    return ends
