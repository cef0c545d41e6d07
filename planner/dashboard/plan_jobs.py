"""Plans that the page has started: at most ``RUNNING`` at once, each in a process that a cancel ends."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from threading import Lock
from uuid import uuid4

from planner.dashboard.catalog import Asked, Catalog
from planner.dashboard.plan_process import Advanced, Failed, Finished, run_plan
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
        asked: the question.
        advanced: progress; None until the search begins.
        outcome: its answer or why there is none; None while it runs.
    """

    asked: Asked
    process: SpawnProcess
    connection: Connection
    advanced: Advanced | None = None
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
        else:
            self.outcome = message
            self.process.join(PATIENCE)
            self._stop()

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

    def start(self, asked: Asked, top: int) -> str:
        """Start a plan; its number.

        Raises:
            SimdlError: too many are running, or too many plans are wanted.
        """
        if not 1 <= top <= TOP:
            raise SimdlError(f"plans to rank: found {top}; expected 1 to {TOP}")
        with self._lock:
            if sum(1 for _ in self._running()) >= RUNNING:
                raise SimdlError(f"{RUNNING} plans are running; cancel one, or wait")
            number = uuid4().hex
            self._jobs[number] = _start(asked, self._catalog, top)
            for old in [key for key, job in self._jobs.items() if job.outcome is not None][:-KEPT]:
                del self._jobs[old]
        return number

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


def _start(asked: Asked, catalog: Catalog, top: int) -> Job:
    context = get_context("spawn")  # a fork would share the locks of the server's threads
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=run_plan, args=(theirs, asked, catalog, top, chosen_limit()), daemon=True
    )
    process.start()
    theirs.close()  # so that the end of the process is the end of what it sends
    return Job(asked=asked, process=process, connection=ours)
