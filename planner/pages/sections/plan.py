"""The page of a plan: the ranked strategies, the space they come from, and the best of them in detail."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from planner.bounds.estimate import Bounds, estimate_bounds
from planner.console.format import format_memory, format_rate, format_seconds, format_strategy
from planner.pages.figures.devices import devices_figure
from planner.pages.figures.shares import breakdown_figure, memory_parts_figure
from planner.pages.figures.space import (
    LINES,
    Point,
    common_choices,
    coordinates_figure,
    pareto_figure,
    sample_candidates,
    shortage_figure,
)
from planner.pages.page import Cell, Page, Section, Table
from planner.pages.sections.layers import layer_sections
from planner.pages.sections.money import money_sections
from planner.pages.sections.step import step_sections
from planner.questions.question import Question
from planner.search.plan import Plan, PlanResult, stack_limits
from planner.space.candidates import Integers, enumerate_space
from simdl.memory.needs import usable_memory
from simdl.step.simulate import price, simulate
from workloads.network import Network


def plan_page(question: Question, result: PlanResult, data: Any) -> Page:  # noqa: ANN401 - JSON
    """The page of `simdl plan`. The best plan is simulated once more.

    Args:
        question: what was asked.
        result: the ranked strategies.
        data: the command's JSON.
    """
    workload, cluster = question.workload, question.cluster
    opening = [
        f"Global batch {workload.global_batch}. {_count(result)}.",
        *(() if result.plans else _why_nothing(result)),
        *((f"Per layer: {result.layers_reason}.",) if result.layers_reason else ()),
    ]
    sections = [
        *(ranking_sections(question, result) if result.plans else ()),
        *money_sections(data),
        *layer_sections(result),
        *(() if cluster.more else space_sections(question, result)),
        *devices_sections(question, result, data["smaller_clusters"] or ()),
        *_best(question, result),
    ]
    return Page(
        title=f"Plans for {workload.network.name} on {cluster.name}",
        headline=data["headline"],
        lines=(
            *opening,
            *(f"why: {sentence}" for sentence in result.why),
            *(f"does not fit: {sentence}" for sentence in result.reasons if result.plans),
            *(f"assumed: {sentence}" for sentence in question.assumptions),
        ),
        sections=tuple(sections),
        data=data,
        open_lines=len(opening),
    )


def _count(result: PlanResult) -> str:
    sure = "certified best of them" if result.certified else f"not certified: {result.uncertified}"
    counts = f"{result.candidates:,} candidates, {result.feasible:,} fit, {result.simulated:,} simulated"
    return f"{counts}; {sure if result.plans else 'nothing to rank'}"


def _why_nothing(result: PlanResult) -> list[str]:
    """Why there is no plan: nothing fits, or nothing can be tried."""
    what = "Nothing fits" if result.candidates else "No strategy can be tried"
    first, *others = result.reasons or ("no reason is known",)
    return [f"{what}: {first}.", *map(_sentence, others)]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def plans_table(plans: tuple[Plan, ...], network: Network) -> Table:
    """The ranked strategies, with the texts that the command line prints."""
    rates = ("samples/s", "tokens/s") if network.tokens > 1 else (f"{network.sample}s/s",)
    header = ("rank", "strategy", "step time", *rates, "MFU", "HFU", "peak memory", "bound")
    rows = (_row(rank, plan, len(rates)) for rank, plan in enumerate(plans, start=1))
    return Table(header=header, rows=tuple(rows))


def _row(rank: int, plan: Plan, rates: int) -> tuple[Cell, ...]:
    report = plan.report
    counted = (report.samples_per_s, report.tokens_per_s)[:rates]
    return (
        Cell(text=str(rank), value=rank),
        Cell(text=format_strategy(report.strategy)),
        Cell(text=format_seconds(report.step_time), value=report.step_time),
        *(Cell(text=format_rate(rate), value=rate) for rate in counted),
        Cell(text=f"{report.mfu:.1%}", value=report.mfu),
        Cell(text=f"{report.hfu:.1%}", value=report.hfu),
        Cell(text=format_memory(report.peak_memory), value=report.peak_memory),
        Cell(text=format_seconds(plan.bound) if plan.bound else "-", value=plan.bound),
    )


def ranking_sections(question: Question, result: PlanResult) -> tuple[Section, ...]:
    """The ranked strategies, their time and their memory."""
    reports = [(f"plan {rank}", plan.report) for rank, plan in enumerate(result.plans, start=1)]
    usable = usable_memory(question.stack, question.cluster.device)
    return (
        Section(title="Ranked strategies", body=plans_table(result.plans, question.workload.network)),
        Section(
            title="Where the time goes",
            body=breakdown_figure([(label, report.breakdown) for label, report in reports]),
            note="Mean over ranks; every bar adds up to the step time.",
        ),
        Section(
            title="Memory of the fullest device",
            body=memory_parts_figure([(label, report.memory) for label, report in reports], usable),
        ),
    )


def space_sections(question: Question, result: PlanResult) -> tuple[Section, ...]:
    """The figures of the candidates that fit; if nothing does, what the candidates lack."""
    pricing = price(question.workload, question.cluster, stack=question.stack)
    space = enumerate_space(question.workload, question.cluster, limits=stack_limits(question.stack))
    bounds = estimate_bounds(space, question.workload, pricing)
    usable = usable_memory(question.stack, question.cluster.device)
    fits = np.flatnonzero(bounds.memory <= usable)
    if not len(fits):
        return _shortage(bounds, usable)
    shown, lines = sample_candidates(bounds, fits), sample_candidates(bounds, fits, points=LINES)
    plans = _points(result)
    return (
        Section(
            title="Step time against memory",
            body=pareto_figure(bounds, shown, fits, plans),
            note=f"{_sampled(shown, fits)} The front is that of all; a bound is the least that a "
            "simulated step can take.",
        ),
        Section(
            title="The space",
            body=coordinates_figure(space, bounds, lines),
            wide=True,
            note=f"{_sampled(lines, fits)} One line per candidate; drag along an axis to select. "
            f"{_common(common_choices(space, lines))}",
        ),
    )


def _shortage(bounds: Bounds, usable: float) -> tuple[Section, ...]:
    """All candidates beyond what a device can hold; nothing without a candidate."""
    every = np.arange(len(bounds.memory))
    if not len(every):
        return ()
    note = (
        f"None of the {len(every):,} candidates fits: the least that any needs is "
        f"{format_memory(float(bounds.memory.min()))}, a device has "
        f"{format_memory(usable)} to use. Bounds: no step takes less time."
    )
    figure = shortage_figure(bounds, sample_candidates(bounds, every), usable)
    return (Section(title="What the candidates would need", body=figure, note=note),)


def devices_sections(
    question: Question, result: PlanResult, clusters: Sequence[Mapping[str, Any]]
) -> tuple[Section, ...]:
    """Step time against devices; nothing where no other count is known."""
    if len(clusters) < 2:
        return ()
    devices = question.cluster.devices
    note = (
        "The same question on fewer nodes: the least that a step can take with a strategy that fits, and the "
        "memory that it needs. Ideal: as fast per device as on the fewest."
    )
    plans = [(devices, point) for point in _points(result)]
    return (Section(title="Step time against devices", body=devices_figure(clusters, plans), note=note),)


def _points(result: PlanResult) -> list[Point]:
    return [
        Point(
            label=format_strategy(plan.report.strategy),
            step_time=plan.report.step_time,
            memory=plan.report.peak_memory,
        )
        for plan in result.plans
    ]


def _sampled(shown: Integers, fits: Integers) -> str:
    if len(shown) == len(fits):
        return f"All {len(fits):,} candidates that fit."
    return f"{len(shown):,} of the {len(fits):,} candidates that fit, evenly spaced in order of bound."


def _common(choices: Sequence[str]) -> str:
    return f"All have {', '.join(choices)}." if choices else ""


def _best(question: Question, result: PlanResult) -> tuple[Section, ...]:
    if not result.plans:
        return ()
    strategy = result.plans[0].report.strategy
    best = simulate(question.workload, question.cluster, strategy, stack=question.stack)
    return tuple(
        replace(section, title=f"Best plan: {section.title[0].lower()}{section.title[1:]}")
        for section in step_sections(question.workload, best)
    )
