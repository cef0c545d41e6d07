"""Precedence of tasks: who waits for whom, by dependency and by the order of a stream, as flat arrays."""

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simdl.program.builder import INDEX
from simdl.program.program import Program

Indices = NDArray[np.intc]


@dataclass(frozen=True, slots=True, kw_only=True)
class Precedence:
    """Links between tasks.

    Attributes:
        waiting: per task the number of tasks it waits for.
        starts: per task, and once more at the end, where its part of ``followers`` begins.
        followers: tasks that wait for it.
    """

    waiting: list[int]
    starts: "array[int]"
    followers: "array[int]"


def precedence(program: Program) -> Precedence:
    """The links of a checked program."""
    count = len(program)
    befores = np.frombuffer(program.befores, dtype=np.intc)
    tasks = np.repeat(np.arange(count, dtype=np.intc), np.diff(np.frombuffer(program.starts, dtype=np.intc)))
    earlier, later = _neighbours(program)
    before, after = np.concatenate([befores, earlier]), np.concatenate([tasks, later])
    starts = np.zeros(count + 1, dtype=np.intc)
    np.cumsum(np.bincount(before, minlength=count), out=starts[1:])
    order = np.argsort(before, kind="stable")
    return Precedence(
        waiting=np.bincount(after, minlength=count).tolist(),
        starts=array(INDEX, starts.tobytes()),
        followers=array(INDEX, after[order].tobytes()),
    )


def _neighbours(program: Program) -> tuple[Indices, Indices]:
    """Tasks that stand next to each other on some stream."""
    stream = np.frombuffer(program.stream, dtype=np.intc)
    index = np.arange(len(stream), dtype=np.intc)
    if program.held:
        more = [(task, other) for task, streams in program.held.items() for other in streams]
        alone = np.ones(len(stream), dtype=bool)
        alone[list(program.held)] = False
        index = np.concatenate([index[alone], np.array([task for task, _ in more], dtype=np.intc)])
        stream = np.concatenate([stream[alone], np.array([other for _, other in more], dtype=np.intc)])
        order = np.lexsort((index, stream))
    else:
        order = np.argsort(stream, kind="stable")
    index, stream = index[order], stream[order]
    same = stream[1:] == stream[:-1]
    return index[:-1][same], index[1:][same]
