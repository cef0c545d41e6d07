"""Passes: what a pipeline rank does with one microbatch on one virtual stage, and what follows from its kind.

A kind is a set of phases. Everything else (what a pass waits for and sends, when activations come and go,
when a gradient is complete) follows from the phases; nothing outside this file tests for a kind by name.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, Flag, auto
from itertools import repeat
from typing import NamedTuple


class Phase(Flag):
    """What can be done with a microbatch on a stage."""

    FORWARD = auto()
    INPUT_GRADIENT = auto()
    WEIGHT_GRADIENT = auto()

    __hash__ = object.__hash__  # members are unique, and a pass is looked up by its phase millions of times


class PassKind(Enum):
    """A kind of pass.

    Attributes:
        letter: in the text form.
        phases: that it runs.
        each: of them.
        acquires: activations of the microbatch live from its start.
        releases: they are gone from its end.
        completes: the microbatch's gradient of the stage's weights is complete at its end.
        sends_forward: the next stage needs its result.
        sends_back: the previous stage needs its result.
        needs_previous: it needs the forward phase of the previous stage.
        needs_next: it needs the input gradient of the next stage.
        needs_own: phase of the same microbatch and stage that must be done, or None.
    """

    FORWARD = ("F", Phase.FORWARD)
    BACKWARD = ("B", Phase.INPUT_GRADIENT | Phase.WEIGHT_GRADIENT)
    INPUT_GRADIENT = ("I", Phase.INPUT_GRADIENT)
    WEIGHT_GRADIENT = ("W", Phase.WEIGHT_GRADIENT)

    __hash__ = object.__hash__

    def __init__(self, letter: str, phases: Phase) -> None:
        self.letter = letter
        self.phases = phases
        self.each = tuple(phases)
        self.acquires = self.sends_forward = self.needs_previous = Phase.FORWARD in phases
        self.releases = self.completes = Phase.WEIGHT_GRADIENT in phases
        self.sends_back = self.needs_next = Phase.INPUT_GRADIENT in phases
        self.needs_own = None if self.acquires else Phase.FORWARD if self.sends_back else Phase.INPUT_GRADIENT


class Pass(NamedTuple):
    """One pass of one microbatch through one virtual stage."""

    kind: PassKind
    microbatch: int
    stage: int

    def __str__(self) -> str:
        """Text form ``F3.12``: forward of microbatch 3 on virtual stage 12."""
        return f"{self.kind.letter}{self.microbatch}.{self.stage}"


class Overlap(NamedTuple):
    """A forward and a backward pass that run interleaved as one task: both start and end together."""

    first: Pass
    second: Pass

    def __str__(self) -> str:
        """Text form ``F3.1|B0.6``."""
        return f"{self.first}|{self.second}"


Entry = Pass | Overlap
Order = Sequence[Entry]  # what one rank does, first to last
Orders = Sequence[Order]  # per rank


class Result(NamedTuple):
    """What a phase of one microbatch on one virtual stage leaves for other passes."""

    phase: Phase
    microbatch: int
    stage: int


def passes_in_turn(kind: PassKind, microbatches: Iterable[int], stage: int) -> list[Pass]:
    """One pass of each microbatch, in a third of the time of a call each: long orders have 10^5 of them."""
    return list(map(Pass._make, zip(repeat(kind), microbatches, repeat(stage), strict=False)))


def passes_of(entry: Entry) -> tuple[Pass, ...]:
    """The one or two passes of an entry."""
    return (entry,) if isinstance(entry, Pass) else (entry.first, entry.second)


def all_passes(order: Order) -> Sequence[Pass]:
    """The passes of an order; most have no entry of two, and are looked at once."""
    passes = [entry for entry in order if isinstance(entry, Pass)]
    if len(passes) == len(order):
        return passes
    return [each for entry in order for each in passes_of(entry)]


def results(one: Pass) -> Iterator[Result]:
    """What a pass leaves."""
    for phase in one.kind.each:
        yield Result(phase, one.microbatch, one.stage)


def needs(one: Pass, chain: int) -> Iterator[Result]:
    """What a pass waits for.

    Args:
        one: the pass.
        chain: virtual stages that a microbatch runs through; stage s of copy c is number c * chain + s.
    """
    kind, microbatch, stage = one
    if kind.needs_own is not None:
        yield Result(kind.needs_own, microbatch, stage)
    if kind.needs_previous and stage % chain:
        yield Result(Phase.FORWARD, microbatch, stage - 1)
    if kind.needs_next and (stage + 1) % chain:
        yield Result(Phase.INPUT_GRADIENT, microbatch, stage + 1)
