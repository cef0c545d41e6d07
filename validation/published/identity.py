"""Which measured run a row is, whatever its table is called and whoever is named as its source.

Two rows are one run when what was run, on what, how it was divided, and what was measured are the same text.
Where it was printed (source, place in it, trust, notes) does not count, nor does the file or the order of its
rows.
"""

from collections.abc import Iterable, Iterator
from functools import cache

from validation.published.tables import HEADERS, NETWORK_TABLES, PublishedRow, load_table, published_folder

Identity = tuple[str, ...]
_PRINTED = frozenset({"source", "source_item", "trust", "notes"})


def row_identity(row: PublishedRow) -> Identity:
    """The run behind a row."""
    columns = (column for column in HEADERS[row.kind] if column not in _PRINTED)
    return (row.kind, *(" ".join(row[column].lower().split()) for column in columns))


def distinct_runs(rows: Iterable[PublishedRow]) -> Iterator[PublishedRow]:
    """Rows of which each run counts once, where it was printed first."""
    seen: set[Identity] = set()
    for row in rows:
        identity = row_identity(row)
        if identity not in seen:
            seen.add(identity)
            yield row


@cache
def table_identities(table: str) -> frozenset[Identity]:
    """The runs of one of the project's training tables, such as ``vtrain-a100.csv``."""
    folder = "cnn" if table.removesuffix(".csv") in NETWORK_TABLES else "llm"
    rows = load_table(published_folder() / folder / table, name=table)
    return frozenset(map(row_identity, rows))
