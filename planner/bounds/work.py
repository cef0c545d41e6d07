"""Work: what a step takes at least because its ranks compute so long, whatever is sent.

The bound of a program whose only streams are those that compute: before a stage's first pass a microbatch has
come to it, then its rank has all passes of this stage and of its later ones before it, and the last gradient
goes back to the first stage. All of it is linear in the seconds of the kinds of stage, so a shape's cuts are
numbers of kinds, one matrix for all lanes. Of stages few can be the latest: where neighbours have as much
before them on their ranks, the last; where numbers change evenly over stages of a rank, those at the ends.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from planner.bounds.chains import kind_seconds
from planner.bounds.orders import Placement, placement
from planner.space.candidates import Integers
from planner.space.prices import Floats, Prices
from planner.space.shapes import Kinds, Lanes
from simdl.kernels.pricing import Pricing
from simdl.pipelines.outline import Outline, outline
from simdl.pipelines.passes import PassKind


def work_times(pipelines: Sequence[Lanes], prices: Prices, pricing: Pricing) -> Floats:
    """[candidates] seconds that ranks compute at least, with whichever cut, of all pipelines of a space."""
    kinds = dict.fromkeys(chain.from_iterable(one.kinds for one in pipelines))
    numbers = {blocks: place for place, blocks in enumerate(kinds)}
    every = Kinds(blocks=prices.parameters.shape[1], rows=np.arange(len(prices.tp)), kinds=tuple(numbers))
    known: dict[tuple[tuple[PassKind, ...], bool], tuple[Floats, Floats, Floats]] = {}
    times = np.empty(len(prices.row))
    for lanes in pipelines:
        found = outline(lanes.schedule, lanes.ranks, lanes.virtual_stages)
        key = found.kinds, found.overlaps
        if key not in known:
            forward, back, rest = kind_seconds(every, found, prices, pricing)
            known[key] = forward, forward + back, rest
        ends = _ends(lanes, found, np.array([numbers[blocks] for blocks in lanes.kinds]), known[key])
        of_cuts = ends.ravel()[lanes.with_cuts(lanes.lane)].reshape(-1, lanes.choices)
        times[lanes.candidates] = of_cuts.min(axis=1)
    return times


def _ends(lanes: Lanes, found: Outline, number: Integers, seconds: tuple[Floats, Floats, Floats]) -> Floats:
    """[lanes x cuts] seconds that ranks compute at least.

    Args:
        lanes: the pipeline.
        found: its outline.
        number: of each of its kinds among all.
        seconds: [rows x all kinds] of passes: that send on, that send on or back, and that complete behind.
    """
    place, pipeline = placement(lanes.schedule, lanes.ranks, lanes.virtual_stages), found.pipeline
    each = (lanes.microbatches / pipeline.copies)[:, None]
    kind, own = _kinds_of_cuts(lanes.kind)
    stages = np.eye(own.shape[1])[kind]
    before = np.cumsum(stages, axis=1) - stages
    wanted = lanes.rows[:, None, None], number[own]
    forward, passes, rest = seconds
    drains = pipeline.synchronised and pipeline.copies == 1
    if drains and not found.splits:
        return _through(place, stages, before, each, passes[wanted])
    way = forward[wanted] if pipeline.synchronised else np.zeros_like(forward[wanted])
    busy = _busy(place, stages, before, each, (way, (passes + rest)[wanted]))
    return np.maximum(_through(place, stages, before, each, passes[wanted]), busy) if drains else busy


def _kinds_of_cuts(kind: Integers) -> tuple[Integers, Integers]:
    """[cuts x stages] kinds numbered by cut, and which they are: [cuts x most kinds of a cut]."""
    if len(kind) == 1:
        return kind, np.arange(kind.max() + 1)[None]
    rows, order = np.arange(len(kind))[:, None], np.argsort(kind, axis=1, kind="stable")
    ascending = kind[rows, order]
    number = np.zeros_like(kind)
    np.cumsum(ascending[:, 1:] != ascending[:, :-1], axis=1, out=number[:, 1:])
    own = np.zeros((len(kind), int(number.max()) + 1), dtype=np.int64)
    own[rows, number] = ascending
    found = np.empty_like(kind)
    found[rows, order] = number
    return found, own


def _through(place: Placement, stages: Floats, before: Floats, each: Floats, passes: Floats) -> Floats:
    """[lanes x cuts] the way to a stage, the work of its rank from there on, and the way back.

    Args:
        place: of the stages.
        stages: [cuts x stages x kinds] of what kind every stage is, kinds numbered by cut.
        before: [cuts x stages x kinds] how many of each stand before it.
        each: [lanes x 1] microbatches.
        passes: [lanes x cuts x kinds] seconds of a microbatch's passes that send something on or back.
    """
    owned = place.owned
    own = stages[:, owned]
    left = np.empty_like(stages)
    left[:, owned] = np.cumsum(own[:, :, ::-1], axis=2)[:, :, ::-1]
    latest = np.ones(left.shape[:2], dtype=np.bool_)
    latest[:, :-1] = (left[:, 1:] != left[:, :-1]).any(axis=2)
    steps = np.diff(before[:, owned], axis=2)
    turns = (steps[:, :, 1:] != steps[:, :, :-1]) | (own[:, :, 1:-1] != own[:, :, :-2])
    latest[:, owned[:, 1:-1]] &= turns.any(axis=3)
    cut = latest.nonzero()[0]
    ends = _sums(passes, before[latest], cut) + each * _sums(passes, left[latest], cut)
    found: Floats = np.maximum.reduceat(ends, np.searchsorted(cut, np.arange(len(stages))), axis=1)
    return found


def _busy(
    place: Placement, stages: Floats, before: Floats, each: Floats, seconds: tuple[Floats, Floats]
) -> Floats:
    """[lanes x cuts] the way to a rank's first stage and all its work.

    ``seconds`` are [lanes x cuts x kinds] of a pass on that way, and of all passes; the rest is as above.
    """
    own = stages[:, place.owned].sum(axis=2)
    cuts, ranks, kinds = own.shape
    cut = np.repeat(np.arange(cuts), ranks)
    ways = [_sums(seconds[0], before[:, first].reshape(-1, kinds), cut) for first in place.first]
    ends = np.min(ways, axis=0) + each * _sums(seconds[1], own.reshape(-1, kinds), cut)
    found: Floats = ends.reshape(len(each), cuts, ranks).max(axis=2)
    return found


def _sums(seconds: Floats, counts: Floats, cut: Integers) -> Floats:
    """[lanes x n] sums of [lanes x cuts x kinds] seconds by [n x kinds] counts, of [n] cuts."""
    found: Floats = np.einsum("lnk,nk->ln", seconds[:, cut], counts)
    return found
