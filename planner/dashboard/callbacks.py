"""What happens when something on the page changes.

    address -> controls -> (browser composes the query) -> state -> cards -> figures -> details
                                                             `----> positions of the sliders

Navigation (a second strategy, a planned one) sets the address; the browser keeps it in step with the state.
"""

from typing import Any

from dash import ALL, MATCH, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update

from planner.dashboard.answers import reasons_of
from planner.dashboard.catalog import REFUSALS, Catalog, ask
from planner.dashboard.controls import question_controls, strategy_controls
from planner.dashboard.plan_jobs import PlanJobs
from planner.dashboard.plan_process import Finished
from planner.dashboard.results import show_details, show_figures, show_verdict
from planner.dashboard.state import SIDES, StateError, format_state, parse_state, start_state, strategy_values
from planner.dashboard.state import State as PageState
from planner.questions.question import Question
from simdl.errors import SimdlError

CHOICE, SLIDER = {"type": "choice", "name": ALL}, {"type": "slider", "name": ALL}
USE = {"type": "use", "plan": ALL, "side": ALL, "rank": ALL}


def add_browser_callbacks(app: Dash) -> None:
    """What the browser does on its own."""
    in_browser: Any = app.clientside_callback  # which has no types
    in_browser(ClientsideFunction("simdl", "readAddress"), Output("address", "data"), Input("page", "id"))
    in_browser(
        ClientsideFunction("simdl", "compose"),
        Output("state", "data"),
        Input(CHOICE, "value"),
        Input(SLIDER, "value"),
        State(CHOICE, "id"),
        State(SLIDER, "id"),
        State(SLIDER, "marks"),
        State("state", "data"),
    )
    in_browser(
        ClientsideFunction("simdl", "label"),
        Output({"type": "shown", "name": MATCH}, "children"),
        Input({"type": "slider", "name": MATCH}, "value"),
        State({"type": "slider", "name": MATCH}, "marks"),
    )


def add_state_callbacks(app: Dash, catalog: Catalog, jobs: PlanJobs) -> None:
    """Address, controls and navigation."""

    @app.callback(Output("controls", "children"), Output("notice", "children"), Input("address", "data"))
    def restore(query: str | None) -> Any:  # noqa: ANN401 - components
        if query is None:
            return no_update, no_update
        notice: list[Any] = []
        state = start_state(catalog)
        try:
            state = parse_state(query) if query.strip("?") else state
        except StateError as error:
            lines = html.Ul([html.Li(fault) for fault in error.faults])
            notice = [html.P("The address is refused, and this is where the page starts instead:"), lines]
        return show_controls(state, catalog), notice

    @app.callback(
        Output("strategies", "children"),
        Output("shape", "data"),
        Input("state", "data"),
        State("shape", "data"),
        prevent_initial_call=True,
    )
    def reshape(query: str, shape: str) -> Any:  # noqa: ANN401 - components
        try:
            state = parse_state(query)
            question = ask(state.asked, catalog)
        except REFUSALS:
            return no_update, no_update  # the cards say why
        new = shape_of(state, question)
        return (no_update, no_update) if new == shape else (strategy_controls(state, question), new)

    @app.callback(
        Output("address", "data", allow_duplicate=True),
        Output("pressed", "children"),
        Input("compare", "n_clicks"),
        Input(USE, "n_clicks"),
        State("state", "data"),
        prevent_initial_call=True,
    )
    def navigate(_compare: int | None, _use: list[int | None], query: str | None) -> Any:  # noqa: ANN401
        if not query or not any(item["value"] for item in ctx.triggered):
            return no_update, no_update
        try:
            return "?" + format_state(change_state(parse_state(query), ctx.triggered_id, jobs)), []
        except SimdlError as error:
            lines = html.Ul([html.Li(reason) for reason in reasons_of(error)])
            return no_update, [html.P("The button changed nothing, because:"), lines]

    @app.callback(
        Output("pressed", "children", allow_duplicate=True),
        Input("state", "data"),
        prevent_initial_call=True,
    )
    def forget(_query: str) -> Any:  # noqa: ANN401 - components
        return []  # what a button did not do belongs to the state in which it was pressed


