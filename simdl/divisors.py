"""Divisors of a number: the degrees that divide ranks, samples and blocks evenly."""

from math import isqrt


def divisors(number: int) -> list[int]:
    """Divisors of a positive number, rising.

    Example:
        >>> divisors(12)
        [1, 2, 3, 4, 6, 12]
    """
    small = [n for n in range(1, isqrt(number) + 1) if number % n == 0]
    return sorted({*small, *(number // n for n in small)})
