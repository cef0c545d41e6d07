"""Timeline: what happened, with times."""

from array import array
from dataclasses import dataclass

from simdl.program.program import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Times of all tasks of a simulated step.

    Attributes:
        program: what was run; ``start[i]`` and ``end[i]`` belong to ``program.tasks[i]``.
        start: [s] from step start.
        end: [s] from step start.
    """

    program: Program
    start: "array[float]"
    end: "array[float]"

    @property
    def step_time(self) -> float:
        """[s] from the first task's start to the last task's end."""
        return max(self.end, default=0.0)
