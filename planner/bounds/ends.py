"""Ends: when the ranks of a shape's candidates are done at the earliest, and how long a step takes at least.

Of every rank the way of a microbatch to its first pass, its passes, and the way of its last gradient back;
then what is certainly exposed behind them (:mod:`planner.bounds.exposure`).
"""

import numpy as np

from planner.bounds.chains import Chain
from planner.bounds.exposure import Completions, Exposure
from planner.bounds.orders import RankClasses, stage_lags, taken
from planner.space.prices import Floats
from planner.space.shapes import Shape
from simdl.step.costs.cycles import cycle_ends


class Ends:
    """When ranks are done with their passes at the earliest; what does not hang on how a variant shards."""

    def __init__(self, shape: Shape, classes: RankClasses, chain: Chain, paths: Floats | None) -> None:
        ranks, order = shape.ranks, chain.order
        each = np.repeat(shape.microbatches, shape.cuts)[:, None] / order.copies
        sent = chain.forward + chain.back + chain.outbound
        self._order, self._chain, self._lane = order, chain, shape.with_cuts(shape.lane)
        self._classes = classes
        self._place, self._lags, self._each = order.placement, stage_lags(shape), each
        self._flight = order.in_flight()
        heads = self._shortest(chain.head)
        self._head = heads if order.synchronised else np.zeros_like(heads)
        self._back = np.maximum(self._worked(each, sent), self._round_trips(each))
        self._busy = self._head + each * chain.by_rank(sent + chain.rest, ranks)
        self._before_last = self._busy - self._shortest(chain.last)
        message = self._shortest(chain.returned) if chain.blocking and not order.splits else 0.0
        self._passed = self._busy - message  # the last gradient goes back beside the last reduction
        self._sent, self._paths = self._transfers(each), paths

    def _shortest(self, values: Floats) -> Floats:
        """[lanes and cuts x ranks] least of the first stages of every rank, one of each copy."""
        if self._order.copies == 1:
            return self._place.firsts(values)
        found: Floats = np.min([values[:, stages] for stages in self._place.first], axis=0)
        return found

    def _worked(self, each: Floats, sent: Floats) -> Floats:
        """[lanes and cuts x ranks] ends of passes by the work of a rank from the first pass of a stage on.

        What later stages of the rank do comes after that pass, and the last gradient is one of theirs.
        """
        chain, by_owner = self._chain, self._place.by_owner
        own = by_owner(sent)
        held = by_owner(chain.returned).max(axis=2) if chain.blocking else 0.0
        if not self._order.synchronised or self._order.copies > 1 or own.shape[2] == 1:
            found: Floats = self._head + each * chain.by_rank(sent, own.shape[1]) - held
            return found
        later = each[:, :, None] * np.cumsum(own[:, :, ::-1], axis=2)[:, :, ::-1]
        ends = by_owner(chain.head) + later + by_owner(chain.drain)
        found = ends.max(axis=2) - self._place.firsts(chain.drain)
        return found - held

    def _round_trips(self, each: Floats) -> Floats:
        """[lanes and cuts x ranks] ends of passes by round trips of a rank's first stage to the last one."""
        chain, firsts = self._chain, self._place.firsts
        if not self._order.synchronised or self._order.copies > 1:
            return np.zeros((len(chain.forward), len(self._place.owned)))
        flight = np.maximum(self._flight, 1)
        found: Floats = firsts(chain.head) + np.ceil(each / flight) * firsts(chain.beyond)
        for apart, members in self._lags:
            rows = (part[members] for part in (chain.forward, chain.back, chain.sent, chain.head, each[:, 0]))
            found[members] = np.maximum(found[members], firsts(cycle_ends(apart, *rows)))
        return found

    def _transfers(self, each: Floats) -> Floats:
        """[lanes and cuts] end of the first stage's passes if messages of a rank either way have one lane.

        Its first message comes when a microbatch is there, its last one has the rest of the way to go.
        """
        chain = self._chain
        if not self._order.synchronised or self._order.copies > 1 or chain.sent.shape[1] == 1:
            return np.zeros(len(each))
        back, rest, before = chain.back + chain.drain, chain.sent.copy(), np.zeros_like(chain.sent)
        before[:, 1:] = back[:, :-1]
        rest[:, :-1] += chain.beyond[:, 1:]
        found: Floats = np.maximum(
            self._in_turn(each, chain.head + chain.forward, chain.sent, rest + back),
            self._in_turn(each, chain.head + chain.beyond, chain.returned, before),
        )
        at_once = self._order.last_live() >= each[:, 0]
        if at_once.any() and not self._order.splits:
            found[at_once] = np.maximum(found[at_once], self._phases(each)[at_once])
        return found

    def _phases(self, each: Floats) -> Floats:
        """[lanes and cuts] the same where the last stage holds the activations of all microbatches at once.

        All forward passes of all stages are then over before the first gradient is made, and the rank that is
        slowest forward, or a boundary, may be another one than that which is slowest back.
        """
        chain = self._chain
        sent, returned = (one if chain.blocking else 0.0 for one in (chain.sent, chain.returned))
        after, before = (_after(one) for one in (chain.forward + chain.sent, chain.back + chain.returned))
        after += chain.sent
        forward = np.maximum(
            self._in_turn(each, chain.head, chain.forward + sent, after - sent),
            self._in_turn(each, chain.head + chain.forward, chain.sent, after - chain.sent),
        )
        back = np.maximum(
            self._in_turn(each, before, chain.back + returned, chain.drain - returned),
            self._in_turn(each, before + chain.back, chain.returned, chain.drain - chain.returned),
        )
        found: Floats = forward + back
        return found

    def _in_turn(self, each: Floats, begin: Floats, seconds: Floats, end: Floats) -> Floats:
        """[lanes and cuts] until what every rank does for all microbatches is over, and the way behind it.

        Args:
            each: [lanes and cuts x 1] microbatches.
            begin: [lanes and cuts x stages] seconds before it.
            seconds: [lanes and cuts x stages] that it takes.
            end: [lanes and cuts x stages] behind it.
        """
        begins, own, ends = map(self._place.by_owner, (begin, seconds, end))
        ranks = begins.min(axis=2) + each * own.sum(axis=2) + ends.min(axis=2)
        found: Floats = ranks.max(axis=1)
        return found

    def step_times(self, beside: Exposure) -> Floats:
        """[candidates and cuts] seconds that a step takes at least."""
        lane, largest = self._lane, self._classes.largest
        ends = np.maximum(
            largest(self._busy)[lane] + beside.after_passes, largest(self._before_last)[lane] + beside.lane
        )
        if self._order.synchronised and self._order.copies == 1:
            drain = self._place.firsts(self._chain.drain)
            last = self._drained(self._back, drain)
            ends = np.maximum(ends, largest(last)[lane] + beside.after_back)
            first, back = self._classes.which[self._place.place[0]], self._sent[lane]
            reduces = beside.lane is not beside.after_back and not self._order.splits
            held = self._place.firsts(self._chain.back)
            if reduces:  # in the lane, from the beginning of the pass whose gradient comes back last
                ends = np.maximum(ends, largest(last - held)[lane] + beside.lane)
            if beside.late is not None:  # all other passes of a rank come after its first one
                ends = np.maximum(ends, largest(taken(self._before_last, lane) + beside.late) + beside.lane)
                ends = np.maximum(ends, largest(taken(self._passed, lane) + beside.late) + beside.after_last)
                later, drain = taken(self._back, lane) + beside.late, taken(drain, lane)
                back = np.maximum(back, (later + drain).max(axis=1))
                if reduces:
                    last = self._drained(later, drain) - taken(held, lane)
                    ends = np.maximum(ends, largest(last) + beside.lane)
            ends[:, first] = np.maximum(ends[:, first], back + beside.after_back[:, first])
        if beside.completions is not None:
            self._complete(ends, beside.completions, beside.late)
        if self._paths is not None:
            ends = np.maximum(ends, largest(self._paths)[lane] + beside.after_last)
        found: Floats = np.maximum(ends.max(axis=1), beside.floor)
        return found

    def _complete(self, ends: Floats, beside: Completions, late: Floats | None) -> None:
        """Let ends be no less than by all reductions from each completion of a stage on.

        The gradient of every microbatch comes to the stages of a rank from the last one to the first, so when
        one is complete nothing is left of the rank but backward passes of those before it.

        Args:
            ends: [candidates and cuts x classes] seconds, which are changed.
            beside: what completing passes set off.
            late: [candidates and cuts x ranks] by which first passes end later.
        """
        chain, by_owner = self._chain, self._place.by_owner
        back = by_owner(chain.back + (chain.returned if chain.blocking else 0.0))
        lanes, each = self._lane, self._each[self._lane]
        begin = self._busy[lanes] + (0.0 if late is None else late)
        reductions, turns = by_owner(beside.reductions), by_owner(beside.turns)
        before = each[:, :, None] * (np.cumsum(back, axis=2) - back)[lanes]
        left = np.cumsum(reductions, axis=2)
        found = (turns - back[lanes] - before + left).max(axis=2) + begin
        np.maximum(ends, self._classes.largest(found) + beside.update, out=ends)

    def _drained(self, ends: Floats, drain: Floats) -> Floats:
        """[... x ranks] ends of each rank's last gradient given those of later stages and the ways back."""
        if self._place.in_turn:
            found: Floats = np.maximum.accumulate((ends + drain)[:, ::-1], axis=1)[:, ::-1]
            return found - drain
        order = np.argsort(self._place.first[0])
        found = np.empty_like(ends)
        found[:, order] = np.maximum.accumulate((ends + drain)[:, order][:, ::-1], axis=1)[:, ::-1]
        return found - drain


def _after(values: Floats) -> Floats:
    """Sums of all columns behind each."""
    found: Floats = np.cumsum(values[:, ::-1], axis=1)[:, ::-1] - values
    return found
