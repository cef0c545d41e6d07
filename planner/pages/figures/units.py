"""Units of axes: those that tables print, so that no axis reads `10m` or `82G`.

Seconds are ms or s, bytes KiB, MiB or GiB, rates and flops have powers of ten, long times are s, min, h or d.
One axis has one unit, which its title names; the numbers on it are plain.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, floor, log2, log10, sqrt
from typing import Any

from hardware.units import BINARY, DECIMAL, format_quantity

STEPS: Mapping[str, Mapping[str, float]] = {
    "s": {"ms": 1e-3, "s": 1.0},
    "duration": {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "B": {"B": 1.0, **{f"{prefix}B": size for prefix, size in BINARY.items() if size <= BINARY["Gi"]}},
    **{
        unit: {f"{prefix}{unit}": size for prefix, size in DECIMAL.items()}
        for unit in ("B/s", "FLOP/s", "FLOP")
    },
}
"""Units by what is measured, smallest first, with their sizes in base units."""
PLAIN = ",~r"  # of d3-format: all digits, thousands apart, no prefix
ROOM = 0.1  # share of an axis of sizes on either side, for the names of its ends
TICKS = 6  # about as many as an axis has


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A unit and its size in base units."""

    unit: str
    size: float = 1.0

    def of(self, values: Iterable[float | None]) -> list[float | None]:
        """Amounts in this unit; what there is not stays so."""
        return [None if value is None else value / self.size for value in values]

    def shown(self, axis: str) -> str:
        """The value on an axis with this unit, for a hover template."""
        return f"%{{{axis}:,.4~r}} {self.unit}"


def scale(unit: str, values: Iterable[float | None], *, log: bool = False) -> Scale:
    """The unit in which amounts are read best.

    Args:
        unit: a base unit, ``"duration"`` for long times, or a unit that has no others.
        values: that an axis shows, in base units.
        log: the axis is logarithmic, so that the middle of its decades counts and not the largest.

    Example:
        >>> scale("s", [0.01, 0.25]), scale("B", [80 * 2.0**30]).unit
        (Scale(unit='ms', size=0.001), 'GiB')
    """
    steps = STEPS.get(unit)
    if steps is None:
        return Scale(unit=unit)
    sizes = [abs(value) for value in values if value]
    middle = sqrt(min(sizes) * max(sizes)) if log and sizes else max(sizes, default=0.0)
    fitting = [Scale(unit=name, size=size) for name, size in steps.items() if size <= middle]
    return fitting[-1] if fitting else Scale(unit=next(iter(steps)), size=next(iter(steps.values())))


def size_axis(quantity: str, values: Iterable[float], *, ticks: int = TICKS) -> dict[str, Any]:
    """A logarithmic axis of sizes [bytes] over many units: ticks at powers of two, each with its unit."""
    sizes = [value for value in values if value > 0] or [1.0]
    low, high = floor(log2(min(sizes))), ceil(log2(max(sizes)))
    stride = max(1, ceil((high - low) / ticks))
    places = [2.0**power for power in range(low, high + 1, stride)]
    texts = [format_quantity(place, "bytes").replace(".0 ", " ") for place in places]
    room = max(0.1, ROOM * log10(2.0 ** (high - low)))
    return {
        "title": {"text": quantity},
        "type": "log",
        "tickvals": places,
        "ticktext": texts,
        "range": [log10(2.0**low) - room, log10(2.0**high) + room],
    }
