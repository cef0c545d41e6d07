"""What happens when something on the page changes.

    address -> controls -> (browser composes the query) -> state -> cards -> numbers -> figures -> details
                                                                      |----> positions of the sliders
                                                                      `----> launch files

Navigation (a second strategy, a planned one) sets the address; the browser keeps it in step with the state.
"""

from dataclasses import replace
from typing import Any

from dash import ALL, MATCH, ClientsideFunction, Dash, Input, Output, State, ctx, html, no_update

from planner.dashboard.answers import reasons_of
from planner.dashboard.catalog import REFUSALS, Catalog, ask
from planner.dashboard.controls import money_controls, question_controls, strategy_controls
from planner.dashboard.fixes import with_plan
from planner.dashboard.possible import possible
from planner.dashboard.results import show_details, show_figures, show_refusal, show_sketches, show_verdict
from planner.dashboard.sides import asked_of
from planner.dashboard.state import State as PageState
from planner.dashboard.state import StateError, format_state, parse_state, start_state
from planner.dashboard.takeaway import offered_frameworks, show_takeaway
from planner.questions.question import Question
from simdl.errors import SimdlError

CHOICE, SLIDER = {"type": "choice", "name": ALL}, {"type": "slider", "name": ALL}
USE = {"type": "use", "side": ALL, "rank": ALL, "as": ALL, "of": ALL, "to": ALL}
GO = {"type": "go", "to": ALL}


def add_browser_callbacks(app: Dash) -> None:
    """What the browser does on its own."""
    in_browser: Any = app.clientside_callback  # which has no types
    in_browser(ClientsideFunction("simdl", "readAddress"), Output("address", "data"), Input("page", "id"))
    in_browser(ClientsideFunction("simdl", "watch"), Output("near", "data"), Input("page", "id"))
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
        Output({"type": "shown", "name": ALL}, "children"),
        Input(SLIDER, "value"),
        Input(SLIDER, "marks"),
        Input("possible", "data"),
        State(SLIDER, "id"),
    )
    in_browser(
        ClientsideFunction("simdl", "offer"),
        Output("offered", "data"),
        Input("possible", "data"),
        State(CHOICE, "id"),
        State(CHOICE, "placeholder"),
        State(CHOICE, "options"),
        State(SLIDER, "id"),
        State(SLIDER, "value"),
        State(SLIDER, "marks"),
    )
    in_browser(
        ClientsideFunction("simdl", "forget"),
        Output("pressed", "children", allow_duplicate=True),
        Input("state", "data"),
        prevent_initial_call=True,
    )
    in_browser(
        ClientsideFunction("simdl", "copy"),
        Output({"type": "copy", "name": MATCH}, "title"),
        Input({"type": "copy", "name": MATCH}, "n_clicks"),
        State({"type": "copy", "name": MATCH}, "id"),
        prevent_initial_call=True,
    )


def add_state_callbacks(app: Dash, catalog: Catalog) -> None:
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

    @app.callback(Output("possible", "data"), Input("answered", "data"), prevent_initial_call=True)
    def offer(query: str) -> Any:  # noqa: ANN401 - JSON
        try:
            return possible(parse_state(query), catalog)
        except StateError:
            return no_update  # the cards say why

    @app.callback(
        Output("address", "data", allow_duplicate=True),
        Output("pressed", "children"),
        Input("compare", "n_clicks"),
        Input(USE, "n_clicks"),
        Input(GO, "n_clicks"),
        State("state", "data"),
        prevent_initial_call=True,
    )
    def navigate(_compare: int | None, _use: list[Any], _go: list[Any], query: str | None) -> Any:  # noqa: ANN401
        if not query or not any(item["value"] for item in ctx.triggered):
            return no_update, no_update
        try:
            return "?" + changed_query(query, ctx.triggered_id), []
        except SimdlError as error:
            lines = html.Ul([html.Li(reason) for reason in reasons_of(error)])
            return no_update, [html.P("The button changed nothing, because:"), lines]


def changed_query(query: str, cause: Any) -> str:  # noqa: ANN401 - an identity
    """The state after a press of the compare button, of one that applies a fix or of one that uses a plan."""
    if cause != "compare" and cause["type"] == "go":
        return str(cause["to"])
    state = parse_state(query)
    if cause == "compare":
        alone = len(state.strategies) == 1
        both = state.strategies * 2 if alone else state.strategies[:1]
        hardware = state.hardware if alone else {}
        return format_state(replace(state, strategies=both, hardware=hardware))
    return format_state(with_plan(state, parse_state(cause["to"]), cause["side"], of=cause["of"]))


