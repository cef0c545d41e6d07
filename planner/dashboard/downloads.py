"""Files to take away: the JSON of `simdl simulate --json`, the Chrome trace, the strategy as TOML.

They are computed for the state in the address of the request; nothing is read from or written to disk.
"""

import json
from collections.abc import Callable, Mapping

from dash import html
from flask import Flask, Response, abort, request

from planner.console.output import plain_json
from planner.console.report_json import simulation_json
from planner.dashboard.answers import check_strategy, simulation
from planner.dashboard.catalog import REFUSALS, Catalog, ask
from planner.dashboard.state import SIDES, State, format_state, parse_state
from planner.overlays.step_trace import step_trace
from planner.questions.question import Question
from planner.questions.strategy_file import format_strategy_file
from simdl.errors import SimdlError, StrategyError
from simdl.step.simulate import Simulation

TRACE = "trace.json"
ROUTE = "/download"


def _json(question: Question, found: Simulation) -> str:
    data = plain_json(simulation_json(question, found.report))
    return json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _trace(_question: Question, found: Simulation) -> str:
    """The trace, which as on the command line only a step that fits has."""
    if not found.report.feasible:
        raise StrategyError(found.report.reasons)
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
        html.A(text, href=f"{ROUTE}/{name.lower()}/{file}?{query}", download=f"{name.lower()}-{file}")
        for file, (text, _, _) in FILES.items()
        if fits or file != TRACE
    ]
    return html.P(["Download: ", *(part for link in links for part in (link, " "))], className="downloads")


def add_downloads(server: Flask, catalog: Catalog) -> None:
    """Serve the files of any state whose strategy can be simulated; others get the reasons as text."""

    @server.get(f"{ROUTE}/<side>/<name>")
    def download(side: str, name: str) -> Response:
        if name not in FILES or side not in SIDES:
            abort(404)
        try:
            text = file_text(request.query_string.decode("ascii", "replace"), side, name, catalog)
        except REFUSALS as error:
            return Response(f"{error}\n", status=400, mimetype="text/plain")
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
