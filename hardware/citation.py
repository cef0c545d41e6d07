"""Where a number came from. A number without a source does not load."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

CitationKind = Literal["datasheet", "paper", "measured", "fitted", "derived", "assumed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A source that numbers of a profile refer to by key.

    Attributes:
        key: name inside the file.
        kind: what sort of source.
        title, location: where the number is printed, or how it was found.
        read_on: day on which the number was entered; design decision 16 says what that does not promise.
    """

    key: str
    kind: CitationKind
    title: str
    location: str
    read_on: dt.date


@dataclass(frozen=True, slots=True, kw_only=True)
class CitedNumber:
    """One number of a profile as its file writes it, with its source.

    Attributes:
        path: dotted place in the file, such as ``memory.bandwidth``.
        text: value with unit as written, such as ``"3.35 TB/s"``.
        value: the same in base units.
        citation: the source.
        note: arithmetic of a derived number or reason of an assumed one; may be empty.
        inherited: file that the profile names as its base, where the number is that one's; "" for its own.
    """

    path: str
    text: str
    value: float
    citation: Citation
    note: str
    inherited: str = ""
