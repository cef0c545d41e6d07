"""A pipeline as a chain of stages whose seconds are arrays over candidates.

The relaxation of the lowered program that a bound reads: passes of a stage are one number each, streams have
no order, and equal microbatches are folded. What remains is how long a rank's passes take together, and what
must come before its first and after its last one. Durations are those of the lowering, by the functions of
:mod:`simdl.step.costs.stage` and :mod:`simdl.step.costs.step_cost`; what a pass needs, sends and completes
is read off its kind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import pairwise

import numpy as np

from planner.bounds.orders import ShapeOrder
from planner.space.candidates import Integers
from planner.space.prices import Floats, Prices, transfer_seconds
from planner.space.shapes import Kinds, Shape
from simdl.communication import Hop
from simdl.kernels.pricing import Pricing
from simdl.pipelines.outline import Outline
from simdl.pipelines.passes import PassKind, Phase
from simdl.pipelines.skeleton import Key
from simdl.step.costs.stage import pass_seconds
from simdl.step.costs.step_cost import rank_hop


@dataclass(frozen=True, kw_only=True, eq=False)
class Chain:
    """Seconds of one microbatch on the stages of one copy; arrays are [lanes and cuts x stages].

    Attributes:
        forward: of the pass that makes the activation.
        back: of the pass that makes the gradient of the stage's input.
        rest: of the pass that completes the weights' gradient, where it is another one.
        sent: of the transfer to the next stage, or back (0 from the last).
        blocking: transfers hold the compute stream of the rank that sends.
        order: of the passes.
        hops: from each stage to the next; None where both are on one rank.
    """

    forward: Floats
    back: Floats
    rest: Floats
    sent: Floats
    blocking: bool
    order: ShapeOrder
    hops: tuple[Hop | None, ...]

    @cached_property
    def head(self) -> Floats:
        """Before the first pass of a stage: the way of a microbatch to it."""
        return _exclusive(self.forward + self.sent)

    @cached_property
    def drain(self) -> Floats:
        """After the last pass of a stage that sends a gradient back: its way to the first stage."""
        found: Floats = np.cumsum(self.back + self.returned, axis=1) - self.back
        return found

    @cached_property
    def returned(self) -> Floats:
        """Of the transfer of the gradient to the stage before (0 from the first)."""
        found = np.zeros_like(self.sent)
        found[:, 1:] = self.sent[:, :-1]
        return found

    @cached_property
    def last(self) -> Floats:
        """The pass that completes the gradients, with its transfer where that holds the compute stream."""
        if self.order.splits:
            return self.rest
        return self.back + (self.returned if self.blocking else 0.0)

    @cached_property
    def outbound(self) -> Floats:
        """Transfers that hold the compute stream of the stage, forward and back."""
        return self.sent + self.returned if self.blocking else np.zeros_like(self.sent)

    @cached_property
    def beyond(self) -> Floats:
        """From the first pass of a stage to the last one of its microbatch: to the last stage and back."""
        way = self.forward + self.back + 2 * self.sent
        found: Floats = np.cumsum(way[:, ::-1], axis=1)[:, ::-1]
        return found

    def by_rank(self, seconds: Floats, ranks: int) -> Floats:
        """[lanes and cuts x ranks] sums over the stages of each rank, of all copies."""
        return self.order.by_rank(seconds, ranks)


def _exclusive(values: Floats) -> Floats:
    """Sums of all columns before each."""
    found: Floats = np.cumsum(values, axis=1) - values
    return found


def build_chain(shape: Shape, order: ShapeOrder, prices: Prices, pricing: Pricing) -> Chain:
    """The chain of a shape's candidates."""
    hops = stage_hops(shape, order, pricing)
    forward, back, rest = kind_seconds(shape, order.outline, prices, pricing)
    return Chain(
        forward=shape.spread(forward),
        back=shape.spread(back),
        rest=shape.spread(rest),
        sent=_transfers(shape, hops, prices, pricing),
        hops=hops,
        blocking=not pricing.stack.pipeline_overlap,
        order=order,
    )


def kind_seconds(
    stages: Kinds, found: Outline, prices: Prices, pricing: Pricing
) -> tuple[Floats, Floats, Floats]:
    """[lanes x kinds] seconds of passes: that sends on, that sends back, and that completes behind it."""
    seconds: dict[PassKind, Floats] = {}
    for kind in found.kinds:
        if found.overlaps:  # passes that run interleaved hide each other's collectives
            alone = pricing.stack.microbatch_overhead if kind.acquires else 0.0
            each = _phase_sums(stages, kind.phases, prices, "device") + alone
        else:
            each = _pass_seconds(stages, kind.phases, prices, pricing)
        seconds[kind] = each * stages.present
    return (
        _least(seconds, lambda kind: kind.sends_forward),
        _least(seconds, lambda kind: kind.sends_back),
        _rest(seconds),
    )


