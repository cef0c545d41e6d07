"""What a quantity can be at all: from the least that is not nothing to the most.

The ends are far beyond any machine, so that they refuse slips (a unit too many, an exponent of 300) and never
a design; and near enough that no sum, product or quotient of two accepted values overflows or vanishes.
"""

from collections.abc import Mapping

RANGES: Mapping[str, tuple[float, float]] = {
    "bytes": (0.125, 1e21),
    "bandwidth": (0.125, 1e18),
    "flop_rate": (1.0, 1e21),
    "flops": (1.0, 1e30),
    "time": (1e-15, 1e12),
    "power": (1e-6, 1e9),
    "frequency": (1e-3, 1e18),
    "price": (1e-9 / 3600, 1e9 / 3600),
    "energy_price": (1e-9 / 3.6e6, 1e9 / 3.6e6),
    "energy": (1e-24, 1e18),
    "number": (1e-6, 1e9),
    "ratio": (1e-6, 1e9),
    "count": (1.0, 1e9),
    "whole": (1.0, 1e9),
    "fraction": (1e-9, 1.0),
    "share": (1e-4, 1.0),
    "speed": (1e-4, 4.0),
}
"""Least and most in base units, by dimension; what else may be 0 is no matter of these."""

POSITIVE = frozenset({"bandwidth", "flop_rate", "price", "ratio", "whole", "share", "speed"})
"""What times and tokens are divided by, so that it may not be 0."""


def in_range(value: float, dimension: str) -> bool:
    """Whether a value of a dimension, or its amount where it is below 0, lies in its range or is 0."""
    least, most = RANGES[dimension]
    return value == 0 or least <= abs(value) <= most
