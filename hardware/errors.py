"""Errors of the hardware package.

HardwareError (ValueError)
    UnitError         a text is not a quantity of the expected dimension
    ProfileError      a profile file breaks a rule; collects every fault with its place
    UnknownNameError  no such device, link or cluster; suggests those that begin so, else the nearest
"""

import difflib
from collections.abc import Iterable


class HardwareError(ValueError):
    """Root of everything the hardware package refuses."""


class UnitError(HardwareError):
    """A text is not a quantity of the expected dimension."""


class ProfileError(HardwareError):
    """A profile breaks one or more rules; the message has one line per fault."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class UnknownNameError(HardwareError):
    """No profile has this name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        typed = name.lower()
        begins = [each for each in names if typed and each.startswith(typed)]
        near = begins or difflib.get_close_matches(typed, names, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")
