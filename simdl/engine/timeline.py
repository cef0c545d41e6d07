"""Timeline: what happened, with times."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

from simdl.program.program import Program


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """Times of all tasks of a program.

    Attributes:
        program: what was run; ``start[i]`` and ``end[i]`` belong to its task i.
        start: [s] from the start of the first step.
        end: [s] from the start of the first step.
        windows: by rank class, when the measured step begins and ends there [s]; empty where the program is
            one step.
        steps: that the program runs one after the other.
        step_time: [s] from the first task's start to the last task's end, or of the longest window.
    """

    program: Program
    start: "array[float]"
    end: "array[float]"
    windows: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    steps: int = 1
    step_time: float = field(init=False)

    def __post_init__(self) -> None:
        lasting = (end - begin for begin, end in self.windows.values())
        longest = max(lasting) if self.windows else max(self.end, default=0.0)
        object.__setattr__(self, "step_time", longest)

    def __repr__(self) -> str:
        return f"<Timeline: {self.step_time:.4g} s, {len(self.start):,} tasks>"

    def window(self, rank: int) -> tuple[float, float]:
        """When the measured step begins and ends on a rank class [s]."""
        return self.windows.get(rank, (0.0, self.step_time))
