"""Plans that the page has started: at most ``RUNNING`` at once, each in a process that a cancel ends."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from threading import Lock
from uuid import uuid4

from planner.dashboard.catalog import Asked, Catalog
from planner.dashboard.plan_process import Advanced, Failed, Finished, Ranked, Wanted, run_plan
from planner.dashboard.ranking import Row
from planner.dashboard.state import Values
from readers.limits import chosen_limit
from simdl.errors import SimdlError

RUNNING = 2  # plans at once
KEPT = 8  # plans whose answers are remembered
TOP = 50  # plans that one answer ranks at most
PATIENCE = 2.0  # [s] that an ended process is given before it is killed


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """One plan; it is running until it has an outcome.

    Attributes:
        wanted: what is planned.
        advanced: progress; None until the search begins.
        rows: the best so far, best first.
        found: how often they have changed.
        outcome: its answer or why there is none; None while it runs.
    """

    wanted: Wanted
    process: SpawnProcess
    connection: Connection
    advanced: Advanced | None = None
    rows: tuple[Row, ...] = ()
    found: int = 0
    outcome: Finished | Failed | None = None
    lock: Lock = field(default_factory=Lock)

    def poll(self) -> None:
        """Take in what the process has reported."""
        with self.lock:
            while self.outcome is None and self.connection.poll():
                self._receive()

    def cancel(self) -> None:
        """Stop the process; a plan that has its outcome keeps it."""
        with self.lock:
            if self.outcome is None:
                self._end("cancelled")

    def _receive(self) -> None:
        try:
            message = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join(PATIENCE)
            self._end(
                f"the process ended with status {self.process.exitcode}; the server's terminal says why"
            )
            return
        if isinstance(message, Advanced):
            self.advanced = message
        elif isinstance(message, Ranked):
            self._rank(message.rows)
        else:
            if isinstance(message, Finished):
                self._rank(message.rows)
            self.outcome = message
            self.process.join(PATIENCE)
            self._stop()

    def _rank(self, rows: tuple[Row, ...]) -> None:
        self.rows, self.found = rows, self.found + 1

    def _end(self, reason: str) -> None:
        self._stop()
        self.outcome = Failed(message=reason)

    def _stop(self) -> None:
        self.process.terminate()
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()


class PlanJobs:
    """The plans of one server by number."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._jobs: dict[str, Job] = {}
        self._lock = Lock()

    def start(self, asked: Asked, top: int, criteria: Values | None = None) -> str:
        """Start a plan; its number. Arguments and errors as in :meth:`start_all`."""
        return self.start_all((asked,), top, criteria)[0]

    def start_all(self, asked: Sequence[Asked], top: int, criteria: Values | None = None) -> list[str]:
        """Start a plan for every question, or none; their numbers.

        Args:
            asked: the questions.
            top: plans to rank.
            criteria: price and horizon that rows tell of.

        Raises:
            SimdlError: too many are running, or too many plans are wanted.
        """
        if not 1 <= top <= TOP:
            raise SimdlError(f"plans to rank: found {top}; expected 1 to {TOP}")
        with self._lock:
            running = sum(1 for _ in self._running())
            if running + len(asked) > RUNNING:
                raise SimdlError(f"plans running: {running}; expected {RUNNING} at most: cancel one, or wait")
            started = {uuid4().hex: Wanted(asked=each, top=top, criteria=criteria or {}) for each in asked}
            self._jobs |= {number: _start(wanted, self._catalog) for number, wanted in started.items()}
            for old in [key for key, job in self._jobs.items() if job.outcome is not None][:-KEPT]:
                del self._jobs[old]
        return list(started)

    def find(self, number: str) -> Job:
        """A plan, with all that it has reported.

        Raises:
            SimdlError: nobody started it here.
        """
        job = self._jobs.get(number)
        if job is None:
            raise SimdlError(
                "this plan is no longer known: the server was restarted, or has made others since"
            )
        job.poll()
        return job

    def jobs(self) -> tuple[Job, ...]:
        """All plans that are remembered, the oldest first."""
        return tuple(self._jobs.values())

    def close(self) -> None:
        """Stop every plan."""
        for job in self.jobs():
            job.cancel()

    def _running(self) -> Iterator[Job]:
        for job in self._jobs.values():
            job.poll()
            if job.outcome is None:
                yield job


def _start(wanted: Wanted, catalog: Catalog) -> Job:
    context = get_context("spawn")  # a fork would share the locks of the server's threads
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=run_plan, args=(theirs, wanted, catalog, chosen_limit()), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process is the end of what it sends
    return Job(wanted=wanted, process=process, connection=ours)
