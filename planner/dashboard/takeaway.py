"""What a strategy is taken away as: launch files of a framework, its TOML file, the same on the command line.

Texts stand on the page to be copied; files come by the links of :mod:`planner.dashboard.downloads`.
"""

from contextlib import suppress
from typing import Any

from dash import dcc, html

from planner.dashboard.catalog import REFUSALS, Catalog, ask
from planner.dashboard.downloads import download_link, launch_link
from planner.dashboard.launches import command_line, launch_command, launch_of, strategy_text
from planner.dashboard.sides import Side, asked_of, check_side, question_for, side_names
from planner.dashboard.state import State
from planner.launch.job import say
from planner.launch.registry import formats_of
from planner.questions.question import Question
from simdl.step.strategy import Strategy


def offered_frameworks(
    state: State, catalog: Catalog, options: list[dict[str, str]], chosen: str | None
) -> tuple[list[dict[str, str]], str]:
    """Options of the menu, and the framework that is chosen.

    Offered are those that could train the network. What was chosen stays as long as the menu does;
    else it is the first that runs the strategy of A.
    """
    question = ask(asked_of(state, 0, catalog), catalog)
    known = formats_of(question)
    known_options = [{"label": found.title, "value": name} for name, found in known.items()]
    if chosen in known and known_options == options:
        return options, chosen
    first = next(iter(known))
    with suppress(*REFUSALS):
        side = check_side(state, 0, catalog)
        whole = question_for(side.asked, catalog, side.strategy)
        first = next((name for name in known if _runs(whole, side.strategy, name)), first)
    return known_options, first


def _runs(question: Question, strategy: Strategy, framework: str) -> bool:
    try:
        launch_of(question, strategy, framework)
    except REFUSALS:
        return False
    return True


def show_takeaway(state: State, catalog: Catalog, framework: str) -> list[html.Div]:
    """The texts of every side whose strategy can be carried out."""
    shown = []
    for number, name in enumerate(side_names(state)):
        try:
            side = check_side(state, number, catalog)
        except REFUSALS:
            continue  # its card says why
        shown.append(
            html.Div(
                [html.H3(f"Strategy {name}"), *_texts(side, state, catalog, framework)], className="column"
            )
        )
    return shown


def _texts(side: Side, state: State, catalog: Catalog, framework: str) -> list[Any]:
    question = question_for(side.asked, catalog, side.strategy)
    prefix = side.name.lower()
    return [
        *_launch(question, side.strategy, framework, prefix, state),
        _text(
            "Copy strategy.toml",
            strategy_text(question, side.strategy),
            f"{prefix}-toml",
            download_link(prefix, "strategy.toml", state),
        ),
        _text("Copy simdl command", command_line(side.asked, question), f"{prefix}-command"),
    ]


def _launch(question: Question, strategy: Strategy, framework: str, prefix: str, state: State) -> list[Any]:
    """The launch command, its files and what the framework cannot express."""
    try:
        launch = launch_of(question, strategy, framework)
    except REFUSALS as error:
        return [html.P(f"{framework}: {error}", className="reasons")]
    command, files = launch_command(launch), launch.files.items()
    links = {text: launch_link(prefix, framework, name, state) for name, text in files}
    parts = [_text("Copy launch command", command, f"{prefix}-launch", links.get(command))]
    parts += [
        _text(f"Copy {name}", text, f"{prefix}-file-{place}", links[text])
        for place, (name, text) in enumerate(files)
        if text != command
    ]
    return [*parts, *(html.P(line, className="note") for line in say(launch))]


def _text(title: str, text: str, name: str, link: html.A | None = None) -> html.Details:
    """A text folded away, with a button that copies it and where there is a file of it a link to that."""
    button = html.Button(title, id={"type": "copy", "name": name}, type="button")
    shown = html.Pre(text, id={"type": "text", "name": name}, tabIndex=0)
    return html.Details([html.Summary([button, *([link] if link else [])]), shown], className="text")


def launch_panel() -> html.Details:
    """The menu of frameworks, and room for the texts."""
    menu = dcc.Dropdown(id="framework", options=[], clearable=False)
    return html.Details(
        [
            html.Summary("Launch and take away"),
            html.Div([html.Span("Framework", className="label"), menu], className="control"),
            html.Div(id="launch", className="columns"),
        ],
        open=True,
        id="takeaway",
    )
