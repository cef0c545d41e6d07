"""What the page shows of a plan: its controls, its progress, its ranked strategies."""

from collections.abc import Iterator
from typing import Any

from dash import dcc, html

from planner.console.format import format_seconds, format_strategy
from planner.dashboard.catalog import Catalog, ask
from planner.dashboard.plan_jobs import TOP, Job
from planner.dashboard.plan_process import Failed, Finished
from planner.dashboard.sections import show_sections
from planner.dashboard.state import SIDES
from planner.pages.sections.layers import layer_sections
from planner.pages.sections.plan import ranking_sections, space_sections
from planner.search.plan import PlanResult

POLL = 400  # [ms] between two looks at a running plan


def plan_controls() -> html.Details:
    """How many to rank, start, cancel, and room for progress and answer."""
    top = dcc.Input(id="plan-top", type="text", inputMode="numeric", value="5")
    buttons = [
        html.Button("Find the best strategies", id="plan-start", type="button", className="main"),
        html.Button("Cancel", id="plan-cancel", type="button", disabled=True),
    ]
    return html.Details(
        [
            html.Summary("Plan"),
            html.Div(html.Label([html.Span(f"Strategies to rank [1 to {TOP}]"), top]), className="control"),
            html.Div(buttons, className="buttons"),
            html.Progress(id="plan-progress", value="0", max="1", hidden=True),
            html.P("", id="plan-status", role="status"),
            html.Div(id="plan-ranked"),
            dcc.Store(id="plan-number"),
            dcc.Store(id="plan-done"),
            dcc.Interval(id="plan-poll", interval=POLL, disabled=True),
        ],
        open=True,
    )


def plan_status(job: Job) -> str:
    """How far a plan is, or how it ended."""
    outcome = job.outcome
    if isinstance(outcome, Failed):
        return f"plan: {outcome.message}"
    if isinstance(outcome, Finished):
        return _count(outcome.result, outcome.wall_time)
    if job.advanced is None:
        return "plan: reading the question and bounding every candidate"
    done, total = job.advanced.done, job.advanced.total
    rest = "; comparing the best with its neighbours" if done >= total else ""
    return f"plan: {done:,} of {total:,} candidates and cuts tried{rest}"


def _count(result: PlanResult, waited: float) -> str:
    sure = "certified best of them" if result.certified else "not certified"
    counts = f"{result.candidates:,} candidates, {result.feasible:,} fit, {result.simulated:,} simulated"
    return f"{counts}; {sure if result.plans else 'nothing to rank'} ({waited:.1f} s)"


def plan_fraction(job: Job) -> float | None:
    """How much of the search is done; None before it begins."""
    if job.outcome is not None:
        return 1.0
    return job.advanced.done / max(job.advanced.total, 1) if job.advanced else None


def show_ranked(number: str, finished: Finished) -> list[Any]:
    """The ranked strategies, each with buttons that make it strategy A or B."""
    rows = [
        html.Li(
            [
                html.Span(
                    f"{format_seconds(plan.report.step_time)}: {format_strategy(plan.report.strategy)} "
                ),
                *_buttons(number, rank),
            ]
        )
        for rank, plan in enumerate(finished.result.plans)
    ]
    reasons = [html.Li(reason) for reason in finished.result.reasons]
    empty = [html.P("No strategy fits:"), html.Ul(reasons)] if not rows else []
    layers = finished.result.layers_reason
    return [html.Ol(rows, className="ranked"), *empty, *([html.P(f"per layer: {layers}")] if layers else ())]


def _buttons(number: str, rank: int) -> Iterator[html.Button]:
    for side in SIDES:
        identity = {"type": "use", "plan": number, "side": side, "rank": rank}
        yield html.Button(f"use as {side.upper()}", id=identity, type="button")


def show_plan(job: Job, finished: Finished, catalog: Catalog) -> list[Any]:
    """The sections of a plan's report page, without those of its best strategy: use it to see them."""
    question, result = ask(job.asked, catalog), finished.result
    ranking = ranking_sections(question, result) if result.plans else ()
    why = [html.P(f"why: {sentence}") for sentence in result.why]
    reasons = [html.P(f"does not fit: {sentence}") for sentence in result.reasons]
    folded = html.Details([html.Summary("Why, and what does not fit"), *why, *reasons])
    title = f"Plan for {question.workload.network.name} on {question.cluster.name}"
    sections = [*ranking, *layer_sections(result), *space_sections(question, result)]
    return [html.H2(title), folded, *show_sections(sections, "plan")]
