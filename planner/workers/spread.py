"""Work on many independent pieces: the one way in which simdl uses several processes for its questions."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from planner.workers.dask import run_on_dask
from planner.workers.local import run_locally
from planner.workers.outcome import Crashed, Lost, Outcome
from simdl.errors import SimdlError

Piece = TypeVar("Piece")
Result = TypeVar("Result")
Told = Callable[[int, int, int, Callable[[], float]], None]
"""Told what is done in all, what of it was done now, the total, and what share of the work now is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """Who works: processes of this machine, or a Dask cluster in place of them."""

    workers: int = 1
    scheduler: str | None = None


ALONE = Hands()
"""This process itself."""


def spread(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    *,
    groups: Sequence[str] = (),
    workers: int = 1,
    scheduler: str | None = None,
) -> Iterator[tuple[int, Outcome[Result]]]:
    """Place and outcome of every piece, once each and as they come.

    Args:
        work: a function of a module (it is pickled by name); its result must be picklable.
        pieces: what it is called with; picklable.
        groups: of each piece; pieces of one group share prices and go to one worker where possible.
        workers: processes of this machine.
        scheduler: address of a Dask cluster that takes the place of them; None for this machine.

    Raises:
        SimdlError: the Dask cluster is not there.
    """
    shared = groups or [""] * len(pieces)
    if scheduler is not None:
        return run_on_dask(work, pieces, shared, scheduler=scheduler)
    return run_locally(work, pieces, shared, workers=workers)


def spread_in_order(
    work: Callable[[Piece], Result],
    pieces: Sequence[Piece],
    *,
    groups: Sequence[str] = (),
    workers: int = 1,
    scheduler: str | None = None,
) -> Iterator[Result]:
    """Results in the order of the pieces; one worker is this process itself.

    Raises:
        SimdlError: a piece was given up, or the Dask cluster is not there.
    """
    if workers == 1 and scheduler is None:
        yield from map(work, pieces)
        return
    early: dict[int, Result] = {}
    following = 0
    for place, outcome in spread(work, pieces, groups=groups, workers=workers, scheduler=scheduler):
        if isinstance(outcome, Lost | Crashed):
            raise SimdlError(f"piece {place + 1} of {len(pieces)}: {outcome.reason}")
        early[place] = outcome.result
        while following in early:
            yield early.pop(following)
            following += 1
