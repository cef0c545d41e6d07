"""What the page shows of plans: the panel on top with its controls, progress and ranking; sections below."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from dash import dcc, html

from planner.console.answers.headline import plan_sentence
from planner.console.answers.report_json import ties
from planner.dashboard.catalog import Asked, Catalog, ask
from planner.dashboard.money import costs_of
from planner.dashboard.plan_jobs import TOP, Job
from planner.dashboard.plan_process import Failed, Finished
from planner.dashboard.ranking import Row
from planner.dashboard.sections import show_sections
from planner.dashboard.sides import question_for
from planner.dashboard.state import SIDES, State, changed_values, format_state
from planner.pages.sections.layers import layer_sections
from planner.pages.sections.plan import ranking_sections, space_sections
from planner.questions.question import Question
from planner.search.plan import PlanResult
from simdl.step.strategy import Strategy

POLL = 400  # [ms] between two looks at a running plan


def plan_panel() -> html.Section:
    """How many to rank, start, cancel, and room for progress and ranking."""
    top = dcc.Input(id="plan-top", type="text", inputMode="numeric", value="5")
    controls = [
        html.Button("Find the best strategies", id="plan-start", type="button", className="main"),
        html.Label([html.Span(f"to rank [1 to {TOP}]"), top]),
        html.Button("Cancel", id="plan-cancel", type="button", disabled=True),
    ]
    return html.Section(
        [
            html.Div(controls, className="buttons"),
            html.Progress(id="plan-progress", value="0", max="1", hidden=True),
            html.P("", id="plan-status", role="status"),
            html.Div(id="plan-ranked"),
            dcc.Store(id="plan-numbers"),
            dcc.Store(id="plan-shown"),
            dcc.Store(id="plan-done"),
            dcc.Interval(id="plan-poll", interval=POLL, disabled=True),
        ],
        id="ranking",
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


def plan_fraction(jobs: Sequence[Job]) -> float | None:
    """How much of the search is done; None before it begins."""
    known = [1.0 if job.outcome is not None else _fraction(job) for job in jobs]
    return None if None in known else sum(filter(None, known)) / len(known)


def _fraction(job: Job) -> float | None:
    return job.advanced.done / max(job.advanced.total, 1) if job.advanced else None


def show_ranking(jobs: Sequence[Job], catalog: Catalog) -> list[Any]:
    """The best so far of every plan; a press on a row makes it the strategy of the plan's side."""
    return [
        part for side, job in zip(SIDES, jobs, strict=False) for part in _ranking(side, job, catalog, jobs)
    ]


def _ranking(side: str, job: Job, catalog: Catalog, jobs: Sequence[Job]) -> Iterator[Any]:
    outcome = job.outcome
    if len(jobs) > 1:
        question = ask(job.wanted.asked, catalog)
        where = f"{question.cluster.name}, {question.workload.precision.name}, stack {question.stack.name}"
        yield html.H3(f"{side.upper()}: {where}")
    if isinstance(outcome, Finished):
        question, result = ask(job.wanted.asked, catalog), outcome.result
        best = [costs_of(each.report, question, job.wanted.criteria) for each in result.plans[:1]]
        also = [clause for costs in best for clause in costs.clauses]
        sentence = plan_sentence(question, result, tied=ties(result), also=also)
        yield html.P(sentence, className="headline")
        yield from ([html.P(f"per layer: {result.layers_reason}")] if result.layers_reason else [])
    if job.rows:
        yield _table(side, job, catalog)
    elif isinstance(outcome, Finished):
        yield html.Ul([html.Li(reason) for reason in outcome.result.reasons])


def _table(side: str, job: Job, catalog: Catalog) -> html.Div:
    names = list(dict.fromkeys(name for row in job.rows for name in row.cells))
    header = html.Tr([html.Th(name, scope="col") for name in ("", *names, "")])
    states = [_state_of(row.strategy, job.wanted.asked, catalog) for row in job.rows]
    body = [
        _row(place, row, names, side, format_state(state))
        for place, (row, state) in enumerate(zip(job.rows, states, strict=True))
    ]
    return html.Div(html.Table([html.Thead(header), html.Tbody(body)]), className="table ranked")


def _row(place: int, row: Row, names: Sequence[str], side: str, target: str) -> html.Tr:
    """A row; ``target`` is the state of its strategy alone."""

    def button(text: str, to: str, kind: str) -> html.Button:
        identity = {"type": "use", "side": to, "rank": place, "as": kind, "of": side, "to": target}
        return html.Button(text, id=identity, type="button", className=kind)

    cells = [html.Td(row.cells.get(name, "-"), className="number") for name in names[1:]]
    load = html.Td(button(row.cells[names[0]], side, "load"))
    others = html.Td([button(each.upper(), each, "other") for each in SIDES], className="others")
    return html.Tr([html.Td(str(place + 1), className="number"), load, *cells, others])


def _state_of(strategy: Strategy, asked: Asked, catalog: Catalog) -> State:
    """The question of a plan with one of its strategies, on the stack that it was planned with."""
    question = ask(asked, catalog)
    if question_for(asked, catalog, strategy).stack.name != question.stack.name:
        asked = replace(asked, stack=question.stack.name)
    return State(asked=asked, strategies=(changed_values(strategy, question.cluster),))


def show_plans(jobs: Sequence[Job], catalog: Catalog) -> list[Any]:
    """The sections of the plans' report pages, without those of their best strategies."""
    return [
        part
        for side, job in zip(SIDES, jobs, strict=False)
        if isinstance(job.outcome, Finished)
        for part in _sections(side, job.outcome.result, ask(job.wanted.asked, catalog))
    ]


def _sections(side: str, result: PlanResult, question: Question) -> list[Any]:
    ranking = ranking_sections(question, result) if result.plans else ()
    why = [html.P(f"why: {sentence}") for sentence in result.why]
    reasons = [html.P(f"does not fit: {sentence}") for sentence in result.reasons]
    folded = html.Details([html.Summary("Why, and what does not fit"), *why, *reasons])
    title = f"Plan for {question.workload.network.name} on {question.cluster.name}"
    sections = [*ranking, *layer_sections(result), *space_sections(question, result)]
    return [html.H2(title), folded, *show_sections(sections, f"plan-{side}")]
