"""Tables and JSON of a comparison on shaped links."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hardware.units import format_quantity
from validation.judging.statistics import error_sentence
from validation.real_links.compare import LinkRow, relative_error, statistics_of, summary_groups
from validation.real_links.link_run import Conditions
from validation.real_links.prediction import EFFICIENCY

HEADER = ("transport", "algorithm", "size", "measured", "spread", "predicted", "error", "bus bandwidth")
ERROR_HEADER = ("rows of", "rows", "median", "worst", "bias")


def conditions_text(conditions: Conditions) -> str:
    """One line on the links."""
    delay = ""
    if conditions.delay:
        delay = f" and {format_quantity(conditions.delay, 'time')} more by {conditions.delay_by}"
    return (
        f"{conditions.ranks} ranks on a switch, links of {_bits(conditions.rate)} each way{delay}: latency "
        f"{format_quantity(conditions.latency, 'time')} (measured), payload {EFFICIENCY:.1%} of the rate"
    )


def _bits(rate: float) -> str:
    return format_quantity(rate * 8, "bandwidth").replace("B/s", "bit/s")


def row_cells(row: LinkRow) -> tuple[str, ...]:
    """One row of text."""
    error = relative_error(row)
    return (
        row.transport,
        row.algorithm.replace("_", " "),
        format_quantity(row.nbytes, "bytes"),
        "-" if row.measured is None else format_quantity(row.measured, "time"),
        "-" if row.spread is None else f"{row.spread:.1%}",
        "-" if row.predicted is None else format_quantity(row.predicted, "time"),
        "-" if error is None else f"{error:+.1%}",
        "-" if row.bus_bandwidth is None else _bits(row.bus_bandwidth),
    )


def error_cells(rows: Sequence[LinkRow]) -> list[tuple[str, ...]]:
    """One row of text per summary group that has measurements."""
    scored = {name: statistics_of(group) for name, group in summary_groups(rows).items()}
    return [
        (_group(name), str(errors.n), f"{errors.median:.1%}", f"{errors.max:.1%}", f"{errors.bias:+.1%}")
        for name, errors in scored.items()
        if errors.n
    ]


def _group(name: str) -> str:
    """A group of rows in words."""
    who, large, _ = name.partition("at_least_1_mib")
    return f"{who.replace('_', ' ')}at least 1 MiB" if large else name


def report_json(rows: Sequence[LinkRow], conditions: Conditions | None, file: str) -> dict[str, Any]:
    """The JSON of the command; ``file`` names the CSV that holds the repetitions."""
    reason = next((row.skipped for row in rows if row.skipped), "")
    what = "transfers and all-reduces on real links"
    return {
        "headline": error_sentence(what, statistics_of(rows), reason=reason),
        "rows": [_row(row, number, file) for number, row in enumerate(rows, start=1)],
        "summary": {
            name: {
                "measured": sum(row.measured is not None for row in group),
                "skipped": sum(row.skipped is not None for row in group),
                **asdict(statistics_of(group)),
            }
            for name, group in summary_groups(rows).items()
        },
        "conditions": None if conditions is None else asdict(conditions),
    }


def _row(row: LinkRow, number: int, file: str) -> dict[str, Any]:
    return {
        "file": file,
        "row": number,
        "item": f"{row.transport} {row.algorithm} {row.nbytes}",
        "measured": row.measured,
        "predicted": row.predicted,
        "unit": "s",
        "skipped": row.skipped,
        "spread": row.spread,
        "bus_bandwidth": row.bus_bandwidth,
    }
