"""Plans as the literature makes them, as candidates and as what the integer programme may not be worse than.

- ``chen``: segments of equal length in every row of blocks, from one block to all (Chen et al. 2016,
  arXiv:1604.06174, section 4.1: sqrt(n) of them keep least)
- ``rotor``: the fastest schedule of a heterogeneous chain (:mod:`planner.memory_savers.rotor`), in several
  amounts of memory, because it counts memory moment by moment and the ledger does not
- ``vdnn``: the activations of all blocks go to the host, or those of blocks with convolutions (Rhu et al.
  2016, arXiv:1602.08124, section 3.2: vDNN-all and vDNN-conv)
- ``offload``: as few bytes as are needed go to the host, chosen as a knapsack (Beaumont et al. 2020, "Optimal
  GPU-CPU offloading strategies for deep neural network training", section 4: where the link sets the pace,
  time is in proportion to bytes)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from planner.memory_savers.options import mode_costs
from planner.memory_savers.rotor import Link, rotor_plan
from simdl.memory.moments import brief_need
from simdl.memory.savers import KEPT, Row, Saver, Segment
from simdl.step.costs.block_cost import BlockCost
from simdl.step.costs.saved_blocks import Chain
from simdl.step.costs.step_cost import StepCost
from simdl.step.strategy import Recompute
from workloads.network import Block, Network

AMOUNTS = (0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
"""Shares of what everything takes that dynamic programmes are given in turn."""
HALVINGS = 8
"""Of the amount of memory, until a plan fits just."""
UNITS = 400
OFFLOADED = Saver(offload=True)


def literature_plans(step: StepCost, *, host: bool) -> Iterator[tuple[str, Row]]:
    """Method and plan of every candidate, whether it fits in any memory or not.

    Args:
        step: without any memory saver.
        host: whether there is host memory.
    """
    network, pricing = step.pricing.network, step.pricing
    stretches = list(_stretches(step))
    costs = mode_costs(step.strategy, pricing)
    kept = costs[Recompute.NONE]
    for length in range(1, max((end - first for first, end in stretches), default=0) + 1):
        plans = {(first, end): _segments(end - first, length) for first, end in stretches}
        yield "chen", _filled(network, plans)
    whole = sum(cost.saved for cost in kept) + brief_need((cost.transient, cost.saved) for cost in kept)
    for amount in AMOUNTS:
        row = _rotor(network, stretches, costs, amount * whole)
        if row is not None:
            yield "rotor", row
    if host:
        blocks = list(network.chain())
        yield "vdnn", (OFFLOADED,) * network.depth
        yield "vdnn", tuple(OFFLOADED if _convolves(block) else KEPT for block in blocks)
        yield from (("offload", _knapsack(kept, amount * whole)) for amount in AMOUNTS)


def aimed_plans(
    step: StepCost, fits: Callable[[Row], bool], *, again: bool, host: bool
) -> Iterator[tuple[str, Row]]:
    """Method and plan of each dynamic programme, given as much memory as it takes for its plan to fit, just.

    Args:
        step: without any memory saver.
        fits: whether the ledger finds room for a plan.
        again: whether blocks may be recomputed.
        host: whether there is host memory.
    """
    costs = mode_costs(step.strategy, step.pricing)
    kept = costs[Recompute.NONE]
    stretches = list(_stretches(step))
    whole = sum(cost.saved for cost in kept) + brief_need((cost.transient, cost.saved) for cost in kept)
    if again:
        row = _aimed(lambda room: _rotor(step.pricing.network, stretches, costs, room), fits, whole)
        yield from [("rotor", row)] if row else []
    if host:
        row = _aimed(lambda room: _knapsack(kept, room), fits, whole)
        yield from [("offload", row)] if row else []


def _aimed(plan: Callable[[float], Row | None], fits: Callable[[Row], bool], whole: float) -> Row | None:
    """The plan for the most memory, up to ``whole`` [bytes], whose plan fits; None where none does."""
    low, high, found = 0.0, whole, None
    for _ in range(HALVINGS):
        room = (low + high) / 2
        row = plan(room)
        if row is not None and not fits(row):
            high = room
            continue
        low = room
        found = row or found
    return found


def _stretches(step: StepCost) -> Iterator[tuple[int, int]]:
    """First and end of every row of blocks of one stage that may be recomputed."""
    network = step.pricing.network
    place = 0
    for stage in step.stages[: step.chain]:
        size = len(stage.blocks)
        inside = range(place, place + size)
        for may, run in groupby(inside, lambda each: network.blocks[network.places[each]].recomputable):
            own = list(run)
            if may:
                yield own[0], own[-1] + 1
        place += size


def _filled(network: Network, plans: Mapping[tuple[int, int], Sequence[Saver | Segment]]) -> Row:
    """The plan of each stretch by its first place and end, everything kept elsewhere."""
    found: list[Saver | Segment] = []
    place = 0
    for (first, end), plan in sorted(plans.items()):
        found += [*[KEPT] * (first - place), *plan]
        place = end
    return (*found, *[KEPT] * (network.depth - place))


def _segments(count: int, length: int) -> list[Saver | Segment]:
    whole, rest = divmod(count, length)
    found: list[Saver | Segment] = [_segment(length)] * whole
    return [*found, _segment(rest)] if rest else found


def _segment(length: int) -> Saver | Segment:
    return Saver("full") if length == 1 else Segment(((length, KEPT),))


def _rotor(
    network: Network, stretches: Sequence[tuple[int, int]], costs: Mapping[Recompute, Chain], room: float
) -> Row | None:
    """Schedules of all stretches, each in what the room [bytes] leaves for its share of their bytes."""
    kept, full = costs[Recompute.NONE], costs[Recompute.FULL]
    sizes = {each: sum(cost.saved for cost in kept[slice(*each)]) for each in stretches}
    left = room - sum(cost.saved for cost in kept) + sum(sizes.values())
    plans: dict[tuple[int, int], Row] = {}
    for (first, end), size in sizes.items():
        chain = [_link(kept[place], full[place]) for place in range(first, end)]
        plan = rotor_plan(chain, left * size / sum(sizes.values()))
        if plan is None:
            return None
        plans[first, end] = plan
    return _filled(network, plans)


def _link(kept: BlockCost, full: BlockCost) -> Link:
    return Link(
        forward=kept.forward.busy,
        backward=kept.backward.busy,
        saved=kept.saved,
        given=full.saved,
        brief=kept.transient,
    )


def _knapsack(kept: Chain, room: float) -> Row:
    """The blocks of fewest bytes in all whose offloading leaves no more than the room."""
    sizes = [cost.saved for cost in kept]
    need = sum(sizes) + brief_need((cost.transient, cost.saved) for cost in kept) - room
    if need <= 0:
        return (KEPT,) * len(sizes)
    unit = sum(sizes) / UNITS
    steps = [max(1, round(size / unit)) for size in sizes]
    least = np.full(sum(steps) + 1, np.inf)
    least[0] = 0.0
    taken: list[NDArray[np.bool_]] = []
    for step, size in zip(steps, sizes, strict=True):
        before = np.concatenate([np.full(step, np.inf), least[:-step] + size])
        taken.append(before < least)
        least = np.minimum(least, before)
    enough = [place for place in range(len(least)) if np.isfinite(least[place]) and place * unit >= need]
    place = enough[0] if enough else int(np.flatnonzero(np.isfinite(least))[-1])
    chosen = [False] * len(sizes)
    for index in range(len(sizes) - 1, -1, -1):
        if taken[index][place]:
            chosen[index] = True
            place -= steps[index]
    return tuple(OFFLOADED if each else KEPT for each in chosen)


def _convolves(block: Block) -> bool:
    return any(layer.kind == "convolution" for layer in block.layers)
