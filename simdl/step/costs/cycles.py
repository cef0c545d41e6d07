"""Cycles: what a microbatch's way through some neighbouring stages and back takes, again and again.

There are limit(s) - lead(t) microbatches under way between stages s and t (:mod:`simdl.pipelines.lags`): so
many take at least as long as one of them does from s to t and back. Where all stages are alike the way to the
last one says most; where they are not, the stages that are slow together set the pace.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simdl.pipelines.lags import Lags
from simdl.pipelines.outline import Outline
from simdl.pipelines.passes import PassKind
from simdl.step.costs.step_cost import StepCost

Floats = NDArray[np.float64]


def cycle_ends(  # noqa: PLR0917 - what a pipeline is made of
    lags: Lags, forward: Floats, back: Floats, sent: Floats, head: Floats, count: NDArray[Any]
) -> Floats:
    """[n x stages] seconds until the last gradient has come back to each stage, at least.

    The last microbatch comes to a stage as many whole cycles after an early one as there are; then it goes on
    to the last stage and back, and those that the stage still waits for are behind it.

    Args:
        lags: of the order.
        forward: [n x stages] seconds of the passes that send on.
        back: [n x stages] of those that send back.
        sent: [n x stages] of the transfer to the next stage, or back; 0 from the last.
        head: [n x stages] before the first pass of a stage.
        count: [n] microbatches.
    """
    forward, back, sent, head = (np.ascontiguousarray(each.T) for each in (forward, back, sent, head))
    counts, which = np.unique(count, return_inverse=True)
    last = counts - 1
    best, cycles = np.zeros_like(forward), _Cycles(forward, back, sent)
    for stop in range(len(forward)):
        here = slice(0, stop + 1)
        apart = (lags.limit[here] - lags.lead[stop])[:, None]
        times = np.where(apart > 0, np.maximum(last - lags.lead[stop], 0) // np.maximum(apart, 1), 0)
        ends = (last - times * apart)[:, which] * forward[here]
        ends += head[here]
        ends += times[:, which] * cycles.up_to(stop)
        np.maximum(best[here], ends, out=best[here])
    after = forward + np.minimum(lags.lead[:, None] + 1, count) * back
    found: Floats = best + np.maximum(cycles.up_to(len(forward) - 1), after)
    return found.T


class _Cycles:
    """Seconds from stages to a later one and back; given [stages x n] seconds of passes and transfers."""

    def __init__(self, forward: Floats, back: Floats, sent: Floats) -> None:
        way = forward + back + 2 * sent
        self._ends = np.cumsum(way, axis=0)
        self._before, self._sent = self._ends - way, 2 * sent

    def up_to(self, stop: int) -> Floats:
        """[stages up to ``stop`` x n] seconds from each of them to stage ``stop`` and back."""
        found: Floats = self._ends[stop] - self._sent[stop] - self._before[: stop + 1]
        return found


def slowest_cycle(lags: Lags, forward: Floats, back: Floats, sent: Floats, alone: float) -> int:
    """Microbatches of the cycle that sets the pace of a long step; 1 where one stage alone does.

    Args:
        lags: of the order.
        forward: [stages] seconds of the passes that send on.
        back: [stages] of those that send back.
        sent: [stages] of the transfer to the next stage, or back.
        alone: [s] per microbatch of the busiest rank.
    """
    best, pace = 1, alone * (1 + 1e-9)
    cycles = _Cycles(forward[:, None], back[:, None], sent[:, None])
    for stop in range(len(forward)):
        apart = lags.limit[: stop + 1] - lags.lead[stop]
        each = np.where(apart > 0, cycles.up_to(stop)[:, 0] / np.maximum(apart, 1), 0.0)
        place = int(each.argmax())
        if each[place] > pace:
            best, pace = int(apart[place]), float(each[place]) * (1 + 1e-9)
    return best


def stage_seconds(step: StepCost, found: Outline) -> tuple[list[float], list[float], list[float]]:
    """[s] per stage of the passes that send forward, that send back, and that complete gradients after."""
    known: dict[tuple[PassKind, int], float] = {}

    def seconds(kinds: Sequence[PassKind]) -> list[float]:
        each = [[_once(known, step, kind, stage) for kind in kinds] for stage in range(len(step.stages))]
        return [min(row, default=0.0) for row in each]

    both = any(kind.sends_back and kind.completes for kind in found.kinds)
    return (
        seconds([kind for kind in found.kinds if kind.sends_forward]),
        seconds([kind for kind in found.kinds if kind.sends_back]),
        seconds([] if both else [kind for kind in found.kinds if kind.completes]),
    )


def _once(known: dict[tuple[PassKind, int], float], step: StepCost, kind: PassKind, stage: int) -> float:
    """[s] of a pass; stages that are one object are priced once."""
    key = kind, id(step.stages[stage])
    if key not in known:
        known[key] = step.pass_cost([(kind, stage)]).duration
    return known[key]
