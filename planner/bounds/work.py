"""Work: what a step takes at least because its ranks compute so long, whatever is sent.

The bound of a program whose only streams are those that compute: before a stage's first pass a microbatch has
come to it, then its rank has all passes of this stage and of its later ones before it, and the last gradient
goes back to the first stage. All of it is linear in the seconds of the kinds of stage, so a shape's cuts are
numbers of kinds, one matrix for all lanes. Of stages few can be the latest: where neighbours have as much
before them on their ranks, the last; where numbers change evenly over stages of a rank, those at the ends.

Where a network is not cut evenly no cut is looked at. If all of m microbatches are done with stage s by C, it
takes t_s <= (C - B_s) / m, where B_s = t_1 + ... + t_(s-1) comes before it. So what p stages of together T
leave of C is at least C (1 - 1/m)^p: whatever the cut, C >= T / (1 - (1 - 1/m)^p).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from planner.bounds.chains import kind_seconds
from planner.bounds.orders import Placement, placement
from planner.space.candidates import Integers, Space, distinct
from planner.space.prices import Floats, Prices
from planner.space.shapes import Blocks, Kinds, Lanes, enumerate_lanes
from simdl.kernels.pricing import Pricing
from simdl.pipelines.outline import Outline, outline
from simdl.pipelines.passes import PassKind
from simdl.step.cuts.cut_set import even_cut
from simdl.step.cuts.stage_cut import Cut


class _Seconds:
    """[rows x kinds] seconds of passes: that send on, that send on or back, and that complete behind."""

    def __init__(self, kinds: Iterable[Blocks], prices: Prices, pricing: Pricing) -> None:
        self._numbers = {blocks: place for place, blocks in enumerate(dict.fromkeys(kinds))}
        self._prices, self._pricing = prices, pricing
        self._known: dict[tuple[tuple[PassKind, ...], bool], tuple[Floats, Floats, Floats]] = {}

    def numbers(self, kinds: Sequence[Blocks]) -> Integers:
        """The columns of some kinds."""
        return np.array([self._numbers[blocks] for blocks in kinds])

    def of(self, found: Outline) -> tuple[Floats, Floats, Floats]:
        """Those of the passes of an outline."""
        key = found.kinds, found.overlaps
        if key not in self._known:
            rows = np.arange(len(self._prices.tp))
            blocks = self._prices.parameters.shape[1]
            every = Kinds(blocks=blocks, rows=rows, kinds=tuple(self._numbers))
            forward, back, rest = kind_seconds(every, found, self._prices, self._pricing)
            self._known[key] = forward, forward + back, rest
        return self._known[key]


def work_times(space: Space, prices: Prices, pricing: Pricing, *, cut: Cut = ()) -> Floats:
    """[candidates] seconds that ranks compute at least, with whichever cut or with the one that is given."""
    network, stages = pricing.network, space.pp * space.virtual_stages
    even = {count: cut or even_cut(network, count) for count in np.unique(stages).tolist()}
    is_even = np.isin(stages, [count for count, found in even.items() if found])
    members, apart = np.flatnonzero(is_even), np.flatnonzero(~is_even)
    own = replace(prices, row=prices.row[members])
    pipelines = [*enumerate_lanes(space.only(members), own, pricing, cuts=lambda _, p, v: (even[p * v],))]
    whole = tuple(network.places)
    seconds = _Seconds(chain((whole,), *(one.kinds for one in pipelines)), prices, pricing)
    times = np.empty(len(space))
    for lanes in pipelines:
        ends = _ends(lanes, outline(lanes.schedule, lanes.ranks, lanes.virtual_stages), seconds)
        times[members[lanes.candidates]] = ends.ravel()[lanes.with_cuts(lanes.lane)]
    first, orders = distinct((space.schedule[apart], space.virtual_stages[apart]))
    for number, one in enumerate(apart[first].tolist()):
        alike = apart[orders == number]
        strategy = space.strategy(one)
        found = outline(strategy.schedule, strategy.pp, strategy.virtual_stages)
        column = int(seconds.numbers([whole])[0])
        each = [part[prices.row[alike], column] for part in seconds.of(found)]
        times[alike] = _undivided(found, space.only(alike), each)
    return times


def _undivided(found: Outline, space: Space, seconds: Sequence[Floats]) -> Floats:
    """[candidates] the same, given the seconds of all blocks together: of no cut, so of none more."""
    _, passes, rest = seconds
    each, stages = space.microbatches, space.pp * space.virtual_stages
    busy: Floats = each / space.pp * (passes + rest)
    drains = found.pipeline.synchronised and found.pipeline.copies == 1
    return np.maximum(busy, passes / (1 - (1 - 1 / each) ** stages)) if drains else busy


def _ends(lanes: Lanes, found: Outline, seconds: _Seconds) -> Floats:
    """[lanes x cuts] seconds that ranks of a pipeline compute at least."""
    place, pipeline = placement(lanes.schedule, lanes.ranks, lanes.virtual_stages), found.pipeline
    each = (lanes.microbatches / pipeline.copies)[:, None]
    kind, own = _kinds_of_cuts(lanes.kind)
    stages = np.eye(own.shape[1])[kind]
    before = np.cumsum(stages, axis=1) - stages
    wanted = lanes.rows[:, None, None], seconds.numbers(lanes.kinds)[own]
    forward, passes, rest = seconds.of(found)
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
