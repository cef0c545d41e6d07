"""Cells of a published row as numbers: blank is None, anything unreadable skips the row with a reason."""

import re
from collections.abc import Mapping

from validation.errors import RowSkippedError
from validation.published.tables import PublishedRow

OUT_OF_MEMORY = "OOM"
_COUNT = re.compile(r"(\d[\d,]*)(?:\.0+)?(k)?\b", re.IGNORECASE)
# Llama's code rounds the width of a gated feed-forward layer up to a multiple of 256 (multiple_of).
_WIDTH_MULTIPLE = 256
# A row's note may correct a printed cell: (pattern, column). The last group is the corrected value.
_CORRECTIONS = (
    (re.compile(r"heading says GBS=(\d+).*so use (\d+)"), "global_batch"),
    (re.compile(r"printed GBS (\d+) looks like a typo for (\d+)"), "global_batch"),
    (re.compile(r"DP\*TP\*PP=(\d+) but .*DP is probably (\d+)"), "dp"),
)


def optional_count(row: PublishedRow, column: str) -> int | None:
    """A count cell (layers, degrees, batch): None when blank, corrected where the row's note corrects it.

    Raises:
        RowSkippedError: not a count, or below 1.
    """
    text = corrections(row).get(column, row[column])
    if not text:
        return None
    value = _formula(text) or _count(text)
    if value < 1:
        raise RowSkippedError(f"{column} is {text!r}, not a positive count")
    return value


def _count(text: str) -> int:
    if re.fullmatch(r"\d+(?:\.\d+)?e\+?\d+", text):
        return int(float(text))
    match = _COUNT.match(text)
    return int(match[1].replace(",", "")) * (1000 if match[2] else 1) if match else 0


def _formula(text: str) -> int:
    """A share of another width, as in ``8/3 x 4096``, rounded up as Llama's code does; 0 for plain counts."""
    match = re.match(r"(\d+)/(\d+) x (\d+)\b", text)
    if match is None:
        return 0
    width = int(match[1]) * int(match[3]) // int(match[2])
    return -(-width // _WIDTH_MULTIPLE) * _WIDTH_MULTIPLE


def required_count(row: PublishedRow, column: str) -> int:
    """A count cell that changes what was measured, so that a blank one is never guessed.

    Raises:
        RowSkippedError: blank, not a count, or below 1.
    """
    value = optional_count(row, column)
    if value is None:
        raise RowSkippedError(f"{column} is not published")
    return value


def optional_measurement(row: PublishedRow, column: str) -> float | None:
    """A measured cell: None when blank or ``OOM``.

    Raises:
        RowSkippedError: not a number, or not above 0.
    """
    text = row[column]
    if not text or text.upper() == OUT_OF_MEMORY:
        return None
    try:
        value = float(text.replace(",", "").rstrip("%"))
    except ValueError:
        raise RowSkippedError(f"{column} is {text!r}, not a number") from None
    if value <= 0:
        raise RowSkippedError(f"{column} is {text}; a measurement is above 0")
    return value


def corrections(row: PublishedRow) -> Mapping[str, str]:
    """Cells that the row's own note corrects, such as a batch size that its source's arithmetic rules out."""
    found = ((pattern.search(row["notes"]), column) for pattern, column in _CORRECTIONS)
    return {column: match[match.lastindex or 0] for match, column in found if match}


def note_count(row: PublishedRow, pattern: str) -> int | None:
    """A count that only the notes state, such as ``head_dim 128``; None when they do not."""
    match = re.search(pattern, row["notes"])
    return int(match[1]) if match else None
