"""What the measuring process and a rank say to each other, over a pipe that both inherit.

    Move -> Ready, Start -> Done       prepare values; begin at an instant, say when it was over
    Latency -> RoundTrips              bounce single bytes between two ranks
    JoinGloo -> Ready
    Stop                               the rank ends; it does so too when the pipe closes

A rank that cannot go on answers Failed. Instants are seconds of the machine's monotonic clock, which all
namespaces share.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The rank has done what was asked and waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Begin the prepared move at this instant [s]."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The move is over.

    Attributes:
        begun, ended: [s] instants.
        wrong: values that differ from what they must be.
    """

    begun: float
    ended: float
    wrong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Bounce one byte between rank 0 and another this many times."""

    partner: int
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrips:
    """Duration [s] of each round trip that this rank began."""

    durations: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinGloo:
    """Enter gloo's process group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The rank cannot go on; says why."""

    reason: str
