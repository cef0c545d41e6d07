"""A plan in a process of its own: what it reports, and the function that the process runs.

A process, because it can be stopped at any moment, inside the integer program too, and because the page stays
quick while it computes. It ignores the interrupt of the terminal, which is the server's to answer.
"""

import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from planner.dashboard.catalog import REFUSALS, Asked, Catalog, ask
from planner.dashboard.ranking import Row, ranking_rows
from planner.dashboard.state import Values
from planner.questions.question import Question
from planner.search.best_first import Progress, Watcher
from planner.search.plan import PlanResult, plan
from readers.limits import choose_limit
from simdl.report.step_report import StepReport

PAUSE = 0.1  # [s] between two reports of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be planned.

    Attributes:
        asked: the question.
        top: plans to rank.
        criteria: price and horizon, for the columns of a row.
    """

    asked: Asked
    top: int
    criteria: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advanced:
    """Steps done so far, and all that there are to do."""

    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """The best so far, best first."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finished:
    """The answer, its rows, and the [s] that it took."""

    result: PlanResult
    rows: tuple[Row, ...]
    wall_time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Why there is no answer."""

    message: str


Message = Advanced | Ranked | Finished | Failed


def run_plan(connection: Connection, wanted: Wanted, catalog: Catalog, limit: int | None) -> None:
    """Plan, sending messages; the last is ``Finished`` or ``Failed``. Ends quietly if nobody listens.

    Args:
        connection: to send to.
        wanted: what to plan.
        catalog: what may be asked for.
        limit: [bytes] that are taken in of one file, as ``--max-input`` said.
    """
    choose_limit(limit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(BrokenPipeError), connection:
        try:
            connection.send(_answer(connection, wanted, catalog))
        except REFUSALS as error:
            connection.send(Failed(message=str(error)))


def _answer(connection: Connection, wanted: Wanted, catalog: Catalog) -> Finished:
    started, question = time.perf_counter(), ask(wanted.asked, catalog)
    result = plan(
        question.workload,
        question.cluster,
        stack=question.stack,
        top=wanted.top,
        progress=_reporter(connection),
        watcher=_watcher(connection, question, wanted.criteria),
    )
    rows = ranking_rows((each.report for each in result.plans), question, wanted.criteria)
    return Finished(result=result, rows=rows, wall_time=time.perf_counter() - started)


def _reporter(connection: Connection) -> Progress:
    """Progress that is sent, not more often than anybody looks."""
    last = -PAUSE

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PAUSE or done >= total:
            last = time.monotonic()
            connection.send(Advanced(done=done, total=total))

    return report


def _watcher(connection: Connection, question: Question, criteria: Values) -> Watcher:
    """Rows that are sent as they change, the few that a search finds."""

    def watch(reports: Sequence[StepReport]) -> None:
        connection.send(Ranked(rows=ranking_rows(reports, question, criteria)))

    return watch
