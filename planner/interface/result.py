"""What every call of the Python interface returns: one answer, as text, JSON, a data frame, figures.

A result is frozen. Its ``repr`` is one line, ``print`` shows the table that the command prints, a notebook
shows it as HTML. pandas and plotly are imported where a frame or a figure is asked for.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from planner.console.output import json_text, plain_json, table_lines
from planner.interface.arguments import one_family
from simdl.errors import SimdlError

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

REPR = 280
"""Characters of a ``repr``, at most."""
Figures = Mapping[str, "Callable[[], go.Figure]"]


class Result(ABC):
    """An answer.

    Attributes:
        headline: the answer in a sentence.
    """

    @property
    @abstractmethod
    def headline(self) -> str:
        """The answer in a sentence."""

    @property
    def _summary(self) -> str:
        """The answer in one line for ``repr``."""
        return self.headline

    @property
    @abstractmethod
    def _data(self) -> Mapping[str, Any]:
        """What the command prints with ``--json``."""

    @abstractmethod
    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Header and rows to read."""

    @abstractmethod
    def frame(self) -> "pd.DataFrame":
        """The numbers as a data frame of pandas, in base units: seconds, bytes, per second."""

    @property
    def _figures(self) -> Figures:
        """Figures by name, drawn when called."""
        return {}

    @property
    def _notes(self) -> Sequence[str]:
        """Sentences below the table."""
        return ()

    def to_dict(self) -> dict[str, Any]:
        """The answer as mappings, lists, texts and numbers in base units: the command's JSON, read."""
        read: dict[str, Any] = plain_json(self._data)
        return read

    def to_json(self) -> str:
        """The answer as JSON, as the command prints it with ``--json``.

        Files with it are read by `simdl explain`, `simdl diff` and `simdl export` where it is of a plan or a
        simulated step.
        """
        return json_text(self._data)

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures that there are."""
        return tuple(self._figures)

    @one_family
    def figure(self, name: str | None = None) -> "go.Figure":
        """A figure of plotly.

        Args:
            name: one of ``figures``; None for the first.

        Raises:
            SimdlError: there is none of this name.
        """
        known = self._figures
        if not known:
            raise SimdlError(
                f"figure {name!r}: {type(self).__name__} has none; expected .frame() or .to_json()"
            )
        chosen = next(iter(known)) if name is None else name
        if chosen not in known:
            raise SimdlError(f"figure: found {name!r}; expected one of {', '.join(known)}")
        return known[chosen]()

    @property
    def _no_launch(self) -> str:
        """Why nothing is to be launched, and what to ask instead."""
        return "no step of one strategy; expected simdl.simulate(...).export(format)"

    def export(self, format: str) -> "Result":  # noqa: A002 - named as the command's option
        """What launches the strategy of the answer in a framework, as `simdl export` writes it.

        Raises:
            SimdlError: the answer is no step of one strategy, or the framework cannot express it.
        """
        raise SimdlError(f"export {format!r}: found {self._no_launch}")

    def __repr__(self) -> str:
        text = f"<{type(self).__name__}: {self._summary}>"
        return text if len(text) <= REPR else f"{text[: REPR - 4]}...>"

    def __str__(self) -> str:
        header, rows = self._table()
        return "\n".join((self.headline, *table_lines(header, rows), *self._notes))

    def _repr_html_(self) -> str:
        """The answer for a notebook."""
        header, rows = self._table()
        names = "".join(f"<th>{escape(name)}</th>" for name in header)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        notes = "".join(f"<li>{escape(note)}</li>" for note in self._notes)
        folded = f"<details><summary>Notes</summary><ul>{notes}</ul></details>" if notes else ""
        table = f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
        return f"<p>{escape(self.headline)}</p>{table}{folded}"
