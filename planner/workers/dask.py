"""Pieces of work on the workers of a Dask cluster that runs already (extra ``dask``).

Dask gives the piece of a worker that ends to another one. Pieces of one process take turns, because a worker
may have several threads and simulations share what is remembered. Workers need this release of simdl.
"""

import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from uuid import uuid4

from planner.workers.agenda import in_order
from planner.workers.outcome import Crashed, Done, Lost, Outcome, lost_reason
from planner.workers.worker import answer_of
from simdl.errors import SimdlError

Piece = TypeVar("Piece")
Result = TypeVar("Result")
CONNECT, FETCH, ANYBODY, LOOK = 10.0, 10.0, 60.0, 2.0
"""[s] to reach the scheduler, to fetch a result, without any worker before giving up, and between looks."""
_TURN = threading.Lock()


def run_on_dask(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], groups: Sequence[str], *, scheduler: str
) -> Iterator[tuple[int, Outcome[Result]]]:
    """Place and outcome of every piece, as they come.

    Args:
        work: a function of a module that the workers have.
        pieces: what it is called with.
        groups: of each piece; those of one group are handed out one after another.
        scheduler: address such as ``tcp://host:8786``.

    Raises:
        SimdlError: Dask is not installed, there is no such scheduler, or it has no workers (any more).
    """
    client = _client(scheduler)
    finished: SimpleQueue[Any] = SimpleQueue()
    futures: dict[str, Any] = {}
    places: dict[str, int] = {}

    def submit(place: int) -> None:
        future = client.submit(_in_turn, work, pieces[place], key=f"simdl-{uuid4().hex}", pure=False)
        futures[future.key], places[future.key] = future, place
        future.add_done_callback(finished.put)

    try:
        for place in in_order(groups):
            submit(place)
        while places:
            future = _next(finished, client, scheduler)
            place, outcome = places.pop(future.key), _outcome(future, scheduler)
            futures.pop(future.key).release()
            if outcome is None:
                submit(place)
            else:
                yield place, outcome
    finally:
        client.close(timeout=CONNECT)


def _client(scheduler: str) -> Any:  # noqa: ANN401 - Dask may be missing
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SimdlError(
            f"--scheduler {scheduler}: Dask cannot be imported ({error}); expected the extra dask: "
            "pip install 'simdl[dask]'"
        ) from None
    try:
        return Client(scheduler, timeout=CONNECT, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise SimdlError(
            f"--scheduler {scheduler}: no Dask scheduler answers ({error}); expected the address of a "
            "running one such as tcp://host:8786"
        ) from None


def _in_turn(work: Callable[[Piece], Result], piece: Piece) -> bytes:
    """One piece at a time in a process, however many threads it has; pickled as a local worker's answer."""
    with _TURN:
        return answer_of(work, piece)


def _next(finished: "SimpleQueue[Any]", client: Any, scheduler: str) -> Any:  # noqa: ANN401
    """The next future that is over.

    Raises:
        SimdlError: nobody is left to work.
    """
    alone = 0.0  # [s] without workers
    while True:
        try:
            return finished.get(timeout=LOOK)
        except Empty:
            alone = alone + LOOK if client.status == "running" and not _workers(client) else 0.0
            if client.status in {"closed", "closing"} or alone >= ANYBODY:
                raise SimdlError(
                    f"--scheduler {scheduler}: no worker for {ANYBODY:.0f} s; expected running workers (what "
                    "was answered is kept, and the same command goes on)"
                ) from None


def _workers(client: Any) -> int:  # noqa: ANN401
    try:
        return len(client.scheduler_info()["workers"])
    except (OSError, KeyError):
        return 0


def _outcome(future: Any, scheduler: str) -> Outcome[Any] | None:  # noqa: ANN401
    """What became of a piece; None where its worker ended with the result, before anybody fetched it.

    Raises:
        SimdlError: workers or scheduler cannot go on.
    """
    if future.status == "finished":
        try:
            told = future.result(timeout=FETCH)
        except (TimeoutError, OSError):
            return None
        whole, answer, seconds = pickle.loads(told)  # noqa: S301 - from our own worker
        return Done(result=answer, seconds=seconds) if whole else Crashed(reason=answer)
    if future.status == "lost":  # the worker with the result ended while it was told of
        return None
    if future.status != "error":
        raise SimdlError(
            f"--scheduler {scheduler}: gave up a piece of work ({future.status}); expected a scheduler that "
            "runs until the end (what was answered is kept, and the same command goes on)"
        )
    error = future.exception()
    if type(error).__name__ == "KilledWorker":
        return Lost(reason=lost_reason("killed, as Dask says"))
    raise SimdlError(
        f"--scheduler {scheduler}: a worker cannot do the work ({type(error).__name__}: {error}); expected "
        "workers with this release of simdl"
    )
