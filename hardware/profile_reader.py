"""Reading profile files: every number with its unit and its source, every fault of a file at once.

A number is ``{ value = "3.35 TB/s", source = "datasheet", note = "..." }``; its source is one of the file's
``[sources.KEY]`` tables. A table whose numbers share a source may name it once with its own ``source`` key
and give bare values. Fractions and counts are plain numbers; everything else is text with a unit.
"""

import datetime as dt
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from hardware.citation import Citation, CitationKind, CitedNumber
from hardware.errors import ProfileError, UnitError
from hardware.units import parse_quantity

PLAIN = {"number": "a number", "count": "a whole number", "fraction": "a fraction from 0 to 1"}
EXPLAINED = ("assumed", "derived")  # kinds whose numbers need a note


class ProfileReader:
    """One profile file being read: hands out numbers, remembers sources used and faults found."""

    def __init__(self, text: str, place: str) -> None:
        self.place = place
        self.numbers: list[CitedNumber] = []
        self.faults: list[str] = []
        self._read: set[str] = set()
        try:
            self.data: Mapping[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ProfileError([f"{place}: not TOML: {error}"]) from None
        self.sources = dict(self._sources())

    def fault(self, path: str, message: str) -> None:
        """Remember one fault at a key path."""
        self.faults.append(f"{self.place}: {path}: {message}")

    def allow(self, path: str) -> None:
        """Accept a key that the caller reads from ``data`` itself."""
        self._read.add(path)

    def text(self, path: str, *, default: str | None = None) -> str:
        """A word or sentence."""
        found = self._find(path)
        if isinstance(found, str) and found:
            return found
        if found is None and default is not None:
            return default
        self.fault(path, "missing; expected text" if found is None else f"found {found!r}; expected text")
        return ""

    def keys(self, path: str) -> tuple[str, ...]:
        """Keys of a table, without its ``source``; none where there is no such table."""
        found = self._find(path)
        return tuple(key for key in found if key != "source") if isinstance(found, Mapping) else ()

    def tables(self, path: str) -> int:
        """Length of an array of tables."""
        found = self._find(path)
        return len(found) if isinstance(found, list) else 0

    def number(self, path: str, dimension: str, *, default: float | None = None) -> float:
        """A number in base units; remembered with its citation.

        Args:
            path: dotted key path.
            dimension: one of ``hardware.units.UNITS``, or ``number``, ``count``, ``fraction``.
            default: for optional numbers.
        """
        entry = self._find(path)
        if entry is None:
            if default is None:
                self.fault(path, "missing")
            return default or 0.0
        if not isinstance(entry, Mapping):
            shared = self._shared_source(path)
            entry = {"value": entry, "source": shared} if shared else {"value": entry}
        citation = self._citation(path, entry)
        value = self._value(path, entry.get("value"), dimension)
        if citation is not None:
            self.numbers.append(
                CitedNumber(
                    path=path,
                    text=str(entry.get("value")),
                    value=value,
                    citation=citation,
                    note=entry.get("note", ""),
                )
            )
        return value

    def finish(self) -> tuple[CitedNumber, ...]:
        """The numbers read, if the file has no fault.

        Raises:
            ProfileError: one line per fault, unknown keys and unused sources included.
        """
        used = {number.citation.key for number in self.numbers}
        for key in self.sources:
            if key not in used:
                self.fault(f"sources.{key}", "no number names it; remove it")
        for path in _leaves(self.data):
            if not path.startswith("sources.") and not self._known(path):
                self.fault(path, "unknown key")
        if self.faults:
            raise ProfileError(self.faults)
        return tuple(self.numbers)

    def _shared_source(self, path: str) -> str | None:
        """The ``source`` of the nearest table around a number."""
        while "." in path:
            path = path.rpartition(".")[0]
            found = self._find(f"{path}.source")
            if isinstance(found, str):
                return found
        return None

    def _known(self, path: str) -> bool:
        parent, _, leaf = path.rpartition(".")
        if leaf in {"value", "source", "note"} and parent in self._read:
            return True
        return path in self._read or leaf == "source"

    def _find(self, path: str) -> Any:  # noqa: ANN401 - a TOML value of any kind
        self._read.add(path)
        found: Any = self.data
        for key in path.split("."):
            if isinstance(found, list):
                found = found[int(key)]
            elif isinstance(found, Mapping) and key in found:
                found = found[key]
            else:
                return None
        return found

    def _sources(self) -> Iterator[tuple[str, Citation]]:
        for key, table in self.data.get("sources", {}).items():
            path = f"sources.{key}"
            missing = [name for name in ("kind", "title", "location", "read_on") if name not in table]
            extra = [name for name in table if name not in ("kind", "title", "location", "read_on")]
            if missing or extra:
                for name in missing:
                    self.fault(f"{path}.{name}", "missing")
                for name in extra:
                    self.fault(f"{path}.{name}", "unknown key")
                continue
            if table["kind"] not in get_args(CitationKind):
                kinds = ", ".join(get_args(CitationKind))
                self.fault(f"{path}.kind", f"found {table['kind']!r}; expected one of {kinds}")
            if not isinstance(table["read_on"], dt.date):
                self.fault(f"{path}.read_on", f"found {table['read_on']!r}; expected a date")
            yield key, Citation(key=key, **table)

    def _citation(self, path: str, entry: Mapping[str, Any]) -> Citation | None:
        source = entry.get("source")
        extra = [key for key in entry if key not in ("value", "source", "note")]
        for key in extra:
            self.fault(f"{path}.{key}", "unknown key; a number has value, source and note")
        if source is None:
            self.fault(path, "no source; expected one of this file's [sources] keys")
            return None
        if source not in self.sources:
            self.fault(path, f"source {source!r} is not declared under [sources]")
            return None
        citation = self.sources[source]
        if citation.kind in EXPLAINED and not entry.get("note"):
            self.fault(path, f"{citation.kind} without a note; expected the reason or the arithmetic")
        return citation

    def _value(self, path: str, found: object, dimension: str) -> float:
        if dimension in PLAIN:
            plain = isinstance(found, int | float) and not isinstance(found, bool)
            if plain and _fits(float(found), dimension):  # type: ignore[arg-type]
                return float(found)  # type: ignore[arg-type]
            self.fault(path, f"found {found!r}; expected {PLAIN[dimension]}")
            return 0.0
        if not isinstance(found, str):
            self.fault(path, f"found {found!r}; expected text with a unit ({dimension})")
            return 0.0
        try:
            return parse_quantity(found, dimension)
        except UnitError as error:
            self.fault(path, str(error))
            return 0.0


def _fits(value: float, dimension: str) -> bool:
    if dimension == "fraction":
        return 0.0 <= value <= 1.0
    return dimension != "count" or value == int(value)


def _leaves(data: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 - a TOML value of any kind
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(data, list) and any(isinstance(item, Mapping) for item in data):
        for index, item in enumerate(data):
            yield from _leaves(item, f"{path}.{index}")
    else:
        yield path
