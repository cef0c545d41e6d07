"""Numbers, or many at once: what prices one shard prices a table of them, by the same formulas.

A table is an array with one entry per row, wherever a number stands: a ``float`` or an ``int`` of a function
that says so may be a table. Plain numbers stay plain, because they are quicker one by one.
"""

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", int, float)


def as_number(table: NDArray[Any]) -> Any:  # noqa: ANN401 - int or float, as the place asks
    """Many at once where a number is asked for."""
    return table


def is_table(*amounts: object) -> bool:
    """Whether any of these is many at once."""
    return any(isinstance(amount, np.ndarray) for amount in amounts)


def choose(condition: object, yes: Number, no: Number) -> Number:
    """One or the other, row by row."""
    if not isinstance(condition, np.ndarray):
        return yes if condition else no
    found: Number = as_number(np.where(condition, yes, no))
    return found


def larger(first: Number, second: Number) -> Number:
    """The larger of two, row by row."""
    if not is_table(first, second):
        return max(first, second)
    found: Number = as_number(np.maximum(first, second))
    return found


def rounded(amount: float) -> int:
    """To a whole number, halves to the even one."""
    if not isinstance(amount, np.ndarray):
        return round(amount)
    found: int = as_number(np.rint(amount).astype(np.int64))
    return found


def root_of_squares(first: float, second: float) -> float:
    """Root of the sum of two squares."""
    found = np.hypot(first, second)
    number: float = as_number(np.asarray(found)) if is_table(first, second) else float(found)
    return number


def power(base: float, exponent: float) -> float:
    """A base of at least 0 to a power."""
    if not isinstance(base, np.ndarray):
        return math.pow(base, exponent)
    found: float = as_number(np.power(base, exponent))
    return found
