"""The server: one process, a thread per request, on one address until it is interrupted."""

import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dash import Dash
from flask import Flask, abort, request
from werkzeug.serving import make_server

from planner.dashboard.callbacks import (
    add_answer_callbacks,
    add_browser_callbacks,
    add_state_callbacks,
    add_takeaway_callback,
)
from planner.dashboard.catalog import Catalog
from planner.dashboard.downloads import add_downloads
from planner.dashboard.limits import BODY
from planner.dashboard.page import page_layout
from planner.dashboard.plan_callbacks import add_plan_callbacks
from planner.dashboard.plan_jobs import PlanJobs
from simdl.errors import SimdlError

ASSETS = Path(__file__).with_name("assets")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def build_app(
    catalog: Catalog, jobs: PlanJobs, *, place: str = "", names: tuple[str, ...] = LOOPBACK
) -> Dash:
    """The application.

    Args:
        catalog: what may be asked for.
        jobs: where its plans run.
        place: address that the foot of the page names.
        names: host names under which it answers; none for any. A page elsewhere cannot reach a server on this
            machine by pointing its own name here.
    """
    app = Dash(
        "planner.dashboard",
        assets_folder=str(ASSETS),
        serve_locally=True,
        title="simdl dashboard",
        update_title="",
        suppress_callback_exceptions=True,  # controls come and go
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
    )
    app.layout = page_layout(place)
    add_browser_callbacks(app)
    add_state_callbacks(app, catalog)
    add_answer_callbacks(app, catalog)
    add_takeaway_callback(app, catalog)
    add_plan_callbacks(app, catalog, jobs)
    add_downloads(app.server, catalog)
    _limit_requests(app.server, names)
    return app


def _limit_requests(server: Flask, names: tuple[str, ...]) -> None:
    server.config["MAX_CONTENT_LENGTH"] = BODY

    @server.before_request
    def refuse_strangers() -> None:
        name = request.host.rsplit(":", 1)[0].strip("[]") if ":" in request.host else request.host
        if names and name not in names:
            abort(403, f"this server answers as {', '.join(names)}; found {name!r}")


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket on an address of this machine; port 0 takes any that is free.

    Raises:
        SimdlError: no such address, or the port is taken or reserved.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind)
    except OSError as error:
        raise SimdlError(f"--host {host}: {error.strerror}; expected an address of this machine") from error
    with found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(address)
            found.listen()
        except OSError as error:
            where = f"--host {host} --port {port}"
            raise SimdlError(f"{where}: {error.strerror}; expected a free port of this machine") from error
        yield found


@contextmanager
def until_told() -> Iterator[None]:
    """Ends without a word on an interrupt or a request to terminate, even if started with them ignored."""
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        yield


def serve(catalog: Catalog, opened: socket.socket, *, host: str, place: str) -> None:
    """Answer until interrupted; then stop every plan."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    jobs = PlanJobs(catalog)
    names = LOOPBACK if host in LOOPBACK else ()
    app = build_app(catalog, jobs, place=place, names=names)
    port = opened.getsockname()[1]
    server = make_server(host, port, app.server, threaded=True, fd=opened.fileno())
    try:
        server.serve_forever()  # returns on an interrupt
    finally:
        jobs.close()
