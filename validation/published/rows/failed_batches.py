"""Runs that failed before a published one: programs that shrink the batch until it fits.

timm's ``benchmark.py`` starts training at 512 samples and takes the next smaller batch after a failure
(``decay_batch_step``), so a printed batch below the first says that the next larger one failed, nearly always
for lack of memory.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from validation.published.rows.cells import OUT_OF_MEMORY, optional_count
from validation.published.tables import PublishedRow

_STEPS = (512, 384, 256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
_SHRINKS = re.compile(r"pytorch-image-models.*benchmark-train")


def failed_batches(rows: Iterable[PublishedRow]) -> Iterator[PublishedRow]:
    """One row out of memory for each printed batch that a larger one must have preceded."""
    for row in rows:
        if row.kind != "cnn" or row["n_devices"] != "1" or not _SHRINKS.search(row["source"]):
            continue
        batch = optional_count(row, "batch_per_device")
        if batch in _STEPS[1:]:
            larger = str(_STEPS[_STEPS.index(batch) - 1])
            cells = {"batch_per_device": larger, "global_batch": larger, "value": OUT_OF_MEMORY}
            yield replace(row, cells={**row.cells, **cells})
