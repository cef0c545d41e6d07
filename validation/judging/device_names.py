"""Which device profile a table means by the text of its device column."""

from dataclasses import dataclass
from functools import cache

from validation.errors import RowSkippedError
from validation.judging.rules import Pattern, first_match, load_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRule:
    """Texts with this pattern name this device profile, or one that there is no profile of (empty)."""

    pattern: Pattern
    device: str


@cache
def device_named(text: str, file: str) -> str:
    """The device profile that a text names by a file of rules.

    Raises:
        RowSkippedError: blank, or no device of the rules.
    """
    if not text.strip():
        raise RowSkippedError("the device is not named")
    rule = first_match(load_rules(file, DeviceRule), text)
    if rule is None or not rule.device:
        raise RowSkippedError(f"device {text!r} has no profile")
    return rule.device
