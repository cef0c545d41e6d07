"""`simdl diff` as a call, and its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.interface.arguments import FilePath, one_family
from planner.interface.explanation import answer_of
from planner.interface.result import Figures, Result
from planner.questions.answer_file import Answer
from planner.reasons.comparison import (
    HEADER,
    compare_causes,
    compare_in_words,
    comparison_json,
    comparison_rows,
)

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Comparison(Result):
    """Two steps side by side: A and B.

    Attributes:
        first, second: A and B.
    """

    first: Answer
    second: Answer

    @property
    def speedup(self) -> float:
        """Samples per second of A over those of B."""
        return self.first.samples_per_s / self.second.samples_per_s

    @property
    def headline(self) -> str:
        """In what the questions differ, or else which is faster."""
        return self.explain()[0]

    @property
    def _data(self) -> Mapping[str, Any]:
        return comparison_json(self.first, self.second)

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        return HEADER, list(comparison_rows(self.first, self.second))

    @property
    def _notes(self) -> Sequence[str]:
        return self.explain()[1:]

    @property
    def _figures(self) -> Figures:
        return {"time": self._time}

    def _time(self) -> "go.Figure":
        from planner.pages.figures.shares import breakdown_figure  # noqa: PLC0415 - plotly

        return breakdown_figure([("A", self.first.breakdown), ("B", self.second.breakdown)])

    def explain(self) -> tuple[str, ...]:
        """In what the questions differ, which is faster, where the time goes, and the choices."""
        return tuple(compare_in_words(self.first, self.second))

    def frame(self) -> "pd.DataFrame":
        """One row per cause, the largest difference first: seconds of ``A``, of ``B`` and ``B - A``."""
        import pandas as pd  # noqa: PLC0415 - only where a frame is asked for

        causes = compare_causes(self.first, self.second)
        rows = [(a, b, b - a) for a, b in causes.values()]
        return pd.DataFrame(
            rows, columns=["A", "B", "B - A"], index=pd.Index(list(map(str, causes)), name="cause")
        )


@one_family
def diff(first: Result | FilePath, second: Result | FilePath) -> Comparison:
    """Say why one of two plans or simulated steps is faster, as `simdl diff` does.

    Args:
        first: A: what `simdl.plan` (its best plan counts) or `simdl.simulate` returned, or a file of its
            JSON.
        second: B.

    Returns:
        The comparison.

    Raises:
        SimdlError: neither, or a file that cannot be read.

    Example:
        >>> import simdl
        >>> whole = simdl.simulate("gpt2", "dgx-a100:1", dp=8)
        >>> sharded = simdl.simulate("gpt2", "dgx-a100:1", dp=8, zero=1)
        >>> simdl.diff(whole, sharded).to_dict()["strategy"]
        {'zero': [0, 1]}
    """
    return Comparison(first=answer_of(first, "first"), second=answer_of(second, "second"))
