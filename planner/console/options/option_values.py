"""Quantities that options give as text: a refusal names the option."""

from hardware.errors import UnitError
from hardware.units import format_quantity, parse_quantity


def option_quantity(option: str, text: str, dimension: str, *, least: float = 0.0) -> float:
    """The value of an option in base units.

    Args:
        option: its name, such as ``--workspace``.
        text: what was given.
        dimension: a key of ``hardware.units.UNITS``.
        least: smallest value accepted.

    Raises:
        UnitError: no quantity of this dimension, or one below the least; names the option.
    """
    try:
        value = parse_quantity(text, dimension)
    except UnitError as error:
        raise UnitError(f"{option}: {error}") from None
    if value < least:
        raise UnitError(f"{option}: found {text!r}; expected at least {format_quantity(least, dimension)}")
    return value
