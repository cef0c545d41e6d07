"""Passes of a shape as arrays: how long every forward, backward and transfer takes for its candidates.

All durations are those of the lowered schedule. The first forward and the last backward pass of a stage may
be split (:mod:`planner.segment_runs`): gathers of the first one are taken to start with the step.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from planner.prices import Floats, Prices
from planner.segment_runs import Ends, Segments, run_segments, split_pass
from planner.shapes import Shape
from simdl.collectives import Hop
from simdl.lowering import PREFETCH
from simdl.pricing import Pricing
from simdl.stack import Stack
from simdl.step_cost import stage_hop, transfer_time
from simdl.strategy import Strategy

Whole = tuple[Floats, Floats, Floats]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Passes:
    """Seconds of the passes of a shape's candidates; [n x stages].

    Attributes:
        forward, backward: every pass but the first forward and the last backward.
        first: first forward pass, its first gathers done.
        last: last backward pass.
        transfer: to the next stage, or back (0 from the last); all 0 where transfers are part of the passes.
        sent: part of ``last`` that sends the gradient on after the computation.
        head: time before which the first gathers cannot let ``first`` start.
        tail: from the end of ``last`` to the end of its reductions.
    """

    forward: Floats
    backward: Floats
    first: Floats
    last: Floats
    transfer: Floats
    sent: Floats
    head: Floats
    tail: Floats


def gathers_ahead(strategy: Strategy, stack: Stack) -> bool:
    """Whether updated parameters are gathered beside the first forward pass."""
    return strategy.zero in {1, 2} and strategy.replicas > 1 and stack.parameter_overlap


def reduces_beside(strategy: Strategy, stack: Stack) -> bool:
    """Whether gradients are reduced beside the last backward pass."""
    return strategy.replicas > 1 and (stack.gradient_overlap or strategy.zero == 2)


def shape_passes(shape: Shape, strategy: Strategy, prices: Prices, pricing: Pricing, whole: Whole) -> Passes:
    """Durations of all passes of a variant that does not shard parameters.

    Args:
        shape: the pipeline.
        strategy: of the variant.
        prices: of the space.
        pricing: what priced it.
        whole: undivided passes and transfers of the shape.
    """
    stack, kind = pricing.stack, shape.kind
    forward, backward, transfer = whole
    nothing = np.zeros_like(forward)
    first, head, last, tail = forward, nothing, backward, nothing
    if gathers_ahead(strategy, stack):
        first, head = _first_passes(_split_kinds(shape, strategy, prices, pricing, forward, backward=False))
    if reduces_beside(strategy, stack):
        parts = _split_kinds(shape, strategy, prices, pricing, backward, backward=True)
        last, tail = _last_passes(parts)
    passes = Passes(
        forward=forward[:, kind],
        backward=backward[:, kind],
        first=first[:, kind],
        last=last[:, kind],
        transfer=transfer,
        sent=np.zeros_like(transfer),
        head=head[:, kind],
        tail=tail[:, kind],
    )
    return passes if stack.pipeline_overlap else _with_transfers(passes)


def whole_passes(shape: Shape, prices: Prices, pricing: Pricing) -> Whole:
    """Seconds of an undivided forward and backward pass [n x kinds] and of transfers [n x stages]."""
    counts = shape.counts(prices.forward.shape[1]).T.astype(np.float64)
    rows, overhead = shape.rows, pricing.stack.microbatch_overhead
    forward = np.maximum(prices.forward[rows] @ counts, prices.forward_host[rows] @ counts)
    backward = np.maximum(prices.backward[rows] @ counts, prices.backward_host[rows] @ counts)
    return forward + overhead, backward + overhead, _transfers(shape, prices, pricing)


def _split_kinds(
    shape: Shape, strategy: Strategy, prices: Prices, pricing: Pricing, whole: Floats, *, backward: bool
) -> list[Segments]:
    return [
        split_pass(
            shape,
            strategy,
            prices,
            pricing,
            blocks=blocks,
            whole=whole[:, index],
            backward=backward,
            last=True,
        )
        for index, blocks in enumerate(shape.kinds)
    ]


def _first_passes(parts: list[Segments]) -> tuple[Floats, Floats]:
    """[n x kinds] durations once the first gathers are done, and how long these hold them up."""
    zero = np.zeros(len(parts[0].computed))
    idle = Ends(computed=zero, lane=zero)
    first = np.stack([run_segments(part, idle, fetched=PREFETCH).computed for part in parts], axis=1)
    full = np.stack([run_segments(part, idle).computed for part in parts], axis=1)
    return first, full - first


def _last_passes(parts: list[Segments]) -> tuple[Floats, Floats]:
    """[n x kinds] durations, and how long reductions go on after them."""
    zero = np.zeros(len(parts[0].computed))
    ends = [run_segments(part, Ends(computed=zero, lane=zero)) for part in parts]
    last = np.stack([end.computed for end in ends], axis=1)
    return last, np.stack([np.maximum(end.lane - end.computed, 0.0) for end in ends], axis=1)


def _with_transfers(passes: Passes) -> Passes:
    """Transfers run on the compute stream, so they are part of the pass that sends."""
    back = np.zeros_like(passes.transfer)
    back[:, 1:] = passes.transfer[:, :-1]
    return replace(
        passes,
        forward=passes.forward + passes.transfer,
        first=passes.first + passes.transfer,
        backward=passes.backward + back,
        last=passes.last + back,
        transfer=np.zeros_like(back),
        sent=back,
    )


def _transfers(shape: Shape, prices: Prices, pricing: Pricing) -> Floats:
    """[n x stages] seconds from each stage to the next."""
    times = np.zeros((len(shape.rows), len(shape.kind)))
    if shape.ranks == 1:
        return times
    alike: dict[tuple[int, Hop], list[int]] = {}
    for boundary, kind in enumerate(shape.kind[:-1].tolist()):
        hop = stage_hop(boundary, shape.strategy, pricing.cluster)
        alike.setdefault((shape.kinds[kind][-1], hop), []).append(boundary)
    sequence = prices.sequence_parallel[shape.rows]
    for (block, hop), boundaries in alike.items():
        nbytes = prices.boundary[shape.rows, block]
        _, first, inverse = np.unique(2 * nbytes + sequence, return_index=True, return_inverse=True)
        seconds = [
            _transfer_seconds(float(nbytes[place]), hop, bool(sequence[place]), shape.strategy.tp, pricing)
            for place in first
        ]
        times[:, boundaries] = np.array(seconds)[inverse][:, None]
    return times


@lru_cache(maxsize=65536)
def _transfer_seconds(nbytes: float, hop: Hop, sequence_parallel: bool, tp: int, pricing: Pricing) -> float:
    strategy = Strategy(tp=tp, sequence_parallel=sequence_parallel)
    return transfer_time(nbytes, hop, strategy, pricing)
