"""The cut of a chain into stages whose slowest stage is fastest, as a dynamic programme.

With ``C_s[i, j]`` what stage s takes if it holds the blocks i to j - 1 of a chain (infinite where that is not
allowed, as where its memory is too small),

    best_1[j] = C_1[0, j],    best_s[j] = min over i of max(best_{s-1}[i], C_s[i, j])

and the least slowest stage is best_S[n] (Bokhari 1988, "Partitioning Problems in Parallel, Pipelined, and
Distributed Computing"). Exact for whatever a stage costs, as long as it depends on its own blocks alone. With
a sum in place of the maximum it finds the cut of least total.
"""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]
"""[places x places] of what a stage of the blocks between two places takes, infinite up to the diagonal."""
Cut = tuple[int, ...]
"""Blocks per stage in chain order."""


def range_sums(values: Sequence[float]) -> Table:
    """Sums of the values between any two places of a chain."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    table = np.asarray(total[None, :] - total[:, None], dtype=np.float64)
    table[np.tril_indices(len(total))] = np.inf
    return table


def least_slowest(before: Table, behind: Table) -> Table:
    """[... x places] least over places i of the slower of ``before[..., i]`` and ``behind[i, place]``."""
    if before.ndim == 1:
        least: Table = np.maximum(before[:, None], behind).min(axis=0)
        return least
    table = np.full_like(before, np.inf)
    for end in range(2, len(behind)):  # nothing starts behind its end
        cuts = np.maximum(before[: end - 1, 1:end], behind[None, 1:end, end])
        table[: end - 1, end] = cuts.min(axis=1)
    return table


def least_total(before: Table, behind: Table) -> Table:
    """[places] least over places i of ``before[i] + behind[i, place]``."""
    least: Table = (before[:, None] + behind).min(axis=0)
    return least


def fastest_cut(costs: Sequence[Table]) -> Cut | None:
    """The cut of least slowest stage; None where every cut is infinite.

    Of cuts that are equally good, one in which the stages up to each place are as fast as they can be.

    Args:
        costs: a table per stage.

    Example:
        >>> fastest_cut([range_sums([1.0, 1.0, 1.0, 3.0])] * 2)
        (3, 1)
    """
    best = [costs[0][0]]
    for cost in costs[1:]:
        best.append(least_slowest(best[-1], cost))
    return _traced(best, costs, np.maximum)


def balanced_cut(values: Sequence[float], stages: int) -> Cut:
    """:func:`balanced_cuts` of one chain.

    Example:
        >>> balanced_cut([1.0, 1.0, 1.0, 3.0], 2)
        (3, 1)
    """
    return balanced_cuts([values], stages)[0]


def balanced_cuts(chains: Sequence[Sequence[float]], stages: int) -> list[Cut]:
    """:func:`fastest_cut` of several chains where every stage costs the sum of its values.

    Then ``best_{s-1}[i]`` rises with i and a stage from i on costs less, so the least of the slower of both
    is where they cross, on either side; stages before a place cost at least as much as its last block, so no
    stage without blocks is taken. Of the places that leave every stage a block the last stage may start at
    the first one that makes it no slower than the best cut.

    Args:
        chains: as many values each, one per block; whole numbers of at least 0, so that sums are exact.
        stages: to cut them into, at most as many as blocks.
    """
    totals = np.zeros((len(chains), len(chains[0]) + 1))
    np.cumsum(np.array(chains, dtype=np.float64), axis=1, out=totals[:, 1:])
    width = totals.shape[1] - stages  # places at which so many stages may end; one more that none reaches
    far = 2 * totals.max() + 2
    rows = far * np.arange(len(chains))[:, None]  # one behind another, as one ascending row
    apart = totals + rows
    best = np.full((stages, len(chains), width + 1), far)
    best[0, :, :width] = totals[:, 1 : 1 + width]
    rising = rows + np.full(width + 1, far - 1)
    behind = np.full((len(chains), width + 1), -np.inf)  # starts of the last stage on that side
    for first in range(1, stages):
        ends = slice(first + 1, first + 1 + width)
        np.add(best[first - 1, :, :width], apart[:, first : first + width], out=rising[:, :width])
        place = rising.ravel().searchsorted(apart[:, ends])
        behind[:, 1:] = totals[:, first : first + width]
        np.minimum(
            best[first - 1].take(place), totals[:, ends] - behind.take(place), out=best[first, :, :width]
        )
    each = best.swapaxes(0, 1).tolist()
    return [_last_starts(total, own) for total, own in zip(totals.tolist(), each, strict=True)]


def _last_starts(total: list[float], best: Sequence[Sequence[float]]) -> Cut:
    """The cut of one chain, given sums of its values and what the best cuts of its beginnings take."""
    sizes, end = [], len(total) - 1
    for stages in range(len(best), 1, -1):
        start = bisect_left(total, total[end] - best[stages - 1][end - stages], stages - 1)
        sizes.append(end - start)
        end = start
    return (end, *reversed(sizes))


def cheapest_cut(costs: Sequence[Table]) -> Cut | None:
    """The cut of least total over its stages; None where every cut is infinite."""
    best = [costs[0][0]]
    for cost in costs[1:]:
        best.append(least_total(best[-1], cost))
    return _traced(best, costs, np.add)


def _traced(best: Sequence[Table], costs: Sequence[Table], join: np.ufunc) -> Cut | None:
    """The first place at which each stage may start, from the last one back."""
    end = len(best[0]) - 1
    if not np.isfinite(best[-1][end]):
        return None
    sizes = []
    for before, cost in zip(best[-2::-1], costs[:0:-1], strict=True):
        start = int(np.argmin(join(before, cost[:, end])))
        sizes.append(end - start)
        end = start
    return (end, *reversed(sizes))


def stage_costs(costs: Sequence[Table], cut: Cut) -> tuple[float, ...]:
    """What every stage of a cut takes."""
    ends = np.cumsum((0, *cut)).tolist()
    return tuple(float(cost[i, j]) for cost, i, j in zip(costs, ends[:-1], ends[1:], strict=True))
