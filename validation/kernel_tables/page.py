"""The page of `simdl validate kernels`: predicted against measured times of kernel tables."""

from collections.abc import Sequence
from typing import Any

from planner.report_page import Page, Section
from validation.accuracy_sections import accuracy_section, error_section, row_pairs, text_table


def kernels_page(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    reasons: Sequence[tuple[int, str]],
    data: dict[str, Any],
) -> Page:
    """The page of compared kernels; tables are those that the command prints, ``data`` its JSON."""
    pairs = row_pairs(data["rows"], "s")
    figures = [accuracy_section(pairs, "time", "s"), error_section(pairs)] if pairs else []
    skipped = sum(count for count, _ in reasons)
    return Page(
        title="Kernel tables, predicted",
        lines=(f"{len(pairs)} rows predicted, {skipped} skipped.",),
        sections=(
            Section(
                title="Relative errors of time by table and device",
                body=text_table(header, rows),
                note="Percent; rows that took part in the fit / rows held out.",
            ),
            *figures,
            Section(
                title="Skipped rows",
                body=text_table(
                    ("rows", "skipped because"), [(str(count), reason) for count, reason in reasons]
                ),
            ),
        ),
        data=data,
    )
