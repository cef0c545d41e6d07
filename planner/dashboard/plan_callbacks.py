"""What happens when plans are started, looked at or cancelled.

One callback follows them, light enough to answer between two looks; another draws the answers once.
"""

from collections.abc import Sequence
from typing import Any

from dash import Dash, Input, Output, State, ctx, no_update

from planner.dashboard.catalog import REFUSALS, Catalog, ask
from planner.dashboard.plan_jobs import Job, PlanJobs
from planner.dashboard.plan_view import plan_fraction, plan_status, show_plans, show_ranking
from planner.dashboard.sides import asked_of
from planner.dashboard.state import SIDES, parse_state
from simdl.errors import SimdlError

FOLLOWED = (
    ("plan-numbers", "data"),
    ("plan-done", "data"),
    ("plan-status", "children"),
    ("plan-progress", "value"),
    ("plan-progress", "hidden"),
    ("plan-start", "disabled"),
    ("plan-cancel", "disabled"),
    ("plan-poll", "disabled"),
    ("plan-ranked", "children"),
    ("plan-shown", "data"),
)
"""What the callback that follows plans sets, in the order of :func:`_followed`."""


def add_plan_callbacks(app: Dash, catalog: Catalog, jobs: PlanJobs) -> None:
    """Start, progress, cancel and answer."""

    @app.callback(
        *(Output(name, key) for name, key in FOLLOWED),
        Input("plan-start", "n_clicks"),
        Input("plan-cancel", "n_clicks"),
        Input("plan-poll", "n_intervals"),
        State("plan-numbers", "data"),
        State("plan-shown", "data"),
        State("state", "data"),
        State("plan-top", "value"),
        prevent_initial_call=True,
    )
    def follow(
        _start: int,
        _cancel: int,
        _poll: int,
        numbers: list[str] | None,
        shown: str | None,
        query: str | None,
        top: str,
    ) -> Any:  # noqa: ANN401 - as many values as outputs
        try:
            if ctx.triggered_id == "plan-start":
                numbers, shown = _started(jobs, catalog, query or "", top), None
            found = [jobs.find(number) for number in numbers or []]
            if ctx.triggered_id == "plan-cancel":
                for job in found:
                    job.cancel()
            return _followed(numbers or [], found, shown, catalog)
        except REFUSALS as error:
            return ([], no_update, f"plan: {error}", "0", True, False, True, True, no_update, no_update)

    @app.callback(Output("plan", "children"), Input("plan-done", "data"), prevent_initial_call=True)
    def answer(numbers: list[str] | None) -> Any:  # noqa: ANN401 - components
        return show_plans([jobs.find(number) for number in numbers or []], catalog)


def _started(jobs: PlanJobs, catalog: Catalog, query: str, top: str) -> list[str]:
    """Plans for the questions of the page: A's, and B's where it runs elsewhere."""
    if not top.strip().isdecimal():
        raise SimdlError(f"strategies to rank: found {top!r}; expected a whole number")
    state = parse_state(query)
    asked = dict.fromkeys(asked_of(state, side, catalog) for side, _ in enumerate(state.strategies))
    for each in asked:
        ask(each, catalog)  # refused here rather than in the process
    return jobs.start_all(tuple(asked), int(top), state.criteria)


def _followed(
    numbers: list[str], jobs: Sequence[Job], shown: str | None, catalog: Catalog
) -> tuple[Any, ...]:
    running = any(job.outcome is None for job in jobs)
    done = None if running else numbers
    fraction = plan_fraction(jobs)
    value = None if fraction is None else f"{fraction:.4f}"  # none: a bar that only moves
    told = [plan_status(job) for job in jobs]
    named = zip(SIDES, told, strict=False)
    status = told[0] if len(told) == 1 else "; ".join(f"{side.upper()}: {text}" for side, text in named)
    now = f"{numbers} {[(job.found, job.outcome is None) for job in jobs]}"
    ranked = no_update if now == shown else show_ranking(jobs, catalog)
    return (numbers, done, status, value, not running, running, not running, not running, ranked, now)
