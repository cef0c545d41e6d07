"""TOML as people hand it in.

tomllib takes time with the square of the parts of a dotted key and fails in ways of its own on nesting and on
long numbers; here each is one refusal, before it takes time.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

from readers.errors import InputError
from readers.whole import read_text

DEEPEST = 16
"""Tables and arrays within each other, and parts of a dotted key, at most."""
_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DOTTED = re.compile(rf"(?<![A-Za-z0-9_-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{DEEPEST}}}")

_QUOTED = re.compile(
    r"""#[^\n]*+|\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}.*?'{3}|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+'""", re.DOTALL
)
"""Comments and texts, whose dots part nothing."""


def read_toml(path: str | Path, expected: str) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        InputError: not readable, too large, no TOML or nested too deeply.
    """
    return parse_toml(read_text(path, expected), str(path))


def parse_toml(text: str, place: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Args:
        text: of the file.
        place: where it stands, for messages.

    Raises:
        InputError: no TOML, or nested too deeply.
    """
    if _DOTTED.search(text) and _DOTTED.search(_QUOTED.sub('""', text)):
        raise InputError(f"{place}: found a key of more than {DEEPEST} parts; expected at most {DEEPEST}")
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise _too_deep(place) from None
    except ValueError as error:  # TOMLDecodeError, and numbers too long to be read
        reason = str(error).partition("; use sys.")[0]
        raise InputError(f"{place}: not TOML: {reason}") from None
    if _is_deep(tables):
        raise _too_deep(place)
    return tables


def _too_deep(place: str) -> InputError:
    return InputError(f"{place}: nested too deeply to be read; expected at most {DEEPEST} levels")


def _is_deep(tables: dict[str, Any]) -> bool:
    """Whether tables and arrays stand more than ``DEEPEST`` within each other."""
    level: list[Any] = [tables]
    for _ in range(DEEPEST):
        inner = [value for each in level for value in (each.values() if isinstance(each, dict) else each)]
        level = [value for value in inner if isinstance(value, dict | list)]
        if not level:
            return False
    return True
