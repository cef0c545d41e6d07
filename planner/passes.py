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
from simdl.block_cost import Pricing
from simdl.lowering import PREFETCH
from simdl.step_cost import transfer_time
from simdl.strategy import Strategy


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
        start: of ``last`` to its first reduction.
        tail: from the end of ``last`` to the end of its reductions.
        reduced: its reductions.
    """

    forward: Floats
    backward: Floats
    first: Floats
    last: Floats
    transfer: Floats
    sent: Floats
    head: Floats
    start: Floats
    tail: Floats
    reduced: Floats


def shape_passes(shape: Shape, prices: Prices, pricing: Pricing) -> Passes:
    """Durations of all passes of a shape that does not shard parameters."""
    stack, strategy, kind = pricing.stack, shape.strategy, shape.kind
    forward, backward = whole_passes(shape, prices, pricing)
    nothing = np.zeros_like(forward)
    first, head, start, last, tail, reduced = forward, nothing, backward, backward, nothing, nothing
    if strategy.zero and strategy.replicas > 1 and stack.parameter_overlap:
        first, head = _first_passes(_split_kinds(shape, prices, pricing, forward, backward=False))
    if strategy.replicas > 1 and stack.gradient_overlap:
        parts = _split_kinds(shape, prices, pricing, backward, backward=True)
        start, last, tail, reduced = _last_passes(parts)
    transfer = _transfers(shape, prices, pricing)
    passes = Passes(
        forward=forward[:, kind],
        backward=backward[:, kind],
        first=first[:, kind],
        last=last[:, kind],
        transfer=transfer,
        sent=np.zeros_like(transfer),
        head=head[:, kind],
        start=start[:, kind],
        tail=tail[:, kind],
        reduced=reduced[:, kind],
    )
    return passes if stack.pipeline_overlap else _with_transfers(passes)


def whole_passes(shape: Shape, prices: Prices, pricing: Pricing) -> tuple[Floats, Floats]:
    """[n x kinds] seconds of an undivided forward and backward pass of each kind of stage."""
    counts = shape.counts(prices.forward.shape[1]).T.astype(np.float64)
    rows, overhead = shape.rows, pricing.stack.microbatch_overhead
    forward = np.maximum(prices.forward[rows] @ counts, prices.forward_host[rows] @ counts)
    backward = np.maximum(prices.backward[rows] @ counts, prices.backward_host[rows] @ counts)
    return forward + overhead, backward + overhead


def _split_kinds(
    shape: Shape, prices: Prices, pricing: Pricing, whole: Floats, *, backward: bool
) -> list[Segments]:
    return [
        split_pass(shape, prices, pricing, blocks, whole[:, index], backward=backward, last=True)
        for index, blocks in enumerate(shape.kinds)
    ]


def _first_passes(parts: list[Segments]) -> tuple[Floats, Floats]:
    """[n x kinds] durations once the first gathers are done, and how long these hold them up."""
    zero = np.zeros(len(parts[0].computed))
    idle = Ends(computed=zero, lane=zero)
    first = np.stack([run_segments(part, idle, fetched=PREFETCH).computed for part in parts], axis=1)
    full = np.stack([run_segments(part, idle).computed for part in parts], axis=1)
    return first, full - first


def _last_passes(parts: list[Segments]) -> tuple[Floats, Floats, Floats, Floats]:
    """[n x kinds] first segments, durations, reductions left after them, and all reductions."""
    zero = np.zeros(len(parts[0].computed))
    ends = [run_segments(part, Ends(computed=zero, lane=zero)) for part in parts]
    last = np.stack([end.computed for end in ends], axis=1)
    return (
        np.stack([part.computed[:, 0] for part in parts], axis=1),
        last,
        np.stack([np.maximum(end.lane - end.computed, 0.0) for end in ends], axis=1),
        np.stack([zero + part.reduces.sum() for part in parts], axis=1),
    )


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
    ends = np.array([blocks[-1] for blocks in shape.kinds])[shape.kind[:-1]]
    boundary, sequence = prices.boundary[shape.rows], prices.sequence_parallel[shape.rows]
    for block in set(ends.tolist()):
        nbytes = boundary[:, block]
        _, first, inverse = np.unique(2 * nbytes + sequence, return_index=True, return_inverse=True)
        seconds = [
            _transfer_seconds(
                float(nbytes[place]),
                bool(sequence[place]),
                shape.strategy.tp,
                shape.strategy.pp,
                shape.strategy.replicas,
                pricing,
            )
            for place in first
        ]
        times[:, np.flatnonzero(ends == block)] = np.array(seconds)[inverse][:, None]
    return times


@lru_cache(maxsize=65536)
def _transfer_seconds(  # noqa: PLR0917 - all are the key of the cache
    nbytes: float, sequence_parallel: bool, tp: int, pp: int, replicas: int, pricing: Pricing
) -> float:
    strategy = Strategy(dp=replicas, tp=tp, pp=pp, sequence_parallel=sequence_parallel)
    return transfer_time(nbytes, strategy, pricing)
