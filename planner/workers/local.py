"""Pieces of work on worker processes of this machine, each under the hand of a thread.

A worker that ends, killed or out of memory, takes nothing with it: its piece goes to a new worker, up to
``ATTEMPTS`` times in all, and what others work on is not touched (a pool of ``concurrent.futures`` gives up
all of them).
"""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

from planner.workers.agenda import Agenda
from planner.workers.outcome import ATTEMPTS, Crashed, Done, Lost, Outcome, lost_reason

Piece = TypeVar("Piece")
Result = TypeVar("Result")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that keep libraries of linear algebra to one thread: the workers themselves fill the cores."""
PATIENCE = 5.0  # [s] for a process that has been killed


def run_locally(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], groups: Sequence[str], *, workers: int
) -> Iterator[tuple[int, Outcome[Result]]]:
    """Place and outcome of every piece, as they come.

    Args:
        work: a function of a module.
        pieces: what it is called with.
        groups: of each piece; those of one group share prices.
        workers: processes at a time.
    """
    agenda, outcomes = Agenda(groups), SimpleQueue[Any]()
    hands = [_Hand(work, pieces, agenda, outcomes) for _ in range(min(workers, len(pieces)))]
    try:
        for hand in hands:
            hand.start()
        for _ in pieces:
            found = outcomes.get()
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        agenda.close()
        for hand in hands:
            hand.stop()


class _Hand(Thread, Generic[Piece, Result]):
    """Leads one worker process after another through pieces of an agenda."""

    def __init__(
        self,
        work: Callable[[Piece], Result],
        pieces: Sequence[Piece],
        agenda: Agenda,
        outcomes: "SimpleQueue[Any]",
    ) -> None:
        super().__init__(daemon=True)
        self._work, self._pieces, self._agenda, self._outcomes = work, pieces, agenda, outcomes
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(self) -> None:
        """Work until nothing is left."""
        try:
            taken = self._agenda.take(None)
            while taken is not None and not self._stopped:
                place, group = taken
                self._outcomes.put((place, self._outcome(self._pieces[place])))
                taken = self._agenda.take(group)
        except BaseException as error:  # noqa: BLE001 - raised by who waits for outcomes
            self._outcomes.put(error)
        finally:
            self._end()

    def stop(self) -> None:
        """End the worker at once, and the thread with it."""
        self._stopped = True
        self._end()
        if self.ident is not None:
            self.join(PATIENCE)

    def _outcome(self, piece: Piece) -> Outcome[Result]:
        how = ""
        for _ in range(ATTEMPTS):
            if self._stopped:
                break
            process = self._process = self._process or _start(self._work)
            try:
                return _asked(process, piece)
            except (OSError, EOFError, pickle.UnpicklingError, ValueError):
                self._end()
                how = _ending(process.returncode)
                self._process = None
        return Lost(reason=lost_reason(how))

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        with suppress(OSError):
            process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        for stream in (process.stdin, process.stdout):
            with suppress(OSError, ValueError):
                if stream is not None:
                    stream.close()


def _start(work: Callable[[Piece], Result]) -> "subprocess.Popen[bytes]":
    """A worker that imports what this process does from where this process does."""
    places = os.pathsep.join(os.path.abspath(place) for place in sys.path)  # noqa: PTH100 - '' is here
    single = {name: os.environ.get(name, "1") for name in THREADS}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "planner.workers.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **single, "PYTHONPATH": places},
    )
    with suppress(OSError):  # of a process that ended at once: told when it is asked
        _send(process, work)
    return process


def _send(process: "subprocess.Popen[bytes]", what: object) -> None:
    assert process.stdin is not None  # noqa: S101 (it was asked for)
    process.stdin.write(pickle.dumps(what))
    process.stdin.flush()


def _asked(process: "subprocess.Popen[bytes]", piece: Piece) -> Outcome[Result]:
    assert process.stdout is not None  # noqa: S101 (it was asked for)
    _send(process, piece)
    whole, answer, seconds = pickle.load(process.stdout)  # noqa: S301 - from our own worker
    return Done(result=answer, seconds=seconds) if whole else Crashed(reason=answer)


def _ending(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None or code >= 0:
        return f"exit status {code}"
    with suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"
