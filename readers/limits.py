"""How many bytes of a file are taken in, so that no file takes the machine's memory or a day.

Every command takes ``--max-input``, which replaces all of them.
"""

from enum import Enum

from readers.errors import InputError


class Kind(Enum):
    """A kind of file, and how many bytes of it are taken in unless ``--max-input`` says otherwise."""

    LAUNCH = "launch file", 2**20
    """configurations of frameworks, some of them YAML, of which a megabyte takes ten seconds"""
    TEXT = "text", 64 * 2**20
    """what people write otherwise, and answers: profiles, networks, strategies, tables"""
    WEIGHTS = "weights", 2**31
    """exported networks, which carry their weights; a protocol buffer holds no more"""
    TRACE = "trace", 2**31
    """traces of profilers, their text after decompression"""


_CHOSEN: list[int] = []
"""What ``--max-input`` says [bytes]; empty where it says nothing."""


def choose_limit(nbytes: int | None) -> None:
    """Take in so many bytes of any file from now on; None for what each kind has of itself."""
    _CHOSEN[:] = [] if nbytes is None else [nbytes]


def chosen_limit() -> int | None:
    """What was chosen [bytes], to hand on to another process; None for what each kind has of itself."""
    return _CHOSEN[0] if _CHOSEN else None


def limit_of(kind: Kind) -> int:
    """[bytes] that are taken in of a file."""
    return _CHOSEN[0] if _CHOSEN else kind.value[1]


def too_large(place: object, expected: str, most: int) -> InputError:
    """The refusal of a file of more than ``most`` bytes."""
    return InputError(
        f"{place}: found more than {shown_size(most)}; expected {expected} of at most that, or --max-input "
        "to take in more"
    )


def shown_size(nbytes: int) -> str:
    """Bytes for reading.

    Example:
        >>> shown_size(64 * 2**20)
        '64 MiB'
    """
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if nbytes >= size:
            return f"{nbytes / size:.4g} {unit}"
    return f"{nbytes:,} bytes"
