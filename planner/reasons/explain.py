"""Why the best plan is the best: on every axis, an alternative and what it would gain and lose.

The best one that the search simulated, else the one of least bound among those whose step is short.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planner.console.format import format_choice, format_seconds, format_strategy
from planner.space.candidates import RECOMPUTE, Integers, Space
from simdl.report.step_report import StepReport
from simdl.step.strategy import Strategy

AXES = {
    "tp": "tensor parallelism",
    "pp": "pipeline parallelism",
    "cp": "context parallelism",
    "ep": "expert parallelism",
    "etp": "expert tensor parallelism",
    "micro_batch": "micro-batch",
    "schedule": "schedule",
    "virtual_stages": "virtual stages",
    "recompute": "recomputation",
    "zero": "ZeRO stage",
    "shard_degree": "shard degree",
    "sequence_parallel": "sequence parallelism",
}
SHARES = "shares"
"""Beside the axes on a mixed cluster: microbatches of each replica by node type."""
EXPERTS = "experts"
"""Where experts are, beside the axes: ranks of a stage hold them innermost first."""
CAUSES = 3  # differences that a sentence names
NOTABLE = 0.1  # share of the largest difference below which one is not named

SHORT = 15_000
"""Passes of a step that is simulated for the sake of an explanation alone: less than a second."""
LIGHT = 2_000
"""The same where no axis of the search is explained."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Searched:
    """What an explanation asks of a search.

    Attributes:
        space: its candidates.
        fits: those that fit in memory.
        nearest: of some candidates the one of least bound.
        simulated: the report of a candidate.
        reports: by candidate, of those that were simulated already.
        node: devices of a node.
    """

    space: Space
    fits: Integers
    nearest: Callable[[Integers], int]
    simulated: Callable[[int], StepReport]
    reports: Mapping[int, StepReport]
    node: int


def explain(best: StepReport, searched: Searched) -> tuple[str, ...]:
    """One sentence per best alternative to the best plan on some axis, the slowest first.

    The alternative is the fastest of the reports that the search made by candidate, if one differs from
    the best on the axis, else the candidate with the least bound that does, whatever else it changes; it is
    simulated unless its step is long, and the breakdowns say where the seconds go.
    """
    axes: dict[int, list[str]] = {}
    reports = searched.reports
    elsewhere = _experts_elsewhere(best.strategy, searched)
    for axis, candidate in (*_alternatives(best.strategy, searched), *elsewhere):
        axes.setdefault(candidate, []).append(axis)
    others = [
        (names, reports.get(candidate) or searched.simulated(candidate))
        for candidate, names in axes.items()
        if candidate in reports or _passes(searched.space, candidate) <= SHORT
    ]
    others.sort(key=lambda found: -found[1].step_time)
    return tuple(_sentence(names, best, other, searched.node) for names, other in others)


def explain_experts(best: StepReport, searched: Searched) -> tuple[str, ...]:
    """What other places of the experts than the best plan's would gain and lose, if any fits."""
    return tuple(
        _sentence([axis], best, searched.simulated(candidate), searched.node)
        for axis, candidate in _experts_elsewhere(best.strategy, searched)
    )


def explain_shares(best: StepReport, others: Mapping[int, StepReport], node: int) -> tuple[str, ...]:
    """What the shares of a mixed cluster's replicas gain over the fastest plan with other ones, if any is."""
    known = [each for each in others.values() if each.strategy.shares != best.strategy.shares]
    if not known:
        return ()
    return (_sentence([SHARES], best, min(known, key=lambda each: each.step_time), node),)


def explain_splits(
    best: StepReport, alike: StepReport | None, *, what: str = "layers split one by one"
) -> tuple[str, ...]:
    """What a plan that treats layers one by one gains over the best that treats all of them alike."""
    if alike is None:
        return (f"{what}: nothing that treats all of them alike fits",)
    differences = describe_differences(best.breakdown, alike.breakdown)
    slower = format_seconds(alike.step_time - best.step_time)
    other = format_strategy(alike.strategy)
    return (f"{what} rather than alike: {other} is {slower} slower ({differences})",)


