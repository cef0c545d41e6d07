"""Holdings: which task holds which stream, as flat arrays."""

from array import array
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from simdl.program.program import Program

Indices = NDArray[np.intp]


def indices(column: "array[int]") -> Indices:
    """A column of a program as indices."""
    return np.frombuffer(column, dtype=np.intc).astype(np.intp)


def holdings(program: Program) -> tuple[Indices, Indices]:
    """Tasks and the streams that they hold, pair by pair: a task that holds several stands several times."""
    tasks, streams = np.arange(len(program)), indices(program.stream)
    if not program.held:
        return tasks, streams
    several = np.fromiter(program.held, dtype=np.intp)
    widths = np.fromiter(map(len, program.held.values()), dtype=np.intp)
    single = np.ones(len(program), dtype=bool)
    single[several] = False
    held = np.fromiter(chain.from_iterable(program.held.values()), dtype=np.intp)
    return (
        np.concatenate([tasks[single], np.repeat(several, widths)]),
        np.concatenate([streams[single], held]),
    )