def show_controls(state: PageState, catalog: Catalog) -> list[Any]:
    """All controls in the positions of a state."""
    questions = [_question(state, side, catalog) for side, _ in enumerate(state.strategies)]
    blocks = strategy_controls(state, questions, catalog)
    parts = (
        ("Model and cluster", question_controls(state, catalog, questions[0]), True),
        ("Money and hours", money_controls(state), bool(state.criteria)),
    )
    folded = [
        html.Details([html.Summary(title), html.Div(controls, className="question")], open=opened)
        for title, controls, opened in parts
    ]
    return [*folded, html.Div(blocks, id="strategies")]


def _question(state: PageState, side: int, catalog: Catalog) -> Question | None:
    """The question of a side; None where it is refused."""
    try:
        return ask(asked_of(state, side, catalog), catalog)
    except REFUSALS:
        return None


def marked(cards: list[html.Div], query: str, *, complete: bool) -> list[html.Div]:
    """Cards that say which state they are of, and whether all of it, so that nobody who waits need guess."""
    for card in cards:
        setattr(card, "data-query", query)
        setattr(card, "data-complete", "yes" if complete else "no")
    return cards


def add_answer_callbacks(app: Dash, catalog: Catalog) -> None:
    """Cards, then figures, then the others, so that numbers never wait for drawings.

    A long step shows its bound and what needs no timeline at once, and all of it when it is simulated.
    """

    @app.callback(
        Output("verdict", "children"),
        Output("drawn", "data"),
        Output("figures", "children", allow_duplicate=True),
        Output("answered", "data"),
        Input("state", "data"),
        prevent_initial_call=True,
    )
    def verdict(query: str) -> Any:  # noqa: ANN401 - components
        try:
            state = parse_state(query)
            ask(state.asked, catalog)
        except REFUSALS as error:
            refused = marked([show_refusal(query, error, catalog)], query, complete=True)
            return refused, None, no_update, query
        shown = show_verdict(state, catalog, wait=False)
        cards = marked(shown.cards, query, complete=shown.complete or not shown.drawable)
        sketched = no_update if shown.complete else show_sketches(state, catalog)
        drawn = {"query": query, "complete": shown.complete} if shown.drawable else None
        return cards, drawn, sketched, query

    @app.callback(
        Output("verdict", "children", allow_duplicate=True),
        Output("simulated", "data"),
        Input("drawn", "data"),
        prevent_initial_call=True,
    )
    def numbers(drawn: dict[str, Any] | None) -> Any:  # noqa: ANN401 - components
        if drawn is None or drawn["complete"]:
            return no_update, drawn and drawn["query"]
        query = drawn["query"]
        cards = show_verdict(parse_state(query), catalog, wait=True).cards
        return marked(cards, query, complete=True), query

    @app.callback(
        Output("figures", "children"),
        Output("detailed", "data"),
        Input("simulated", "data"),
        prevent_initial_call=True,
    )
    def figures(query: str | None) -> Any:  # noqa: ANN401 - components
        return ([], None) if query is None else (show_figures(parse_state(query), catalog), query)

    @app.callback(
        Output("details", "children"),
        Output("details", "data-query"),
        Input("detailed", "data"),
        Input("near", "data"),
        State("details", "data-query"),
        prevent_initial_call=True,
    )
    def details(query: str | None, near: bool | None, shown: str | None) -> Any:  # noqa: ANN401 - components
        if query is not None and query == shown:
            return no_update, no_update
        if query is None or not near:
            return [], None  # those of another state must not stand below its cards
        return show_details(parse_state(query), catalog), query


def add_takeaway_callback(app: Dash, catalog: Catalog) -> None:
    """What launches the strategies, and by which frameworks."""

    @app.callback(
        Output("framework", "options"),
        Output("framework", "value"),
        Input("answered", "data"),
        State("framework", "options"),
        State("framework", "value"),
        prevent_initial_call=True,
    )
    def frameworks(query: str | None, options: list[Any], chosen: str | None) -> Any:  # noqa: ANN401 - JSON
        try:
            found = offered_frameworks(parse_state(query or ""), catalog, options, chosen)
        except REFUSALS:
            return no_update, no_update  # the cards say why
        return tuple(
            no_update if new == old else new for new, old in zip(found, (options, chosen), strict=True)
        )

    @app.callback(
        Output("launch", "children"),
        Input("answered", "data"),
        Input("framework", "value"),
        prevent_initial_call=True,
    )
    def launch(query: str | None, framework: str | None) -> Any:  # noqa: ANN401 - components
        try:
            return show_takeaway(parse_state(query or ""), catalog, framework or "")
        except REFUSALS:
            return []  # the cards say why
