"""Pipeline: a named order of passes and what it asks of a training loop; one file of this package each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simdl.pipelines.passes import Orders

Moments = NDArray[np.int64]


def single_stage(_ranks: int, _microbatches: int, virtual_stages: int) -> Iterator[str]:
    """For pipelines with one stage per rank."""
    if virtual_stages != 1:
        yield f"virtual stages: found {virtual_stages}; expected 1"


def any_size(_ranks: int, _microbatches: int, _virtual_stages: int) -> Iterator[str]:
    """For pipelines that take every size."""
    return iter(())


def round_robin(stage: int, ranks: int, _virtual_stages: int) -> int:
    """Chunk c of rank r is virtual stage c * ranks + r."""
    return stage % ranks


def twice_the_ranks(ranks: int, _virtual_stages: int) -> int:
    """Microbatches from which on most orders are regular."""
    return 2 * ranks


def one_version(_rank: int, _ranks: int) -> int:
    """For pipelines whose microbatches of a step all see the same weights."""
    return 1


def no_staleness(_rank: int, _ranks: int) -> int:
    """For pipelines whose gradients are of the weights that they update."""
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A pipeline order. A microbatch runs through ``chain`` = ranks * virtual stages stages.

    Attributes:
        name: as strategies write it.
        description: one line.
        build: ranks, microbatches and virtual stages per rank to the order of every rank.
        problems: reasons why a size is refused, with the same arguments.
        place: rank of a virtual stage; stage, ranks, virtual stages per rank.
        copies: how often a replica holds every stage; stage s of copy c is number c * chain + s, and a
            microbatch runs through one copy.
        synchronised: False where the published bubble needs the ranks to go from step to step without
            waiting for each other.
        flushes: False where microbatches of the next step enter before those of this one have left, so that
            several steps are one long order.
        changes_update: gradients are of other weights than in synchronous training.
        conditions: sentences on when the published bubble and memory hold.
        versions: weights that a rank of so many holds.
        staleness: updates that a rank's gradients lag behind.
        settled: microbatches from which on every further ``ranks`` of them only lengthen the steady state:
            the live activations at the peaks grow by a constant, possibly 0; ranks, virtual stages per rank.
        moments: closed form of what ranks hold when they may hold most, where the planner needs it quickly:
            ranks, microbatches, virtual stages per rank to [ranks x moments x stages of a rank, ascending]
            live activations. None: read off the order, which says the same.
        lags: closed form of the lags of a long order (:mod:`simdl.pipelines.lags`) where ranks have one stage
            each, for the same reason: ranks to [stages] limits and [stages] leads.
    """

    name: str
    description: str
    build: Callable[[int, int, int], Orders]
    problems: Callable[[int, int, int], Iterator[str]] = single_stage
    place: Callable[[int, int, int], int] = round_robin
    copies: int = 1
    synchronised: bool = True
    flushes: bool = True
    changes_update: bool = False
    conditions: tuple[str, ...] = ()
    versions: Callable[[int, int], int] = one_version
    staleness: Callable[[int, int], int] = no_staleness
    settled: Callable[[int, int], int] = twice_the_ranks
    moments: Callable[[int, int, int], Moments] | None = None
    lags: Callable[[int], tuple[Moments, Moments]] | None = None
