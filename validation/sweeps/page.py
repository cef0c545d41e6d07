"""The page of `simdl validate collectives`: predicted against measured times of sweeps."""

from collections.abc import Sequence
from typing import Any

from planner.pages.page import Page, Section
from validation.judging.page_sections import error_sections, row_pairs, skipped_sections, text_table


def collectives_page(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    reason_header: Sequence[str],
    reasons: Sequence[Sequence[str]],
    data: dict[str, Any],
) -> Page:
    """The page of predicted sweeps; tables are those that the command prints, ``data`` its JSON."""
    pairs = row_pairs(data["rows"], "s")
    overall = data["summary"]["overall"]
    return Page(
        title="Collective sweeps, predicted",
        headline=data["headline"],
        lines=(f"{overall['predicted']} rows predicted, {overall['skipped']} skipped.",),
        sections=(
            Section(title="Relative errors of time", body=text_table(header, rows)),
            *error_sections([("time", "s", pairs)]),
            *skipped_sections(reason_header, reasons),
        ),
        data=data,
    )


def left_out_page(header: Sequence[str], rows: Sequence[Sequence[str]], data: dict[str, Any]) -> Page:
    """The page of sweeps predicted without their fabric in the fit; ``data`` is the command's JSON."""
    pairs = row_pairs(data["rows"], "s")
    return Page(
        title="Collective sweeps, each fabric left out of the fit",
        headline=data["headline"],
        lines=(f"{len(data['rows'])} rows, {data['parameters']} numbers fitted.",),
        sections=(
            Section(title="Relative errors of time by fabric", body=text_table(header, rows)),
            *error_sections([("time", "s", pairs)]),
        ),
        data=data,
    )
