"""Quantities as text: the only place where units other than base units exist.

k, M, G, T, P are powers of ten, Ki, Mi, Gi, Ti powers of two; ``bit`` or ``B`` is always written.

    >>> parse_quantity("400 Gbit/s", "bandwidth")
    50000000000.0
    >>> format_quantity(85899345920, "bytes")
    '80.0 GiB'
"""

import re
from collections.abc import Mapping

from hardware.errors import UnitError
from hardware.ranges import RANGES, in_range

DECIMAL: Mapping[str, float] = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
BINARY: Mapping[str, float] = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
SMALL: Mapping[str, float] = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12}

# per dimension: unit symbol -> (size in base units, prefixes it takes)
UNITS: Mapping[str, Mapping[str, tuple[float, Mapping[str, float]]]] = {
    "bytes": {"B": (1.0, {**DECIMAL, **BINARY}), "bit": (0.125, {**DECIMAL, **BINARY})},
    "bandwidth": {"B/s": (1.0, {**DECIMAL, **BINARY}), "bit/s": (0.125, DECIMAL)},
    "flop_rate": {"FLOP/s": (1.0, DECIMAL)},
    "flops": {"FLOP": (1.0, DECIMAL)},
    "time": {
        "s": (1.0, SMALL),
        "min": (60.0, {"": 1.0}),
        "h": (3600.0, {"": 1.0}),
        "d": (86400.0, {"": 1.0}),
        "y": (365.25 * 86400.0, {"": 1.0}),
    },
    "power": {"W": (1.0, {**DECIMAL, "m": 1e-3})},
    "frequency": {"Hz": (1.0, DECIMAL)},
    "price": {"USD/h": (1 / 3600.0, DECIMAL)},
    "energy_price": {"USD/kWh": (1 / 3.6e6, DECIMAL)},
    "energy": {"J": (1.0, {**DECIMAL, **SMALL})},
}
EXAMPLES: Mapping[str, str] = {
    "bytes": "80 GiB",
    "bandwidth": "3.35 TB/s' or '400 Gbit/s",
    "flop_rate": "989 TFLOP/s",
    "flops": "3.9 GFLOP",
    "time": "5 us",
    "power": "400 W",
    "frequency": "1.41 GHz",
    "price": "2.5 USD/h",
    "energy_price": "0.12 USD/kWh",
    "energy": "640 pJ",
}
LONGEST = 60  # characters of a text in a message
NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-z/]*)\s*")


def parse_quantity(text: str, dimension: str) -> float:
    """A number with its unit, in base units (seconds, bytes, FLOP, W, Hz, USD and rates of them).

    Args:
        text: such as ``"3.35 TB/s"``.
        dimension: a key of ``UNITS``.

    Raises:
        UnitError: no number, no unit, a unit of another dimension, or a value that no machine has.
    """
    expected = f"expected a value such as '{EXAMPLES[dimension]}'"
    match = NUMBER.fullmatch(text)
    if match is None:
        raise UnitError(f"{shortened(text)} is not a quantity; {expected}")
    number, unit = match.groups()
    if not unit:
        raise UnitError(f"{shortened(text)} has no unit; {expected}")
    for symbol, (size, prefixes) in UNITS[dimension].items():
        prefix = unit.removesuffix(symbol)
        if unit.endswith(symbol) and prefix in prefixes:
            value = float(number) * prefixes[prefix] * size
            if in_range(value, dimension) and (value or not number.lower().partition("e")[0].strip("+-0.")):
                return value
            least, most = (format_quantity(end, dimension) for end in RANGES[dimension])
            raise UnitError(f"{shortened(text)} is beyond any machine; expected {least} to {most}")
    raise UnitError(f"{shortened(text)} is not of dimension {dimension}; {expected}")


def shortened(found: object) -> str:
    """A value for a message, however long it is."""
    text = repr(found)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def format_quantity(value: float, dimension: str) -> str:
    """A quantity for reading: bytes in powers of two, the rest in powers of ten, about four digits."""
    symbol, (unit, _) = next(iter(UNITS[dimension].items()))
    value /= unit
    if dimension == "bytes":
        steps: Mapping[str, float] = {"": 1.0, **BINARY}
    elif dimension == "time":
        steps = SMALL
    elif dimension == "energy":
        steps = {**SMALL, **DECIMAL}
    else:
        steps = DECIMAL
    prefix, size = _step(abs(value), steps)
    scaled = value / size
    digits = f"{scaled:.1f}" if dimension == "bytes" and prefix else f"{scaled:.4g}"
    return f"{digits} {prefix}{symbol}"


def _step(value: float, steps: Mapping[str, float]) -> tuple[str, float]:
    """The largest prefix not above the value, or the smallest there is."""
    fitting = [(prefix, size) for prefix, size in steps.items() if size <= value]
    if fitting:
        return max(fitting, key=lambda step: step[1])
    return ("", 1.0) if value == 0 else min(steps.items(), key=lambda step: step[1])