def change_state(state: PageState, cause: Any, jobs: PlanJobs) -> PageState:  # noqa: ANN401 - an identity
    """The state after a press of the compare button or of one that uses a plan."""
    if cause == "compare":
        both = state.strategies * 2 if len(state.strategies) == 1 else state.strategies[:1]
        return PageState(asked=state.asked, strategies=both)
    job = jobs.find(cause["plan"])
    assert isinstance(job.outcome, Finished)  # noqa: S101 - else there is no such button
    chosen = strategy_values(job.outcome.result.plans[cause["rank"]].report.strategy)
    first, *rest = state.strategies
    strategies = (chosen, *rest) if cause["side"] == SIDES[0] else (first, chosen)
    return PageState(asked=job.asked, strategies=strategies)


def show_controls(state: PageState, catalog: Catalog) -> list[Any]:
    """All controls in the positions of a state."""
    try:
        question: Question | None = ask(state.asked, catalog)
    except REFUSALS:
        question = None
    blocks = strategy_controls(state, question)
    asked = html.Details(
        [
            html.Summary("Model and cluster"),
            html.Div(question_controls(state.asked, catalog), className="question"),
        ],
        open=True,
    )
    shape = shape_of(state, question) if question else ""
    return [asked, html.Div(blocks, id="strategies"), dcc.Store(id="shape", data=shape)]


def shape_of(state: PageState, question: Question) -> str:
    """What the positions of the sliders follow from; they are built anew when it changes."""
    network = question.workload.network
    blocks = [block.count for block in network.blocks]
    return f"{question.cluster.devices} {question.workload.global_batch} {blocks} {len(state.strategies)}"


def marked(cards: list[html.Div], query: str, *, complete: bool) -> list[html.Div]:
    """Cards that say which state they are of, and whether all of it, so that nobody who waits need guess."""
    for card in cards:
        setattr(card, "data-query", query)
        setattr(card, "data-complete", "yes" if complete else "no")
    return cards


def add_answer_callbacks(app: Dash, catalog: Catalog) -> None:
    """Cards, then figures, then the others, so that numbers never wait for drawings."""

    @app.callback(
        Output("verdict", "children"),
        Output("drawn", "data"),
        Input("state", "data"),
        prevent_initial_call=True,
    )
    def verdict(query: str) -> Any:  # noqa: ANN401 - components
        try:
            state = parse_state(query)
            ask(state.asked, catalog)
        except REFUSALS as error:
            lines = html.Ul([html.Li(reason) for reason in reasons_of(error)])
            card = html.Div([html.H2("The question cannot be answered"), lines], className="card refused")
            return marked([card], query, complete=True), None
        shown = show_verdict(state, catalog, wait=False)
        cards = marked(shown.cards, query, complete=shown.complete or not shown.drawable)
        return cards, {"query": query, "complete": shown.complete} if shown.drawable else None

    @app.callback(
        Output("figures", "children"),
        Output("verdict", "children", allow_duplicate=True),
        Output("detailed", "data"),
        Input("drawn", "data"),
        prevent_initial_call=True,
    )
    def figures(drawn: dict[str, Any] | None) -> Any:  # noqa: ANN401 - components
        if drawn is None:
            return [], no_update, None
        state = parse_state(drawn["query"])
        cards: Any = no_update
        if not drawn["complete"]:
            cards = marked(show_verdict(state, catalog, wait=True).cards, drawn["query"], complete=True)
        return show_figures(state, catalog), cards, drawn["query"]

    @app.callback(Output("details", "children"), Input("detailed", "data"), prevent_initial_call=True)
    def details(query: str | None) -> Any:  # noqa: ANN401 - components
        return [] if query is None else show_details(parse_state(query), catalog)
