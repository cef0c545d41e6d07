"""Timeline: what happened, with times."""

from dataclasses import dataclass

from simdl.task import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Times of all tasks of a simulated step.

    Attributes:
        schedule: what was run; ``start[i]`` and ``end[i]`` belong to ``schedule.tasks[i]``.
        start: [s] from step start.
        end: [s] from step start.
    """

    schedule: Schedule
    start: tuple[float, ...]
    end: tuple[float, ...]

    @property
    def step_time(self) -> float:
        """[s] from the first task's start to the last task's end."""
        return max(self.end, default=0.0)
