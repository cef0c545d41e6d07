"""Errors of the workloads package.

WorkloadError (ValueError)
    UnknownNameError   no such network, optimizer or precision; suggests those that begin so, else those that
                       share a word with it, else the nearest in spelling
    NetworkError       a network description breaks a rule; collects every fault with its place
"""

import difflib
import re
from collections.abc import Iterable, Sequence

MOST, FEW, WORD = 3, 30, 3  # names suggested, names listed, letters of a word that says something


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
        near = near_names(name, names)
        known_names = (
            f"known: {', '.join(names)}"
            if len(names) <= FEW
            else f"{len(names)} are registered{_listed(kind)}"
        )
        hint = f"did you mean {', '.join(near)}?" if near else known_names
        super().__init__(f"unknown {kind} {name!r}; {hint}")


def near_names(name: str, names: Sequence[str]) -> list[str]:
    """Names that begin as the typed one does, else share a word with it, else are spelled nearly alike."""
    typed = name.lower()
    begins = [each for each in names if typed and each.startswith(typed)]
    return begins or _sharing_words(typed, names) or difflib.get_close_matches(typed, names, n=MOST)


def _listed(kind: str) -> str:
    """Where all names of a kind are listed."""
    return ", which `simdl models` lists" if kind == "network" else ""


def _sharing_words(typed: str, names: Sequence[str]) -> list[str]:
    """Names with a word of the typed one (``rcnn`` of faster-rcnn), the nearest in spelling first."""
    wanted = {word for word in re.findall("[a-z]+", typed) if len(word) >= WORD}
    sharing = [name for name in names if wanted & set(re.findall("[a-z]+", name))]
    return difflib.get_close_matches(typed, sharing, n=MOST, cutoff=0.0)