def _pass_seconds(stages: Kinds, phases: Phase, prices: Prices, pricing: Pricing) -> Floats:
    """[lanes x kinds] of a pass with these phases."""
    busy, host = (_phase_sums(stages, phases, prices, name) for name in ("busy", "host"))
    found: Floats = pass_seconds(busy, host, pricing.stack)
    return found


def _phase_sums(stages: Kinds, phases: Phase, prices: Prices, name: str) -> Floats:
    """[lanes x kinds] sums of a price over the blocks of a stage."""
    blocks = reduce(np.add, [getattr(prices.phases[phase], name)[stages.rows] for phase in phases])
    found: Floats = blocks @ stages.counts
    return found


def _least(seconds: dict[PassKind, Floats], wanted: Callable[[PassKind], bool]) -> Floats:
    """Of the kinds that do what is wanted, the shortest."""
    found: Floats = np.minimum.reduce([each for kind, each in seconds.items() if wanted(kind)])
    return found


def _rest(seconds: dict[PassKind, Floats]) -> Floats:
    """What completes the gradients after the pass that sends one back; 0 where that pass may do both."""
    if any(kind.completes and kind.sends_back for kind in seconds):
        return np.zeros_like(next(iter(seconds.values())))
    return _least(seconds, lambda kind: kind.completes)


class EntrySeconds:
    """What entries of a shape's orders take, each found once."""

    def __init__(self, shape: Shape, order: ShapeOrder, prices: Prices, pricing: Pricing) -> None:
        self._shape, self._order, self._prices, self._pricing = shape, order, prices, pricing
        self._sums: dict[tuple[Phase, str], Floats] = {}
        self._known: dict[Key, Floats] = {}

    @cached_property
    def _sent(self) -> Floats:
        """[stages of all copies x lanes and cuts] seconds of transfers after them."""
        shape, order = self._shape, self._order
        sent = [
            _transfers(shape, stage_hops(shape, order, self._pricing, copy=copy), self._prices, self._pricing)
            for copy in range(order.copies)
        ]
        return np.concatenate(sent, axis=1).T

    def columns(self, entries: Sequence[Key], members: Integers) -> Floats:
        """[entries and stages of all copies x members] seconds of entries and of transfers after stages.

        Args:
            entries: what each does on which stages.
            members: lanes and cuts that are wanted.
        """
        for entry in entries:
            if entry not in self._known:
                self._known[entry] = self._seconds(entry)
        return np.concatenate([[self._known[entry][members] for entry in entries], self._sent[:, members]])

    def _seconds(self, entry: Key) -> Floats:
        busy, device, host = (self._sum(entry, name) for name in ("busy", "device", "host"))
        shown = np.maximum(device, busy - device) if len(entry) > 1 else busy  # one pass hides the other's
        found: Floats = pass_seconds(shown, host, self._pricing.stack)
        return found

    def _sum(self, entry: Key, name: str) -> Floats:
        found: Floats | float = 0.0
        for kind, stage in entry:
            if (kind.phases, name) not in self._sums:
                sums = _phase_sums(self._shape, kind.phases, self._prices, name)
                self._sums[kind.phases, name] = np.ascontiguousarray(self._shape.spread(sums).T)
            each = self._sums[kind.phases, name]
            found = found + each[stage % len(each)]
        return np.asarray(found)


def stage_hops(shape: Shape, order: ShapeOrder, pricing: Pricing, *, copy: int = 0) -> tuple[Hop | None, ...]:
    """From each stage of a copy to the next; None where both are on one rank."""
    stages = shape.kind.shape[1]
    ends = [*pairwise(order.outline.place[copy * stages : (copy + 1) * stages])]
    width = shape.strategy.tp * shape.strategy.replicas
    hops = {each: rank_hop(*each, width, pricing.cluster) for each in dict.fromkeys(ends)}
    return tuple(hops[each] for each in ends)


def _transfers(shape: Shape, hops: tuple[Hop | None, ...], prices: Prices, pricing: Pricing) -> Floats:
    """[lanes and cuts x stages] seconds from each stage of a copy to the next."""
    times = np.zeros((shape.kind.shape[1], len(shape.rows), shape.cuts))
    last = np.array([blocks[-1] if blocks else 0 for blocks in shape.kinds])[shape.kind]
    alike: dict[Hop, list[int]] = {}
    for boundary, hop in enumerate(hops):
        if hop is not None:
            alike.setdefault(hop, []).append(boundary)
    for hop, boundaries in alike.items():
        seconds = transfer_seconds(hop, shape.rows, prices, pricing)
        times[boundaries] = seconds.T[last[:, boundaries].T].swapaxes(1, 2)
    times[:-1] *= shape.present[shape.kind][:, 1:].T[:, None]
    return times.reshape(len(times), -1).T
