"""The report page of `simdl validate hardware`: predicted against measured steps and memory."""

from collections.abc import Sequence
from typing import Any

from planner.pages.page import Page, Section
from validation.judging.page_sections import error_sections, row_pairs, text_table


def hardware_page(header: Sequence[str], cells: Sequence[Sequence[str]], data: Any) -> Page:  # noqa: ANN401 - JSON
    """The page of a validation.

    Args:
        header: of the table that the command prints.
        cells: its rows.
        data: the command's JSON.
    """
    times, sizes = row_pairs(data["rows"], "s"), row_pairs(data["rows"], "B")
    return Page(
        title="Validation on real hardware",
        headline=data["headline"],
        lines=(f"Training steps on {data['device']}; the profile has seen kernels only.",),
        sections=(
            Section(title="Training steps", body=text_table(header, cells)),
            *error_sections([("step time", "s", times), ("peak memory", "B", sizes)]),
        ),
        data=data,
    )
