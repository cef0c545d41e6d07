"""What becomes of a piece of work that is spread over processes."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")
ATTEMPTS = 3
"""Workers that a piece of work may take down with it before it is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Generic[Result]):
    """Its result, and the seconds that it took its worker."""

    result: Result
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Every worker that tried it ended; the reason says how."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashed:
    """The work itself raised what nobody expected: a fault of the program, in words."""

    reason: str


Outcome = Done[Result] | Lost | Crashed


def lost_reason(how: str) -> str:
    """The sentence of a :class:`Lost` piece of work; ``how`` is how its last worker ended."""
    return (
        f"its worker process ended {ATTEMPTS} times ({how}); expected a process that lives until it has "
        "answered: memory may not suffice, fewer workers leave more of it to each"
    )
