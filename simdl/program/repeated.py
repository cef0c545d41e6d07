"""Repeated programs: columns and times of a long program from those of a short one with rounds in it.

A round is a stretch of neighbouring tasks of one rank that comes again and again. Inserting more rounds moves
what stands behind them; what a task waits for moves along. A program of several steps in a row has rounds in
every step, and as many more are inserted into each.
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
    """The tasks of one rank in one step, with rounds among them.

    Attributes:
        begin, end: of all these tasks.
        first, stop: of those that are whole rounds, one after another.
        length: tasks of a round.
        step: of several in a row.
        before: round before which others are inserted.
    """

    begin: int
    end: int
    first: int
    stop: int
    length: int
    step: int
    before: int = 0

    @property
    def rounds(self) -> int:
        """How many follow one another."""
        return (self.stop - self.first) // self.length

    def place(self, number: int) -> int:
        """First task of a round."""
        return self.first + number * self.length

    @property
    def insertion(self) -> int:
        """The task before which rounds are inserted."""
        return self.place(self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """Rounds to be inserted.

    Attributes:
        stretches: of all ranks and steps in the order of the program; all its tasks.
        count: of rounds inserted into each.
        microbatches: of a step of the short program.
        labels: (first number, what is added to it, what each round adds) of microbatches by rising first
            number, which those of one copy of the stages share.
    """

    stretches: tuple[Stretch, ...]
    count: int
    microbatches: int
    labels: tuple[tuple[int, int, int], ...]

    @property
    def long(self) -> int:
        """Microbatches of a step of the long program."""
        return self.microbatches + self.count * sum(step for _, _, step in self.labels)


def repeats(program: Program, found: Repetition) -> bool:
    """Whether rounds do the same and wait for rounds alone, so that a program takes more of them."""
    action, stream = _column(program.action), _column(program.stream)
    for each in found.stretches:
        own = slice(each.first, each.stop - each.length)
        later = slice(each.first + each.length, each.stop)
        if (action[own] != action[later]).any() or (stream[own] != stream[later]).any():
            return False
    place, waiting, waited = _waits(program, found)
    insertion, first, stop, step = (
        np.array([getattr(each, name) for each in found.stretches])[place]
        for name in ("insertion", "first", "stop", "step")
    )
    end = insertion + np.array([each.length for each in found.stretches])[place]
    behind = waiting >= insertion[waiting]  # moves with what it waits for: a round, or behind them
    repeated = waiting < end[waiting]  # is where it was, or a round: so is what it waits for
    same = step[waiting] == step[waited]
    inside = (first <= np.arange(len(place))) & (np.arange(len(place)) < stop)
    return bool(
        (waited >= first[waited])[behind & same].all()
        and (waited < stop[waited])[repeated & same].all()
        and not (inside[waiting] | inside[waited])[~same].any()
    )


def repeated(program: Program, found: Repetition) -> Program:
    """The program with rounds inserted; :func:`repeats` must hold."""
    task, number = copies(found)
    own, _, before = _waits(program, found)
    lengths, insertion, step = (
        np.array([getattr(each, name) for each in found.stretches])
        for name in ("length", "insertion", "step")
    )
    moved = found.count * lengths
    offsets = (np.cumsum(moved) - moved)[own]
    counts = np.diff(_column(program.starts))[task]
    starts = np.concatenate([[0], np.cumsum(counts)])
    source = np.arange(starts[-1]) + np.repeat(_column(program.starts)[task] - starts[:-1], counts)
    waited = before[source]
    place = own[waited]
    later = np.where(  # of another step it is what stands before all its rounds, or behind them
        step[place] == np.repeat(step[own[task]], counts),
        np.repeat(number, counts),
        found.count * (waited >= insertion[place]),
    )
    return replace(
        program,
        action=_array(_column(program.action)[task]),
        stream=_array(_column(program.stream)[task]),
        microbatch=_array(_relabelled(_column(program.microbatch)[task], number, found)),
        starts=_array(starts),
        befores=_array(waited + offsets[waited] + later * lengths[place]),
    )


def _relabelled(label: Indices, number: Indices, found: Repetition) -> Indices:
    """Numbers of microbatches in the long program, of tasks so many rounds later; below 0 they stay."""
    first, moved, of_round = (np.array(column) for column in zip(*found.labels, strict=True))
    step, own = np.divmod(label, found.microbatches)
    copy = np.searchsorted(first, own, side="right") - 1
    long: Indices = step * found.long + own + moved[copy] + number * of_round[copy]
    return np.where(label < 0, label, long)


def copies(found: Repetition) -> tuple[Indices, Indices]:
    """Per task of the long program the one that it is a copy of, and how many rounds later it comes."""
    tasks, rounds = [], []
    for each in found.stretches:
        place = each.insertion
        once = np.arange(place, place + each.length)
        tasks += [np.arange(each.begin, place), np.tile(once, found.count), np.arange(place, each.end)]
        rounds += [
            np.zeros(place - each.begin, dtype=np.int64),
            np.repeat(np.arange(found.count), each.length),
            np.full(each.end - place, found.count),
        ]
    return np.concatenate(tasks), np.concatenate(rounds)


def _waits(program: Program, found: Repetition) -> tuple[Indices, Indices, Indices]:
    """Per task the number of its stretch; per wait who waits, and for what."""
    ends = [each.end for each in found.stretches]
    own = np.searchsorted(ends, np.arange(len(program)), side="right")
    waiting = np.repeat(np.arange(len(program)), np.diff(_column(program.starts)))
    return own, waiting, _column(program.befores)


def _column(values: "array[int]") -> Indices:
    return np.frombuffer(values, dtype=np.intc).astype(np.int64)


def _array(values: Indices) -> "array[int]":
    return array(INDEX, values.astype(np.intc).tobytes())
