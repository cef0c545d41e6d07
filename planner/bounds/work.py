"""Work: what a step takes at least because its ranks compute so long, whatever is sent.

The bound of a program whose only streams are those that compute: before a stage's first pass a microbatch has
come to it, then its rank has all passes of this stage and of its later ones before it, and the last gradient
goes back to the first stage. Where a network is cut evenly, stages between the first and the last are alike
and ranks take them in turn, so the last of a rank's stages that can be the latest are those of the last rank:
its first one, where its rank has most before it, and the last of all, which a microbatch takes longest to.

Elsewhere no cut is looked at. If all of m microbatches are done with stage s by C, it takes
t_s <= (C - B_s) / m, where B_s = t_1 + ... + t_(s-1) comes before it. So what p stages of together T leave
of C is at least C (1 - 1/m)^p: whatever the cut, C >= T / (1 - (1 - 1/m)^p).
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from itertools import chain

import numpy as np

from planner.bounds.chains import kind_seconds
from planner.space.candidates import Integers, Space, distinct
from planner.space.prices import Floats, Prices
from planner.space.shapes import Blocks, Kinds
from simdl.kernels.pricing import Pricing
from simdl.pipelines.outline import Outline, outline
from simdl.pipelines.pipeline import round_robin
from simdl.step.costs.stage import stage_blocks
from simdl.step.cuts.cut_set import even_cut
from simdl.step.cuts.stage_cut import Cut
from workloads.network import Network

Seconds = Callable[[int], Floats]
"""[4 x candidates] seconds of passes of the first, the second and the last stage, and of all blocks."""


def work_times(space: Space, prices: Prices, pricing: Pricing, *, cut: Cut = ()) -> Floats:
    """[candidates] seconds that ranks compute at least, with whichever cut or with the one that is given."""
    network = pricing.network
    counts, place = np.unique(space.pp * space.virtual_stages, return_inverse=True)
    stages = [_stages(network, count) for count in counts.tolist()]
    numbers = {blocks: number for number, blocks in enumerate(dict.fromkeys(chain(*stages)))}
    columns = np.array([[numbers[blocks] for blocks in own] for own in stages]).T[:, place]
    even = np.array([not cut and own[0] != own[-1] for own in stages])[place]
    kinds = Kinds(blocks=len(network.blocks), rows=np.arange(len(prices.tp)), kinds=tuple(numbers))
    first, order = distinct((space.schedule, space.virtual_stages))
    alike: dict[tuple[object, ...], tuple[Outline, bool, list[int]]] = {}
    for number, one in enumerate(first.tolist()):
        strategy = space.strategy(one)
        found = outline(strategy.schedule, strategy.pp, strategy.virtual_stages)
        in_turn = found.pipeline.copies == 1 and found.pipeline.place is round_robin
        key = found.kinds, found.overlaps, found.pipeline.synchronised, found.pipeline.copies, in_turn
        alike.setdefault(key, (found, in_turn, []))[2].append(number)
    times = np.empty(len(space))
    for found, in_turn, members in alike.values():
        passes = kind_seconds(kinds, found, prices, pricing)
        own = np.isin(order, members)
        divided = own & even & in_turn
        for those, bound in ((divided, _in_turn), (own & ~divided, _undivided)):
            at = prices.row[those], columns[:, those]
            sizes = space.microbatches[those], space.pp[those], space.virtual_stages[those]
            times[those] = bound(found, *sizes, partial(_sums, passes, at))
    return times


def _stages(network: Network, count: int) -> list[Blocks]:
    """The first, the second and the last stage of the even cut, where there is one, and all blocks."""
    whole = tuple(network.places)
    cut = even_cut(network, count)
    found = stage_blocks(network, cut) if cut else (whole,)
    return [found[0], found[min(1, len(found) - 1)], found[-1], whole]


def _sums(passes: Sequence[Floats], at: tuple[Integers, Integers], count: int) -> Floats:
    """The sums of the first so many, at some places."""
    found: Floats = reduce(np.add, passes[:count])[at]
    return found


def _in_turn(found: Outline, each: Integers, ranks: Integers, virtual: Integers, seconds: Seconds) -> Floats:
    """[candidates] seconds that the first and the last rank compute at least, and the way to them and back.

    Args:
        found: of a schedule whose ranks take stages in turn.
        each: [candidates] microbatches.
        ranks: [candidates] of the pipeline.
        virtual: [candidates] stages of each.
        seconds: of the first so many passes: of those that send on, and back, and complete behind.
    """
    ends = []
    if found.pipeline.synchronised:
        first, second, last, _ = seconds(2)
        ends += [
            each * (first + (virtual - 1) * second),
            first + (ranks - 2) * second + each * ((virtual - 1) * second + last),
            first + (ranks * virtual - 2) * second + each * last,
        ]
    if found.splits or not found.pipeline.synchronised:
        way, (first, second, last, _) = seconds(1) * found.pipeline.synchronised, seconds(3)
        ends += [
            each * (first + (virtual - 1) * second),
            way[0] + (ranks - 2) * way[1] + each * ((virtual - 1) * second + last),
        ]
    latest: Floats = np.max(ends, axis=0)
    return latest


def _undivided(
    found: Outline, each: Integers, ranks: Integers, virtual: Integers, seconds: Seconds
) -> Floats:
    """[candidates] the same, of no cut, so of none more."""
    busy: Floats = each / ranks * seconds(3)[3]
    if not found.pipeline.synchronised or found.pipeline.copies > 1:
        return busy
    through: Floats = seconds(2)[3] / (1 - (1 - 1 / each) ** (ranks * virtual))
    return np.maximum(busy, through)
