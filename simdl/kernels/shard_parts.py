"""Tables of shards in parts: rows that agree in some attributes, which are then plain numbers."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simdl.kernels.sharding import Shard, ShardTable
from workloads.amounts import is_table


def by_part(
    shard: Shard, names: Sequence[str], function: Callable[[Shard], tuple[float, ...]]
) -> tuple[Any, ...]:
    """What a function finds for a shard that has some attributes as plain numbers.

    Of a table, rows that agree in them make one call, and the results are put back in the order of the rows.
    """
    if not isinstance(shard, ShardTable):
        return function(shard)
    columns: list[NDArray[np.float64]] = []
    for rows, part in _parts(shard, tuple(names)):
        found = function(part)
        columns = columns or [
            np.zeros(sum(len(each) for each, _ in _parts(shard, tuple(names)))) for _ in found
        ]
        for column, amount in zip(columns, found, strict=True):
            column[rows] = amount
    return tuple(columns)


@lru_cache(maxsize=64)
def _parts(shard: ShardTable, names: tuple[str, ...]) -> tuple[tuple[NDArray[np.int64], ShardTable], ...]:
    """Rows of a table that agree in some attributes, and tables of them that have these as plain numbers."""
    values, inverse = np.unique([getattr(shard, name) for name in names], axis=1, return_inverse=True)
    every = {each.name: getattr(shard, each.name) for each in fields(Shard)}
    parts = []
    for number, value in enumerate(values.T.tolist()):
        rows = np.flatnonzero(inverse.ravel() == number)
        part = {name: held[rows] if is_table(held) else held for name, held in every.items()}
        parts.append((rows, ShardTable(**{**part, **dict(zip(names, value, strict=True))})))
    return tuple(parts)
