"""Files to take away: the JSON of `simdl simulate --json`, the Chrome trace, the strategy as TOML.

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

from planner.console.output import plain_json
from planner.console.report_json import simulation_json
from planner.dashboard.answers import check_strategy, count_passes, simulation
from planner.dashboard.catalog import REFUSALS, Catalog, ask
from planner.dashboard.state import SIDES, State, format_state, parse_state
from planner.overlays.step_trace import step_trace
from planner.questions.question import Question
from planner.questions.strategy_file import format_strategy_file
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
    workload, cluster = question.workload, question.cluster
    title = f"{workload.network.name} on {cluster.name}, global batch {workload.global_batch}"
    return format_strategy_file(found.report.strategy, title=title)


FILES: Mapping[str, tuple[str, str, Callable[[Question, Simulation], str]]] = {
    "simulate.json": ("JSON", "application/json", _json),
    TRACE: ("Chrome trace", "application/json", _trace),
    "strategy.toml": ("TOML strategy", "application/toml", _strategy),
}
"""Link text, type and contents by name."""


def download_links(name: str, state: State, *, fits: bool) -> html.P:
    """Links to the files of one strategy."""
    query = format_state(state)
    links = [
        html.A(text, href=f"{ROUTE}/{TOKEN}/{name.lower()}/{file}?{query}", download=f"{name.lower()}-{file}")
        for file, (text, _, _) in FILES.items()
        if fits or file != TRACE
    ]
    return html.P(["Download: ", *(part for link in links for part in (link, " "))], className="downloads")


def add_downloads(server: Flask, catalog: Catalog) -> None:
    """Serve the files of any state whose strategy can be simulated; others get the reasons as text."""

    @server.get(f"{ROUTE}/<token>/<side>/<name>")
    def download(token: str, side: str, name: str) -> Response:
        if not compare_digest(token.encode(), TOKEN.encode()):
            abort(403, "not an address of this server's page; expected a link of the page as it runs now")
        if name not in FILES or side not in SIDES:
            abort(404)
        if not _MAKING.acquire(timeout=PATIENCE):
            abort(503, "another file is being made; try again when it is there")
        try:
            text = file_text(request.query_string.decode("ascii", "replace"), side, name, catalog)
        except REFUSALS as error:
            return Response(f"{error}\n", status=400, mimetype="text/plain")
        finally:
            _MAKING.release()
            collect()  # the events of a trace hold each other
        headers = {"Content-Disposition": f'attachment; filename="{side}-{name}"'}
        return Response(text, mimetype=FILES[name][1], headers=headers)


def file_text(query: str, side: str, name: str, catalog: Catalog) -> str:
    """Contents of a file of one strategy.

    Raises:
        StateError: the query is no state, or has no such strategy.
        StrategyError: it cannot be carried out, or has no such file.
        WorkloadError, HardwareError, SimdlError: the question is refused.
    """
    state = parse_state(query)
    number = SIDES.index(side)
    if number >= len(state.strategies):
        raise SimdlError(
            f"strategy {side.upper()}: not part of the address; expected a key such as {side}.tp"
        )
    strategy = check_strategy(state, number, catalog)
    return FILES[name][2](ask(state.asked, catalog), simulation(state.asked, catalog, strategy))
