"""The page of `simdl validate links`: predicted against measured times on links of a known rate."""

from collections.abc import Sequence
from typing import Any

from hardware.units import format_quantity
from planner.pages.figures.accuracy import Pair
from planner.pages.page import Page, Section
from validation.judging.page_sections import error_sections, text_table
from validation.real_links.compare import LinkRow
from validation.real_links.link_report import ERROR_HEADER, HEADER, conditions_text, error_cells, row_cells
from validation.real_links.link_run import Conditions


def links_page(rows: Sequence[LinkRow], conditions: Conditions, data: dict[str, Any]) -> Page:
    """The page of a comparison; tables are those that the command prints, ``data`` its JSON."""
    pairs = [
        Pair(
            family=f"{row.transport} {row.algorithm.replace('_', ' ')}",
            label=format_quantity(row.nbytes, "bytes"),
            measured=row.measured,
            predicted=row.predicted,
        )
        for row in rows
        if row.measured is not None and row.predicted is not None
    ]
    return Page(
        title="All-reduce on real links, predicted",
        headline=data["headline"],
        lines=(conditions_text(conditions), f"{conditions.cpu}, {conditions.kernel}, {conditions.date}"),
        sections=(
            Section(
                title="Relative errors of time",
                body=text_table(ERROR_HEADER, error_cells(rows)),
                note="predicted / measured - 1. Nothing is fitted: the prediction knows the rate of links, "
                "the headers of a frame, and how long one byte takes.",
            ),
            *error_sections([("time", "s", pairs)]),
            Section(
                title="Rows",
                body=text_table(HEADER, [row_cells(row) for row in rows]),
                note="Spread: slowest less fastest repetition, over the median. Bus bandwidth: measured, "
                "scaled to compare with the rate of a link.",
            ),
        ),
        data=data,
    )
