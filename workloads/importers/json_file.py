"""JSON files that people hand in, read so that whatever is wrong with one is said in one message.

A byte-order mark is no fault. Numbers too long for Python to read become `Oversized`, so that the key that
holds one is named where it is read; a key that stands twice in one object is refused, because readers differ
in which value they take.
"""

import json
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from readers.errors import InputError
from readers.whole import read_text
from workloads.errors import WorkloadError

DIGITS = 30
"""Of a whole number that is read as one; no dimension has as many."""


@dataclass(frozen=True, slots=True)
class Oversized:
    """A whole number too long to be a dimension of anything."""

    digits: int

    def __repr__(self) -> str:
        return f"a number of {self.digits:,} digits"


class _TwiceError(ValueError):
    """A key stands twice in one object."""


def read_object(file: Path, expected: str) -> dict[str, Any]:
    """The object that a JSON file holds.

    Args:
        file: to read.
        expected: what the file should be, for messages: ``"a config.json"``.

    Raises:
        WorkloadError: the file cannot be read, is too large, is no JSON or holds no object.
    """
    try:
        text = read_text(file, expected)
        content = json.loads(text, parse_int=_whole, object_pairs_hook=_unique)
    except _TwiceError as error:
        raise WorkloadError(f"{file}: {error}") from None
    except InputError as error:
        raise WorkloadError(str(error)) from None
    except RecursionError:
        raise WorkloadError(f"{file}: nested too deeply to be read; expected {expected}") from None
    except ValueError as error:
        raise WorkloadError(f"{file}: not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise WorkloadError(f"{file}: found a JSON {_kind(content)}; expected an object of keys")
    return content


def shown(value: object) -> str:
    """A value for a message: short, however long or deep it is."""
    return _SHORT.repr(value)


def _whole(text: str) -> int | Oversized:
    digits = len(text.lstrip("-"))
    return int(text) if digits <= DIGITS else Oversized(digits)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            values = f"with {shown(found[key])} and {shown(value)}"
            raise _TwiceError(f"{shown(key)}: stands twice in one object, {values}; expected it once")
        found[key] = value
    return found


def _kind(value: object) -> str:
    names = {bool: "boolean", str: "string", int: "number", float: "number", Oversized: "number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
