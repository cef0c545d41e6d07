"""What happens when a plan is started, looked at or cancelled.

One callback follows the plan, light enough to answer between two looks; another draws the answer once.
"""

from typing import Any

from dash import Dash, Input, Output, State, ctx, no_update

from planner.dashboard.catalog import REFUSALS, Catalog, ask
from planner.dashboard.plan_jobs import PlanJobs
from planner.dashboard.plan_process import Finished
from planner.dashboard.plan_view import plan_fraction, plan_status, show_plan, show_ranked
from planner.dashboard.state import parse_state
from simdl.errors import SimdlError

FOLLOWED = (
    ("plan-number", "data"),
    ("plan-done", "data"),
    ("plan-status", "children"),
    ("plan-progress", "value"),
    ("plan-progress", "hidden"),
    ("plan-start", "disabled"),
    ("plan-cancel", "disabled"),
    ("plan-poll", "disabled"),
)
"""What the callback that follows a plan sets, in the order of :func:`_shown`."""


def add_plan_callbacks(app: Dash, catalog: Catalog, jobs: PlanJobs) -> None:
    """Start, progress, cancel and answer."""

    @app.callback(
        *(Output(name, key) for name, key in FOLLOWED),
        Input("plan-start", "n_clicks"),
        Input("plan-cancel", "n_clicks"),
        Input("plan-poll", "n_intervals"),
        State("plan-number", "data"),
        State("state", "data"),
        State("plan-top", "value"),
        prevent_initial_call=True,
    )
    def follow(_start: int, _cancel: int, _poll: int, number: str | None, query: str | None, top: str) -> Any:  # noqa: ANN401 - as many values as outputs
        try:
            if ctx.triggered_id == "plan-start":
                number = _started(jobs, catalog, query or "", top)
            elif ctx.triggered_id == "plan-cancel" and number:
                jobs.find(number).cancel()
            return _shown(jobs, number or "")
        except REFUSALS as error:
            return (None, no_update, f"plan: {error}", "0", True, False, True, True)

    @app.callback(
        Output("plan-ranked", "children"),
        Output("plan", "children"),
        Input("plan-done", "data"),
        prevent_initial_call=True,
    )
    def answer(number: str | None) -> Any:  # noqa: ANN401 - components
        job = jobs.find(number) if number else None
        if job is None or not isinstance(job.outcome, Finished):
            return [], []
        return show_ranked(number or "", job.outcome), show_plan(job, job.outcome, catalog)


def _started(jobs: PlanJobs, catalog: Catalog, query: str, top: str) -> str:
    if not top.strip().isdecimal():
        raise SimdlError(f"strategies to rank: found {top!r}; expected a whole number")
    asked = parse_state(query).asked
    ask(asked, catalog)  # refused here rather than in the process
    return jobs.start(asked, int(top))


def _shown(jobs: PlanJobs, number: str) -> tuple[Any, ...]:
    job = jobs.find(number)
    running = job.outcome is None
    done = None if running else number
    fraction = plan_fraction(job)
    value = None if fraction is None else f"{fraction:.4f}"  # none: a bar that only moves
    return (number, done, plan_status(job), value, not running, running, not running, not running)
