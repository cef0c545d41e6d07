"""Companions: processes that run the same case at the same time as the one that measures.

Ranks of one host share its memory bandwidth and caches, so the speed of a rank's kernels is what is left
while the others run theirs.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol, Self

from validation.errors import MeasurementError
from validation.microbenchmarks.backend import Backend, OutOfMemoryError, UnsupportedCaseError
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.timing import Ring

PATIENCE = 120.0
"""[s] after which a companion that does not answer is given up."""

SLICE = 2e-3
"""[s] between two looks at the connection."""


class Companions(Protocol):
    """Whoever runs beside a measurement."""

    def running(self, index: int) -> AbstractContextManager[Callable[[], None]]:
        """A context in which all companions run the case of this index, once its value has been called."""


class Alone:
    """No companions."""

    def running(self, index: int) -> AbstractContextManager[Callable[[], None]]:
        """Nothing runs beside the measurement."""
        del index
        return nullcontext(lambda: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A process and the connection to it."""

    process: Any
    connection: Connection


class Processes:
    """Companions in processes of their own; a context, at whose end they are gone.

    Args:
        count: how many.
        target: function of a connection and ``arguments`` that serves it (see :func:`serve`).
        arguments: picklable.
    """

    def __init__(self, count: int, target: Any, arguments: tuple[object, ...]) -> None:  # noqa: ANN401
        self._context = multiprocessing.get_context("spawn")
        self._companions = [self._start(target, arguments) for _ in range(count)]

    def _start(self, target: Any, arguments: tuple[object, ...]) -> Companion:  # noqa: ANN401
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=target, args=(theirs, *arguments), daemon=True)
        process.start()
        theirs.close()
        return Companion(process=process, connection=ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for companion in self._companions:
            companion.process.terminate()
            companion.process.join()
            companion.connection.close()

    @contextmanager
    def running(self, index: int) -> Iterator[Callable[[], None]]:
        """All companions run the case of this index until the context ends.

        They prepare it while this process does; the value of the context waits until all of them run it.

        Raises:
            OutOfMemoryError: a companion has no memory for it; raised where the value is called.
            UnsupportedCaseError: a companion cannot run it; the same.
            MeasurementError: a companion ended or does not answer.
        """
        silent = list(self._companions)

        def wait() -> None:
            while silent:
                _raise(_answer(silent.pop()))

        for companion in self._companions:
            _order(companion, index)
        try:
            yield wait
        finally:
            for companion in silent:
                _answer(companion)
            for companion in self._companions:
                _order(companion, None)
                _answer(companion)


def _order(companion: Companion, index: int | None) -> None:
    """Tell a companion the case to run, or to stop; whether it is there shows in its answer."""
    with suppress(OSError):
        companion.connection.send(index)


def _answer(companion: Companion) -> str:
    """What a companion says to its last order.

    Raises:
        MeasurementError: the process ended or does not answer.
    """
    try:
        if companion.connection.poll(PATIENCE):
            return str(companion.connection.recv())
    except (EOFError, OSError):
        pass
    code = companion.process.exitcode
    state = "does not answer" if code is None else f"ended with status {code}"
    raise MeasurementError(f"a process that measures beside this one {state}; expected it to run on")


def _raise(answer: str) -> None:
    if answer.startswith("out of memory"):
        raise OutOfMemoryError(answer.removeprefix("out of memory: "))
    if answer.startswith("not supported"):
        raise UnsupportedCaseError(answer.removeprefix("not supported: "))


def serve(connection: Connection, backend: Backend, cases: Sequence[Case]) -> None:
    """What a companion does: runs the case it is told, again and again, until it is told to stop."""
    while True:
        try:
            index = connection.recv()
        except EOFError:
            return
        if index is None:
            connection.send("idle")
            continue
        _repeat(connection, backend, cases[index])


def _repeat(connection: Connection, backend: Backend, case: Case) -> None:
    try:
        prepared = backend.prepare(case)
    except UnsupportedCaseError as error:
        connection.send(f"not supported: {error}")
        return
    except OutOfMemoryError as error:
        connection.send(f"out of memory: {error}")
        return
    ring = Ring(prepared.calls)
    with prepared.background():
        ring()
        connection.send("running")
        while not connection.poll():
            until = time.monotonic() + SLICE
            while time.monotonic() < until:
                ring()
    backend.release()
