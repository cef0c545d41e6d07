"""Numbers, or many at once: what prices one shard prices a table of them, by the same formulas.

A table has one entry per row in every amount. Plain numbers stay plain, because they are quicker one by one.
"""

import math
from typing import Any, TypeVar

import numpy as np

Number = TypeVar("Number", bound=Any)


def is_table(*amounts: object) -> bool:
    """Whether any of these is many at once."""
    return any(isinstance(amount, np.ndarray) for amount in amounts)


def choose(condition: object, yes: Number, no: Number) -> Number:
    """One or the other, row by row."""
    found: Any = (
        np.where(condition, yes, no) if isinstance(condition, np.ndarray) else yes if condition else no
    )
    return found


def larger(first: Number, second: Number) -> Number:
    """The larger of two, row by row."""
    found: Any = np.maximum(first, second) if is_table(first, second) else max(first, second)
    return found


def rounded(amount: float) -> int:
    """To a whole number, halves to the even one."""
    found: Any = np.rint(amount).astype(np.int64) if isinstance(amount, np.ndarray) else round(amount)
    return found


def root_of_squares(first: Number, second: Number) -> Number:
    """Root of the sum of two squares."""
    found: Any = np.hypot(first, second)
    return found if is_table(first, second) else float(found)


def power(base: Number, exponent: float) -> Number:
    """A base of at least 0 to a power."""
    found: Any = np.power(base, exponent) if isinstance(base, np.ndarray) else math.pow(base, exponent)
    return found
