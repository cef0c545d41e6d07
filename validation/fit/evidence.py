"""The rows of every fit, thinned where a table has many: what refits and left-out errors start from."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from planner.workers.spread import ALONE, Hands
from validation.fit.patches import Number, numbers_of, used_numbers
from validation.fit.responses import FitRow
from validation.fit.rows import responses_of, rows_again
from validation.fit.solve import Evidence
from validation.published.fits import Fit, load_fits
from validation.published.tables import PublishedRow

MOST_ROWS = 24
"""Rows of one table that a fit looks at, spread evenly over its curves; more where it has more curves."""
GOLDEN = (5**0.5 - 1) / 2
SLOW_TABLES = {
    "nvidia-megatron-bridge.csv": 8,
    "nvidia-dgxc.csv": 14,
    "nvidia-nemo.csv": 14,
    "bigscience-a100.csv": 14,
}
"""Tables of long pipelines, of which fewer rows are looked at."""


def measured_rows(rows: Iterable[PublishedRow], *, hands: Hands = ALONE) -> Iterator[FitRow]:
    """Rows with a measured time that can be simulated, by the processes that are there."""
    return rows_again(list(rows), hands)


def gather(
    rows: Sequence[FitRow], *, fits: Sequence[Fit] | None = None, hands: Hands = ALONE
) -> tuple[Evidence, ...]:
    """Every fit with its rows, thinned; rows get their responses to its numbers."""
    found = []
    for fit in load_fits() if fits is None else fits:
        numbers = numbers_of(fit)
        if not numbers:
            continue
        own = [row for row in rows if row.row.file in fit.tables and _uses(row, numbers)]
        found.append(Evidence(fit=fit, rows=tuple(thinned(own))))
    kept = {id(row): row for each in found for row in each.rows if not row.responses}
    for row, responses in zip(kept.values(), responses_of([*kept.values()], hands), strict=True):
        row.responses.update(responses)
    return tuple(found)


def _uses(row: FitRow, numbers: Sequence[Number]) -> bool:
    used = used_numbers(row.setup.stack, row.setup.cluster.device.name)
    return any(number in used for number in numbers)


def thinned(rows: Sequence[FitRow]) -> list[FitRow]:
    """At most so many rows of every table, but one of each of its curves where the table is not slow."""
    kept = []
    for table in dict.fromkeys(row.row.file for row in rows):
        curves: dict[tuple[str, ...], list[FitRow]] = {}
        for row in rows:
            if row.row.file == table:
                curves.setdefault(row.curve, []).append(row)
        most = SLOW_TABLES.get(table, max(MOST_ROWS, len(curves)))
        kept += list(islice(_round_by_round([*curves.values()]), most))
    return kept


def _round_by_round(curves: Sequence[Sequence[FitRow]]) -> Iterator[FitRow]:
    """A row of every curve, then another one of each, until all are taken.

    Tables print the same networks file by file. Steps of the golden ratio, from curve to curve and from round
    to round, fall on no such period, so that neither networks nor formats nor devices come out alike.
    """
    left = [[*curve] for curve in curves]
    order = sorted(range(len(left)), key=lambda index: index * GOLDEN % 1.0)
    for turn in range(max(map(len, left), default=0)):
        for index in order:
            if left[index]:
                yield left[index].pop(int(len(left[index]) * ((index + turn + 1) * GOLDEN % 1.0)))
