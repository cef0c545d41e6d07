"""Schedules: the messages of an algorithm in rounds, without times or links.

A message of a round starts once both its ends have done with the rounds before: what they received has been
combined. In lockstep no round starts before the last one has ended everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        source, target: ranks; ``p`` itself stands for the switch that joins all of them.
        nbytes: [bytes] on the way.
        combined: [bytes] that the target combines with its own before it goes on.
    """

    source: int
    target: int
    nbytes: float
    combined: float = 0.0


Round = Sequence[Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One algorithm among ``ranks`` ranks.

    Attributes:
        ranks: that take part.
        rounds: one after another.
        lockstep: all ranks begin a round together.
    """

    ranks: int
    rounds: tuple[Round, ...]
    lockstep: bool = False

    def moved_by(self, rank: int) -> float:
        """[bytes] that a rank sends and receives."""
        return sum(m.nbytes for each in self.rounds for m in each if rank in {m.source, m.target})


def scheduled(ranks: int, *parts: Sequence[Round], lockstep: bool = False) -> Schedule:
    """Parts of an algorithm one after another."""
    rounds = tuple(each for part in parts for each in part if each)
    return Schedule(ranks=ranks, rounds=rounds, lockstep=lockstep)
