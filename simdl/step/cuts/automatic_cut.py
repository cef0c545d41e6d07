"""A step with its cut: the strategy's own, or the fastest of the stated set.

The automatic cut is the one of :mod:`simdl.step.cuts.cut_set` with the shortest step among those that fit in
memory, the one that needs least memory where none fits. A step is timed by its longest path: what the
simulated step takes where nothing shares a device or a link with anything else. Cuts come in the order of
what they take at least, so that few have to be timed.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from simdl.kernels.pricing import Pricing
from simdl.memory.needs import memory_by_rank, usable_memory
from simdl.pipelines.lags import lags
from simdl.pipelines.outline import Outline, outline
from simdl.pipelines.remembered import remembered
from simdl.step.costs.cycles import cycle_ends, stage_seconds
from simdl.step.costs.step_cost import StepCost, cut_step_cost
from simdl.step.costs.update import host_overhead
from simdl.step.cuts.cut_set import cut_set
from simdl.step.cuts.stage_cut import Cut
from simdl.step.lowering.folding import alone_time
from simdl.step.strategy import Strategy
from workloads.workload import Workload


def step_cost(workload: Workload, strategy: Strategy, pricing: Pricing) -> StepCost:
    """Price one step, with the automatic cut where the strategy has none."""
    cut = strategy.stages or automatic_cut(workload, strategy, pricing)
    return cut_step_cost(workload, strategy, pricing, cut)


def with_cut(strategy: Strategy, workload: Workload, pricing: Pricing) -> Strategy:
    """A strategy that names its cut where there was a choice."""
    alone = len(cut_set(workload.network, strategy.pp * strategy.virtual_stages)) == 1
    if strategy.stages or alone:
        return strategy
    return replace(strategy, stages=automatic_cut(workload, strategy, pricing))


@remembered(65536)
def automatic_cut(workload: Workload, strategy: Strategy, pricing: Pricing) -> Cut:
    """Blocks per stage of a strategy that does not say."""
    cuts = cut_set(workload.network, strategy.pp * strategy.virtual_stages)
    return fastest_step(cuts, workload, strategy, pricing) if len(cuts) > 1 else cuts[0]


def fastest_step(cuts: Sequence[Cut], workload: Workload, strategy: Strategy, pricing: Pricing) -> Cut:
    """The cut of the shortest step, of those that fit in memory if any does."""
    steps = {cut: cut_step_cost(workload, strategy, pricing, cut) for cut in cuts}
    usable = usable_memory(pricing.stack, pricing.cluster.device)
    needs: dict[Cut, float] = {}

    def fits(cut: Cut) -> bool:
        needs[cut] = memory_need(steps[cut])
        return needs[cut] <= usable

    least = {cut: least_time(step) for cut, step in steps.items()}
    return choose_cut(least, lambda cut: alone_time(steps[cut]), fits) or min(needs, key=needs.__getitem__)


def choose_cut(
    least: dict[Cut, float], evaluate: Callable[[Cut], float], fits: Callable[[Cut], bool]
) -> Cut | None:
    """The cut of least time among those that fit, the first of equal ones; None where none fits.

    Args:
        least: [s] that the step of each cut takes at least; exact ones make one evaluation enough.
        evaluate: [s] that the step of a cut takes.
        fits: whether it can be run at all.
    """
    best, fastest = None, float("inf")
    for cut in sorted(least, key=least.__getitem__):
        if least[cut] >= fastest:
            break
        if fits(cut) and (seconds := evaluate(cut)) < fastest:
            best, fastest = cut, seconds
    return best


def memory_need(step: StepCost) -> float:
    """[bytes] at the peak of the pipeline rank that needs most."""
    return max(sum(parts.values()) for parts in memory_by_rank(step))


def least_time(step: StepCost, ranks: Sequence[StepCost] = ()) -> float:
    """[s] that a step takes at least: every rank works on all its passes, once the first has come to it.

    After its last pass come its optimizer, or what is left of that microbatch on the ranks before it and the
    optimizer of the first of them. Nothing is known of passes that hide parts of one another.

    Args:
        step: with its stages.
        ranks: the step as each pipeline rank's kind of device prices it; () where all are priced alike.
    """
    strategy = step.strategy
    found = outline(strategy.schedule, strategy.pp, strategy.virtual_stages)
    if found.overlaps or found.pipeline.copies > 1:
        return 0.0
    by_rank = ranks or [step] * strategy.pp
    owners = [by_rank[rank] for rank in found.place]
    priced = {id(each): stage_seconds(each, found) for each in owners}
    forward, back, rest = (
        [priced[id(owner)][part][stage] for stage, owner in enumerate(owners)] for part in range(3)
    )
    ends = zip(owners, [*owners[1:], owners[-1]], strict=True)
    sent = [min(one.transfer[stage], next_.transfer[stage]) for stage, (one, next_) in enumerate(ends)]
    return _passes_end(step, found, (forward, back, rest), sent, by_rank) + host_overhead(
        step.pricing.network, strategy, step.stack
    )


def _passes_end(
    step: StepCost,
    found: Outline,
    seconds: tuple[Sequence[float], Sequence[float], Sequence[float]],
    transfer: Sequence[float],
    ranks: Sequence[StepCost],
) -> float:
    """[s] until the last update, at least; what the host does beside it is not in it."""
    forward, back, rest = seconds
    fill = [0.0, *accumulate(f + t for f, t in zip(forward, transfer, strict=True))]
    back_at = _cycle_ends(step, forward, back, transfer, fill)
    drain = [0.0, *accumulate(b + t for b, t in zip(back, transfer, strict=True))]
    update = [each.optimizer[rank] for rank, each in enumerate(ranks)]
    ends = []
    for rank in range(step.strategy.pp):
        own = [stage for stage, place in enumerate(found.place) if place == rank]
        sent = step.microbatches * sum(forward[stage] + back[stage] for stage in own)
        passes = sent + step.microbatches * sum(rest[stage] for stage in own)
        if not found.pipeline.synchronised:
            ends.append(passes + update[rank])
            continue
        after = drain[own[0]] + update[found.place[0]]
        returned = max(fill[own[0]] + sent, back_at[own[0]])
        ends.append(max(fill[own[0]] + passes + update[rank], returned + after))
    return max(ends)


def _cycle_ends(
    step: StepCost,
    forward: Sequence[float],
    back: Sequence[float],
    transfer: Sequence[float],
    fill: Sequence[float],
) -> list[float]:
    """[s] until the last gradient has come back to each stage, by round trips between stages."""
    strategy, count = step.strategy, step.microbatches
    found = lags(strategy.schedule, strategy.pp, count, strategy.virtual_stages)
    if found is None or strategy.pp == 1:
        return [0.0] * len(forward)
    passes = np.array([forward]), np.array([back])
    sent, head = np.array([transfer]), np.array([fill[:-1]])
    ends: list[float] = cycle_ends(found, *passes, sent, head, np.array([count]))[0].tolist()
    return ends