def _passes(space: Space, candidates: Any) -> Any:  # noqa: ANN401 - one or an array of them
    """Passes of a step of candidates."""
    return 2 * (space.pp * space.virtual_stages * space.microbatches)[candidates]


def _short(candidates: Integers, space: Space) -> Integers:
    """Those whose step is quickly simulated, if there are any: a neighbour need not be the nearest one."""
    short = candidates[_passes(space, candidates) <= SHORT]
    return short if len(short) else candidates


def _alternatives(strategy: Strategy, searched: Searched) -> Iterator[tuple[str, int]]:
    space, fits, reports = searched.space, searched.fits, searched.reports
    for axis in AXES:
        column = getattr(space, axis)
        code = _code(axis, strategy, space)
        known = [candidate for candidate in reports if column[candidate] != code]
        others = _short(fits[column[fits] != code], space)
        if known:
            yield axis, min(known, key=lambda candidate: reports[candidate].step_time)
        elif len(others):
            yield axis, searched.nearest(others)


def _experts_elsewhere(strategy: Strategy, searched: Searched) -> Iterator[tuple[str, int]]:
    """The candidate of least bound with experts within a node where the best's are not, or the reverse."""
    if strategy.ep == 1:
        return
    space, fits, node = searched.space, searched.fits, searched.node
    reach = space.ep[fits] * space.expert_tensor[fits]
    others = fits[(space.ep[fits] > 1) & ((reach <= node) != _within(strategy, node))]
    others = others[_passes(space, others) <= LIGHT]
    if len(others):
        yield EXPERTS, searched.nearest(others)


def _within(strategy: Strategy, node: int) -> bool:
    """Whether all ranks that share the experts of a layer are in one node of so many devices."""
    return strategy.ep * strategy.expert_tensor <= node


def _code(axis: str, strategy: Strategy, space: Space) -> int:
    """A strategy's value as the space writes it."""
    if axis == "schedule":
        return space.schedules.index(strategy.schedule)
    if axis == "recompute":
        return RECOMPUTE.index(strategy.recompute)
    return int(getattr(strategy, axis))


def _sentence(axes: list[str], best: StepReport, other: StepReport, node: int) -> str:
    slower = other.step_time - best.step_time
    change = f"{format_seconds(slower)} slower" if slower > 0 else "no faster"
    choices = ", ".join(_choice(axis, best.strategy, other.strategy, node) for axis in axes)
    differences = describe_differences(best.breakdown, other.breakdown)
    return f"{choices}: {format_strategy(other.strategy)} is {change} ({differences})"


def _choice(axis: str, best: Strategy, other: Strategy, node: int) -> str:
    if axis == EXPERTS:
        places = ("across nodes", "within a node")
        return f"experts {places[_within(best, node)]} rather than {places[_within(other, node)]}"
    if axis == SHARES:
        chosen, left = (",".join(map(str, each.shares)) or "alike" for each in (best, other))
        return f"microbatches of replicas {chosen} rather than {left}"
    chosen, left = (format_choice(axis, getattr(strategy, axis)) for strategy in (best, other))
    return f"{AXES[axis]} {chosen} rather than {left}"


def describe_differences(best: Mapping[str, float], other: Mapping[str, float]) -> str:
    """The causes on which two breakdowns [s] differ most, as the other's gains and losses."""
    causes = sorted({*best, *other})
    changes = {cause: other.get(cause, 0.0) - best.get(cause, 0.0) for cause in causes}
    named = sorted(causes, key=lambda cause: -abs(changes[cause]))[:CAUSES]
    least = NOTABLE * abs(changes[named[0]])
    words = [
        f"{'+' if changes[cause] > 0 else '-'}{format_seconds(abs(changes[cause]))} {cause.replace('_', ' ')}"
        for cause in named
        if abs(changes[cause]) > 0 and abs(changes[cause]) >= least
    ]
    return ", ".join(words) or "no difference"
