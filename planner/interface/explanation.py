"""Why a step takes what it takes: `simdl explain` as a call and its result."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.console.format import format_seconds
from planner.interface.arguments import FilePath, count, one_family, refuse, text
from planner.interface.result import Figures, Result
from planner.questions.answer_file import Answer, load_answer, read_answer
from planner.reasons.limits_of_step import Limit, explanation_json, limits_of_step

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

HEADER = ("limit", "mean over ranks", "share", "on the critical path", "gain without it, at most")
EXPECTED = "a plan, a simulated step, or a file of one's JSON"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Explanation(Result):
    """What bounds a step, and what removing each limit could gain at most.

    Attributes:
        bound_by: the largest limit.
        limits: all of them, the largest first; times in seconds.
        why: what makes the plan better than its neighbours; empty for a simulated step.
    """

    answer: Answer

    @property
    def limits(self) -> tuple[Limit, ...]:
        """All limits, the largest first."""
        return limits_of_step(self.answer)

    @property
    def bound_by(self) -> str:
        """The largest limit."""
        return self.limits[0].name

    @property
    def why(self) -> tuple[str, ...]:
        """What makes the plan better than its neighbours, one sentence each."""
        return self.answer.why

    @property
    def headline(self) -> str:
        """What the step takes, and what it is bound by."""
        first = self.limits[0]
        return (
            f"The step takes {format_seconds(self.answer.step_time)} and is bound by {first.name}: "
            f"{first.share:.1%} of the time of a rank."
        )

    @property
    def _data(self) -> Mapping[str, Any]:
        return explanation_json(self.answer)

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        rows = [
            (
                limit.name,
                format_seconds(limit.seconds),
                f"{limit.share:.1%}",
                format_seconds(limit.critical),
                format_seconds(limit.gain),
            )
            for limit in self.limits
        ]
        return HEADER, rows

    @property
    def _notes(self) -> Sequence[str]:
        return [f"why: {sentence}" for sentence in self.why]

    @property
    def _figures(self) -> Figures:
        return {"time": self._time}

    def _time(self) -> "go.Figure":
        from planner.pages.figures.shares import breakdown_figure  # noqa: PLC0415 - plotly

        return breakdown_figure(
            [("mean over ranks", self.answer.breakdown), ("critical path", self.answer.critical_path)]
        )

    def frame(self) -> "pd.DataFrame":
        """One row per limit: ``seconds`` (mean over ranks), ``share``, ``critical`` and ``gain`` [s]."""
        import pandas as pd  # noqa: PLC0415 - only where a frame is asked for

        return pd.DataFrame([asdict(limit) for limit in self.limits]).set_index("name")


@one_family
def explain(answer: Result | FilePath, *, plan: int = 1) -> Explanation:
    """Name what bounds the step of a plan or of a simulation, as `simdl explain` does.

    Args:
        answer: what `simdl.plan` or `simdl.simulate` returned, or a file of its JSON.
        plan: which plan, from 1.

    Returns:
        The limits of the step and what removing each could gain at most.

    Raises:
        SimdlError: no such plan, or a file that cannot be read.

    Example:
        >>> import simdl
        >>> step = simdl.simulate("gpt2", "dgx-a100:1", dp=8)
        >>> simdl.explain(step).bound_by
        'compute'
    """
    number = count("plan", plan)
    return Explanation(answer=answer_of(answer, "answer", number=number or 1))


def answer_of(answer: Result | FilePath, name: str, *, number: int = 1) -> Answer:
    """What a result or a file says of one step.

    Raises:
        SimdlError: neither, or a file or a plan that is not there.
    """
    if isinstance(answer, Result):
        data = json.loads(answer.to_json())
        if "version" not in data:
            raise refuse(name, answer, EXPECTED)
        return read_answer(data, name, number=number)
    path = text(name, answer, EXPECTED)
    if path is None:
        raise refuse(name, answer, EXPECTED)
    return load_answer(Path(path), number=number)
