"""Files to take away: JSON of `simdl simulate --json`, Chrome trace, strategy as TOML, launch files.

They are computed for the state in the address of the request; nothing is read from or written to disk. The
address holds a token that only this server's own pages know, because any page that a browser shows may embed
an address of this machine and so make it work. One file is made at a time, none of a step too long for one.
"""

import json
from collections.abc import Callable, Mapping
from gc import collect
from secrets import compare_digest, token_urlsafe
from threading import BoundedSemaphore

from dash import html
from flask import Flask, Response, abort, request

from planner.console.answers.report_json import simulation_json
from planner.console.output import plain_json
from planner.dashboard.answers import simulation
from planner.dashboard.catalog import REFUSALS, Catalog
from planner.dashboard.launches import launch_of, strategy_text
from planner.dashboard.sides import Side, check_side, count_passes, question_for
from planner.dashboard.state import SIDES, State, format_state, parse_state
from planner.overlays.step_trace import step_trace
from planner.questions.question import Question
from simdl.errors import SimdlError, StrategyError
from simdl.step.simulate import Simulation

TRACE = "trace.json"
TRACED = 50_000
"""Passes of a step whose trace is made, at most; each takes a kilobyte."""
PATIENCE = 20.0
"""[s] that a request waits for one before it."""
TOKEN = token_urlsafe(24)
"""Part of every address of a file, made anew when the server starts."""
_MAKING = BoundedSemaphore(1)
ROUTE = "/download"


def _json(question: Question, found: Simulation) -> str:
    data = plain_json(simulation_json(question, found.report))
    return json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _trace(question: Question, found: Simulation) -> str:
    """The trace, which as on the command line only a step that fits has."""
    if not found.report.feasible:
        raise StrategyError(found.report.reasons)
    passes = count_passes(question, found.report.strategy)
    if passes > TRACED:
        raise SimdlError(
            f"a step of {passes:,} passes; the page gives traces of at most {TRACED:,}, "
            "`simdl simulate --trace` more"
        )
    return json.dumps(step_trace(found), separators=(",", ":"))


def _strategy(question: Question, found: Simulation) -> str:
    return strategy_text(question, found.report.strategy)


FILES: Mapping[str, tuple[str, str, Callable[[Question, Simulation], str]]] = {
    "simulate.json": ("JSON", "application/json", _json),
    TRACE: ("Chrome trace", "application/json", _trace),
    "strategy.toml": ("TOML strategy", "application/toml", _strategy),
}
"""Link text, type and contents by name."""


def download_links(name: str, state: State, *, fits: bool) -> html.P:
    """Links to the files of one strategy."""
    links = [download_link(name.lower(), file, state) for file in FILES if fits or file != TRACE]
    return html.P(["Download: ", *(part for link in links for part in (link, " "))], className="downloads")


def download_link(side: str, file: str, state: State) -> html.A:
    """The link to one file of one strategy."""
    return html.A(
        FILES[file][0],
        href=f"{ROUTE}/{TOKEN}/{side}/{file}?{format_state(state)}",
        download=f"{side}-{file}",
    )


def launch_link(side: str, framework: str, file: str, state: State) -> html.A:
    """The link to one launch file of a framework."""
    href = f"{ROUTE}/{TOKEN}/{side}/launch/{framework}/{file}?{format_state(state)}"
    return html.A(file, href=href, download=file)


def add_downloads(server: Flask, catalog: Catalog) -> None:
    """Serve the files of any state whose strategy can be carried out; others get the reasons as text."""

    @server.get(f"{ROUTE}/<token>/<side>/<name>")
    def download(token: str, side: str, name: str) -> Response:
        _check_address(token, side)
        if name not in FILES:
            abort(404)
        return _made(f"{side}-{name}", FILES[name][1], lambda query: file_text(query, side, name, catalog))

    @server.get(f"{ROUTE}/<token>/<side>/launch/<framework>/<name>")
    def launch(token: str, side: str, framework: str, name: str) -> Response:
        _check_address(token, side)
        return _made(name, "text/plain", lambda query: launch_text(query, side, framework, name, catalog))


def _check_address(token: str, side: str) -> None:
    if not compare_digest(token.encode(), TOKEN.encode()):
        abort(403, "not an address of this server's page; expected a link of the page as it runs now")
    if side not in SIDES:
        abort(404)


def _made(name: str, mimetype: str, make: Callable[[str], str]) -> Response:
    """A file made of the request's query while no other one is made."""
    if not _MAKING.acquire(timeout=PATIENCE):
        abort(503, "another file is being made; try again when it is there")
    try:
        text = make(request.query_string.decode("ascii", "replace"))
    except REFUSALS as error:
        return Response(f"{error}\n", status=400, mimetype="text/plain")
    finally:
        _MAKING.release()
        collect()  # the events of a trace hold each other
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, mimetype=mimetype, headers=headers)


def file_text(query: str, side: str, name: str, catalog: Catalog) -> str:
    """Contents of a file of one strategy.

    Raises:
        StateError: the query is no state, or has no such strategy.
        StrategyError: it cannot be carried out, or has no such file.
        WorkloadError, HardwareError, SimdlError: the question is refused.
    """
    found = _side(query, side, catalog)
    question = question_for(found.asked, catalog, found.strategy)
    return FILES[name][2](question, simulation(found.asked, catalog, found.strategy))


def launch_text(query: str, side: str, framework: str, name: str, catalog: Catalog) -> str:
    """A launch file of one strategy; errors as in :func:`file_text`.

    Raises:
        LaunchError: no such framework, or it cannot run the strategy.
        SimdlError: it has no such file.
    """
    found = _side(query, side, catalog)
    launch = launch_of(question_for(found.asked, catalog, found.strategy), found.strategy, framework)
    if name not in launch.files:
        raise SimdlError(f"{framework}: found {name!r}; expected {' or '.join(launch.files)}")
    return launch.files[name]


def _side(query: str, side: str, catalog: Catalog) -> Side:
    state = parse_state(query)
    number = SIDES.index(side)
    if number >= len(state.strategies):
        raise SimdlError(
            f"strategy {side.upper()}: not part of the address; expected a key such as {side}.tp"
        )
    return check_side(state, number, catalog)
