"""Repeated programs: columns and times of a long program from those of a short one with rounds in it.

A round is a stretch of neighbouring tasks of one rank that comes again and again. Inserting more rounds moves
what stands behind them; what a task waits for moves along.
"""

from array import array
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simdl.program.builder import INDEX
from simdl.program.program import Program

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The tasks of one rank, with rounds among them.

    Attributes:
        begin, end: of all tasks of the rank.
        first, stop: of those that are whole rounds, one after another.
        length: tasks of a round.
    """

    begin: int
    end: int
    first: int
    stop: int
    length: int

    @property
    def rounds(self) -> int:
        """How many follow one another."""
        return (self.stop - self.first) // self.length

    def place(self, number: int) -> int:
        """First task of a round."""
        return self.first + number * self.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """Rounds to be inserted.

    Attributes:
        stretches: per rank, in the order of the program; all its tasks.
        before: round before which they are.
        count: of them.
        microbatches: of each.
    """

    stretches: tuple[Stretch, ...]
    before: int
    count: int
    microbatches: int


def repeats(program: Program, found: Repetition) -> bool:
    """Whether rounds do the same and wait for rounds alone, so that a program takes more of them."""
    action, stream = _column(program.action), _column(program.stream)
    for each in found.stretches:
        own = slice(each.first, each.stop - each.length)
        later = slice(each.first + each.length, each.stop)
        if (action[own] != action[later]).any() or (stream[own] != stream[later]).any():
            return False
    rank = _ranks(program, found)
    place, first, stop, end = (
        np.array(values)[rank]
        for values in zip(
            *(
                (each.place(found.before), each.first, each.stop, each.place(found.before + 1))
                for each in found.stretches
            ),
            strict=True,
        )
    )
    waited = _column(program.befores)
    waiting = np.repeat(np.arange(len(program)), np.diff(_column(program.starts)))
    behind = waiting >= place[waiting]  # moves with what it waits for, which must be a round or behind them
    repeated = waiting < end[waiting]  # is where it was, or a round: so is what it waits for
    return bool((waited >= first[waited])[behind].all() and (waited < stop[waited])[repeated].all())


def repeated(program: Program, found: Repetition) -> Program:
    """The program with rounds inserted; :func:`repeats` must hold."""
    task, number = copies(found)
    rank, before = _ranks(program, found), _column(program.befores)
    lengths = np.array([each.length for each in found.stretches])
    moved = np.arange(len(found.stretches)) * 0 + found.count * lengths
    offsets = (np.cumsum(moved) - moved)[rank]
    counts = np.diff(_column(program.starts))[task]
    starts = np.concatenate([[0], np.cumsum(counts)])
    source = np.arange(starts[-1]) + np.repeat(_column(program.starts)[task] - starts[:-1], counts)
    waited = before[source]
    befores = waited + offsets[waited] + np.repeat(number, counts) * lengths[rank[waited]]
    microbatch = _column(program.microbatch)[task]
    return replace(
        program,
        action=_array(_column(program.action)[task]),
        stream=_array(_column(program.stream)[task]),
        microbatch=_array(np.where(microbatch < 0, microbatch, microbatch + number * found.microbatches)),
        starts=_array(starts),
        befores=_array(befores),
    )


def copies(found: Repetition) -> tuple[Indices, Indices]:
    """Per task of the long program the one that it is a copy of, and how many rounds later it comes."""
    tasks, rounds = [], []
    for each in found.stretches:
        place = each.place(found.before)
        once = np.arange(place, place + each.length)
        tasks += [np.arange(each.begin, place), np.tile(once, found.count), np.arange(place, each.end)]
        rounds += [
            np.zeros(place - each.begin, dtype=np.int64),
            np.repeat(np.arange(found.count), each.length),
            np.full(each.end - place, found.count),
        ]
    return np.concatenate(tasks), np.concatenate(rounds)


def _ranks(program: Program, found: Repetition) -> Indices:
    """Per task the number of its stretch."""
    return np.searchsorted([each.end for each in found.stretches], np.arange(len(program)), side="right")


def _column(values: "array[int]") -> Indices:
    return np.frombuffer(values, dtype=np.intc).astype(np.int64)


def _array(values: Indices) -> "array[int]":
    return array(INDEX, values.astype(np.intc).tobytes())
