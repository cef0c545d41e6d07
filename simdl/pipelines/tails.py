"""Tails: what a rank still runs from the pass on that completes the gradients of one of its stages.

Reductions follow one another in a lane beside the passes, so from there on they take at least all that is
left to reduce. Where a rank runs all microbatches through one of its stages before the next one, as
breadth-first orders do, many passes are left when the first of its stages is complete.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simdl.pipelines.passes import Orders, PassKind, passes_of
from simdl.pipelines.registry import pipeline
from simdl.pipelines.remembered import remembered

Counts = NDArray[np.int64]
SMALL = (2, 2)
"""Ranks and virtual stages of the pipeline on which it is seen whether tails grow."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tails:
    """What is left at each completion.

    Attributes:
        stages: [ranks x completions] stages in the order in which a rank completes them.
        counts: by kind [ranks x completions x stages] passes from the completing one on, itself among them.
    """

    stages: Counts
    counts: Mapping[PassKind, Counts]


@remembered(1024)
def tails_grow(name: str) -> bool:
    """Whether more microbatches leave more passes behind the first completion of a rank of several stages."""
    found = pipeline(name)
    if any(found.problems(SMALL[0], 4 * SMALL[0], SMALL[1])):
        return False
    first = found.settled(*SMALL)
    return _growth(name, SMALL[0], first + -first % SMALL[0], SMALL[1]) is not None


@remembered(4096)
def tails(name: str, ranks: int, microbatches: int, virtual_stages: int) -> Tails | None:
    """The tails of an order; None where they do not grow with it, so that the last completion says as much.

    Those of a long order follow from short ones (``Pipeline.settled``).
    """
    found, chain = pipeline(name), ranks * virtual_stages
    settled = found.settled(ranks, virtual_stages)
    first = settled + (microbatches - settled) % ranks
    grown = _growth(name, ranks, first, virtual_stages)
    if grown is None:
        return None
    if microbatches < first:
        return _read(found.build(ranks, microbatches, virtual_stages), chain)
    short, growth = grown
    times = (microbatches - first) // ranks
    counts = {kind: each + times * growth[kind] for kind, each in short.counts.items()}
    return Tails(stages=short.stages, counts=counts)


@remembered(1024)
def _growth(
    name: str, ranks: int, first: int, virtual_stages: int
) -> tuple[Tails, Mapping[PassKind, Counts]] | None:
    """The tails of a short order, and what they grow by with as many microbatches more as there are ranks.

    None where they do not grow, or not alike.
    """
    found, sizes = pipeline(name), [first + more * ranks for more in range(3)]
    if any(reason for size in sizes for reason in found.problems(ranks, size, virtual_stages)):
        return None
    read = (_read(found.build(ranks, size, virtual_stages), ranks * virtual_stages) for size in sizes)
    short, longer = next(read), next(read)
    growth = _longer(short, longer)
    if growth is None or not any(each.any() for each in growth.values()):
        return None
    again = _longer(longer, next(read))
    alike = again is not None and all(np.array_equal(again[kind], each) for kind, each in growth.items())
    return (short, growth) if alike else None


def _longer(short: Tails, longer: Tails) -> Mapping[PassKind, Counts] | None:
    """What more the tails of the longer of two orders hold; None where they complete stages otherwise."""
    if not np.array_equal(short.stages, longer.stages):
        return None
    return {kind: longer.counts[kind] - each for kind, each in short.counts.items()}


def _read(orders: Orders, chain: int) -> Tails:
    """The tails of orders of a pipeline that holds every stage once."""
    stages: list[list[int]] = []
    counts: dict[PassKind, list[list[list[int]]]] = {kind: [] for kind in PassKind}
    for order in orders:
        left: Counter[tuple[PassKind, int]] = Counter()
        completed: dict[int, Counter[tuple[PassKind, int]]] = {}
        for entry in reversed(order):
            passes = passes_of(entry)
            left.update((one.kind, one.stage) for one in passes)
            completed |= {
                one.stage: left.copy() for one in passes if one.kind.completes and one.stage not in completed
            }
        stages.append([*reversed(completed)])
        for kind, rows in counts.items():
            rows.append(
                [[each[kind, stage] for stage in range(chain)] for each in reversed(completed.values())]
            )
    return Tails(stages=np.array(stages), counts={kind: np.array(rows) for kind, rows in counts.items()})
