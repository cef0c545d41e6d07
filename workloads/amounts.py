"""Numbers, or many at once: what prices one shard prices a table of them, by the same formulas.

A table is an array with one entry per row, wherever a number stands: a ``float`` or an ``int`` of a function
that says so may be a table. Plain numbers stay plain, because they are quicker one by one.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from numpy.typing import NDArray

Number = TypeVar("Number", int, float)


def as_number(table: "NDArray[Any]") -> Any:  # noqa: ANN401 - int or float, as the place asks
    """Many at once where a number is asked for."""
    return table


def is_table(*amounts: object) -> bool:
    """Whether any of these is many at once."""
    for amount in amounts:  # noqa: SIM110 - asked so often that a generator is felt
        if getattr(amount, "ndim", 0):
            return True
    return False


def some(condition: Any) -> bool:  # noqa: ANN401 - a truth value or a table of them
    """Whether something is true of any of these."""
    return bool(condition.any() if is_table(condition) else condition)


def _arrays() -> Any:  # noqa: ANN401 - a module
    """NumPy, imported where there are tables: to read a network takes none."""
    import numpy as np  # noqa: PLC0415

    return np


def choose(condition: object, yes: Number, no: Number) -> Number:
    """One or the other, row by row."""
    if not is_table(condition):
        return yes if condition else no
    found: Number = as_number(_arrays().where(condition, yes, no))
    return found


def larger(first: Number, second: Number) -> Number:
    """The larger of two, row by row."""
    if not is_table(first, second):
        return max(first, second)
    found: Number = as_number(_arrays().maximum(first, second))
    return found


def smaller(first: Number, second: Number) -> Number:
    """The smaller of two, row by row."""
    if not is_table(first, second):
        return min(first, second)
    found: Number = as_number(_arrays().minimum(first, second))
    return found


def rounded(amount: float) -> int:
    """To a whole number, halves to the even one."""
    if not is_table(amount):
        return round(amount)
    found: int = as_number(_arrays().rint(amount).astype("int64"))
    return found


def root_of_squares(first: float, second: float) -> float:
    """Root of the sum of two squares."""
    if not is_table(first, second):
        return math.hypot(first, second)
    found: float = as_number(_arrays().hypot(first, second))
    return found


def power(base: float, exponent: float) -> float:
    """A base of at least 0 to a power."""
    if not is_table(base):
        return math.pow(base, exponent)
    found: float = as_number(_arrays().power(base, exponent))
    return found


def alike(columns: Sequence["NDArray[Any]"]) -> tuple["NDArray[Any]", "NDArray[Any]"]:
    """First place of every distinct row of columns, and which distinct row stands at each place."""
    arrays = _arrays()
    sums = sum(column * math.sqrt(prime) for column, prime in zip(columns, (2, 3, 5, 7), strict=False))
    _, first, place = arrays.unique(sums, return_index=True, return_inverse=True)
    if all((column[first][place] == column).all() for column in columns):
        return first, place
    every = arrays.arange(len(columns[0]))  # unlike rows with one sum
    return every, every
