"""Whole files, read up to a limit: a device that never ends or a file of a terabyte is refused early."""

from pathlib import Path

from readers.errors import InputError
from readers.limits import Kind, limit_of, too_large


def read_bytes(path: str | Path, expected: str, *, kind: Kind = Kind.TEXT) -> bytes:
    """The contents of a file.

    Args:
        path: of the file.
        expected: what it should be, for messages: ``"a cluster file"``.
        kind: of file, which says how much is taken in.

    Raises:
        InputError: not readable, or too large.
    """
    most = limit_of(kind)
    try:
        with Path(path).open("rb") as file:
            found = file.read(most + 1)
    except (OSError, ValueError) as error:  # the latter of a path with a null byte
        raise unreadable(path, error, expected) from None
    if len(found) > most:
        raise too_large(path, expected, most)
    return found


def read_text(path: str | Path, expected: str, *, kind: Kind = Kind.TEXT) -> str:
    """The text of a file in UTF-8; a byte-order mark is left out.

    Raises:
        InputError: not readable, too large, or no such text.
    """
    try:
        return read_bytes(path, expected, kind=kind).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read (no text in UTF-8: {error}); expected {expected}") from None


def unreadable(path: object, error: Exception, expected: str) -> InputError:
    """The refusal of a file that the system does not hand out."""
    reason = getattr(error, "strerror", None) or error
    named = repr(str(path)) if "\0" in str(path) else path
    return InputError(f"{named}: cannot be read ({reason}); expected {expected}")
