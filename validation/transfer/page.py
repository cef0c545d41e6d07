"""The page of ``simdl validate transfer``."""

from typing import Any

import pandas as pd

from planner.pages.figures.accuracy import Pair
from planner.pages.page import Page, Section
from validation.judging.page_sections import error_sections, text_table
from validation.transfer.report import (
    HEADER,
    INTERVAL_HEADER,
    STRATUM_HEADER,
    group_rows,
    interval_rows,
    stratum_rows,
)


def transfer_page(results: pd.DataFrame, data: dict[str, Any]) -> Page:
    """Errors with and without the group in the fit; ``data`` is the command's JSON."""
    pairs = [
        Pair(
            family=row["stratum"],
            label=f"{row['file']} row {row['row']}",
            measured=row["measured"],
            predicted=row["left_out"],
        )
        for row in data["rows"]
        if row["measured"] and row["left_out"]
    ]
    return Page(
        title=f"Predictions without each {data['leave_out']} in the fit",
        headline=data["headline"],
        lines=(
            f"{len(results)} rows; every number of fits.toml refitted without the group that is predicted.",
        ),
        sections=(
            Section(title="By kind of row", body=text_table(STRATUM_HEADER, stratum_rows(results))),
            *error_sections([("step time", "s", pairs)]),
            Section(title="By group, the weakest first", body=text_table(HEADER, group_rows(results))),
            Section(title="Intervals of 90 %", body=text_table(INTERVAL_HEADER, interval_rows(results))),
        ),
        data=data,
    )
