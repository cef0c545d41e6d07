"""Errors of the workloads package.

WorkloadError (ValueError)
    UnknownNameError   no such network, optimizer or precision; suggests those that begin so, else the nearest
    NetworkError       a network description breaks a rule; collects every fault with its place
"""

import difflib
from collections.abc import Iterable


class WorkloadError(ValueError):
    """Root of everything the workloads package refuses."""


class NetworkError(WorkloadError):
    """A network description breaks one or more rules; the message has one line per fault."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class UnknownNameError(WorkloadError):
    """No network, optimizer or precision has this name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        typed = name.lower()
        begins = [each for each in names if typed and each.startswith(typed)]
        near = begins or difflib.get_close_matches(typed, names, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names)}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")
