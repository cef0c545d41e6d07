"""A plan in a process of its own: what it reports, and the function that the process runs.

A process, because it can be stopped at any moment, inside the integer program too, and because the page stays
quick while it computes. It ignores the interrupt of the terminal, which is the server's to answer.
"""

import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from planner.dashboard.catalog import REFUSALS, Asked, Catalog, ask
from planner.search.best_first import Progress
from planner.search.plan import PlanResult, plan
from readers.limits import choose_limit

PAUSE = 0.1  # [s] between two reports of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Advanced:
    """Steps done so far, and all that there are to do."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finished:
    """The answer, and the [s] that it took."""

    result: PlanResult
    wall_time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Why there is no answer."""

    message: str


Message = Advanced | Finished | Failed


def run_plan(connection: Connection, asked: Asked, catalog: Catalog, top: int, limit: int | None) -> None:
    """Plan, sending messages; the last is ``Finished`` or ``Failed``. Ends quietly if nobody listens.

    Args:
        connection: to send to.
        asked: the question.
        catalog: what may be asked for.
        top: plans to rank.
        limit: [bytes] that are taken in of one file, as ``--max-input`` said.
    """
    choose_limit(limit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(BrokenPipeError), connection:
        try:
            connection.send(_answer(connection, asked, catalog, top))
        except REFUSALS as error:
            connection.send(Failed(message=str(error)))


def _answer(connection: Connection, asked: Asked, catalog: Catalog, top: int) -> Finished:
    started, progress = time.perf_counter(), _reporter(connection)
    question = ask(asked, catalog)
    result = plan(question.workload, question.cluster, stack=question.stack, top=top, progress=progress)
    return Finished(result=result, wall_time=time.perf_counter() - started)


def _reporter(connection: Connection) -> Progress:
    """Progress that is sent, not more often than anybody looks."""
    last = -PAUSE

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PAUSE or done >= total:
            last = time.monotonic()
            connection.send(Advanced(done=done, total=total))

    return report
