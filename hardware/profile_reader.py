"""Reading profile files: every number with its unit and its source, every fault of a file at once.

A number is ``{ value = "3.35 TB/s", source = "datasheet", note = "..." }``; its source is one of the file's
``[sources.KEY]`` tables, or one that profiles share. A table whose numbers share a source may name it once
with its own ``source`` key and give bare values. Fractions and counts are plain numbers; everything else is
text with a unit.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hardware.citation import Citation, CitedNumber
from hardware.errors import ProfileError, UnitError
from hardware.profile_sources import EXPLAINED, read_sources, shared_sources
from hardware.ranges import POSITIVE, RANGES, in_range
from hardware.units import EXAMPLES, parse_quantity, shortened
from readers.errors import InputError
from readers.toml import parse_toml

PLAIN = {
    "number": "a number, not below zero",
    "ratio": "a number above zero",
    "count": "a whole number, not below zero",
    "whole": "a whole number, at least 1",
    "fraction": "a fraction from 0 to 1, not below zero",
    "share": "a fraction above zero, at most 1",
    "speed": "a number above zero, at most 4",
}
NUMBER_KEYS = ("value", "source", "note")


class ProfileReader:
    """One profile file being read: hands out numbers, remembers sources used and faults found."""

    def __init__(self, text: str, place: str) -> None:
        self.place = place
        self.numbers: list[CitedNumber] = []
        self.faults: list[str] = []
        self._read: set[str] = set()
        self._used: set[str] = set()
        self._bases: list[tuple[str, ProfileReader]] = []
        try:
            self.data: Mapping[str, Any] = parse_toml(text, place)
        except InputError as error:
            raise ProfileError([str(error)]) from None
        self._own_sources = read_sources(self.data, self.fault)
        self.sources = {**shared_sources(), **self._own_sources}

    def is_faulty(self, path: str) -> bool:
        """Whether something is wrong at a key path or below it."""
        place = f"{self.place}: {path}"
        return any(fault.startswith((f"{place}: ", f"{place}.")) for fault in self.faults)

    def fault(self, path: str, message: str) -> None:
        """Remember one fault at a key path."""
        self.faults.append(f"{self.place}: {path}: {message}")

    def allow(self, path: str) -> None:
        """Accept a key that the caller reads from ``data`` itself."""
        self._read.add(path)

    def data_at(self, path: str) -> Any:  # noqa: ANN401 - a TOML value of any kind
        """What the file itself has at a dotted path; None where it has nothing."""
        found: Any = self.data
        for key in path.split("."):
            if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            elif isinstance(found, Mapping) and key in found:
                found = found[key]
            else:
                return None
        return found

    def has(self, path: str) -> bool:
        """Whether the file or a base of it has something at a path."""
        return self.data_at(path) is not None or any(self._inherited(path))

    def inherit(self, path: str, base: "ProfileReader") -> None:
        """Take from another profile what the table at a path leaves out.

        Args:
            path: of the table with a dot at its end, or empty for the whole file.
            base: a profile without faults; its numbers keep its sources. Of several, the first goes before.
        """
        self._bases.append((path, base))

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
        """Keys of a table and of what it inherits, without ``source``; none where there is no table."""
        self._read.add(path)
        tables = (self.data_at(path), *(base.data_at(rest) for base, rest in self._inherited(path)))
        keys = (key for table in tables if isinstance(table, Mapping) for key in table)
        return tuple(key for key in dict.fromkeys(keys) if key != "source")

    def tables(self, path: str) -> int:
        """Length of an array of tables."""
        found = self._find(path)
        return len(found) if isinstance(found, list) else 0

    def number(self, path: str, dimension: str, *, default: float | None = None) -> float:
        """A number in base units; remembered with its citation.

        Args:
            path: dotted key path.
            dimension: one of ``hardware.units.UNITS``, or of ``PLAIN``.
            default: for optional numbers.
        """
        self._read.add(path)
        entry = self.data_at(path)
        if entry is None:
            return self._absent_number(path, dimension, default)
        if not isinstance(entry, Mapping):
            entry = {"value": entry}
        if "source" not in entry:
            entry = {**entry, **self._shared_source(path)}
        citation = self._citation(path, entry)
        value = self._value(path, entry, dimension)
        if citation is not None:
            note = entry.get("note", "")
            text = str(entry.get("value"))
            self.numbers.append(CitedNumber(path=path, text=text, value=value, citation=citation, note=note))
        return value

    def numbers_under(self, path: str) -> tuple[CitedNumber, ...]:
        """The numbers read so far below a path (ending with a dot, or empty), their paths without it."""
        return tuple(
            replace(number, path=number.path.removeprefix(path))
            for number in self.numbers
            if number.path.startswith(path)
        )

    def finish(self) -> tuple[CitedNumber, ...]:
        """The numbers read, if the file has no fault.

        Raises:
            ProfileError: one line per fault, unknown keys and unused sources included.
        """
        for key, citation in self._own_sources.items():
            if citation is not None and key not in self._used:
                self.fault(f"sources.{key}", "no number names it; remove it")
        parents = {read[:end] for read in self._read for end, mark in enumerate(read) if mark == "."}
        self._refuse_unread(self.data, parents)
        if self.faults:
            raise ProfileError(self.faults)
        return tuple(self.numbers)

    def _refuse_unread(self, table: Any, parents: set[str], at: str = "") -> None:  # noqa: ANN401 - any TOML
        """A fault for each key that nobody asked for; one for a whole table of such keys.

        Args:
            table: of the file.
            parents: paths below which something was asked for.
            at: path of the table, with a dot at its end.
        """
        for key, found in table.items() if isinstance(table, Mapping) else enumerate(table):
            path = f"{at}{key}"
            below = path in parents
            if _is_table(found) and (below or path in self._read):
                self._refuse_unread(found, parents, f"{path}.")
            elif path != "sources" and not self._known(path):
                self.fault(path, f"found {found!r}; expected a table" if below else "unknown key")

    def _known(self, path: str) -> bool:
        parent, _, leaf = path.rpartition(".")
        return path in self._read or (leaf in NUMBER_KEYS and parent in self._read)

    def _find(self, path: str) -> Any:  # noqa: ANN401 - a TOML value of any kind
        self._read.add(path)
        found = self.data_at(path)
        return (
            next((base.data_at(rest) for base, rest in self._inherited(path)), None)
            if found is None
            else found
        )

    def _inherited(self, path: str) -> "Iterator[tuple[ProfileReader, str]]":
        """The bases that have something for a path, and its path there."""
        for table, base in self._bases:
            rest = path.removeprefix(table)
            if path.startswith(table) and base.data_at(rest) is not None:
                yield base, rest

    def _absent_number(self, path: str, dimension: str, default: float | None) -> float:
        for base, rest in self._inherited(path):
            value = base.number(rest, dimension)
            self.numbers.append(replace(base.numbers[-1], path=path, inherited=base.place))
            return value
        if default is None:
            self.fault(path, "missing")
        return default or 0.0

    def _shared_source(self, path: str) -> dict[str, Any]:
        """The ``source`` of the nearest table around a number."""
        while "." in path:
            path = path.rpartition(".")[0]
            found = self.data_at(f"{path}.source")
            if found is not None:
                self._read.add(f"{path}.source")
                return {"source": found}
        return {}

    def _citation(self, path: str, entry: Mapping[str, Any]) -> Citation | None:
        for key in entry:
            if key not in NUMBER_KEYS:
                self._read.add(f"{path}.{key}")
                self.fault(f"{path}.{key}", f"unknown key; a number has {', '.join(NUMBER_KEYS)}")
        source, note = entry.get("source"), entry.get("note", "")
        if not isinstance(note, str):
            self.fault(f"{path}.note", f"found {note!r}; expected text")
        if source is None:
            form = f'{{ value = {_toml(entry.get("value"))}, source = "KEY" }}'
            self.fault(path, f"no source; expected {form} with a KEY of this file's [sources]")
            return None
        if not isinstance(source, str) or source not in self.sources:
            self.fault(path, f"source {source!r} is not declared under [sources]")
            return None
        self._used.add(source)
        citation = self.sources[source]
        if citation is not None and citation.kind in EXPLAINED and not note:
            self.fault(path, f"{citation.kind} without a note; expected the reason or the arithmetic")
        return citation

    def _value(self, path: str, entry: Mapping[str, Any], dimension: str) -> float:
        if "value" not in entry:
            self.fault(f"{path}.value", "missing")
            return 0.0
        try:
            return _parse(entry["value"], dimension)
        except UnitError as error:
            self.fault(path, str(error))
            return 0.0


def _toml(found: object) -> str:
    """A value as a profile writes it."""
    return f'"{found}"' if isinstance(found, str) else str(found)


def _parse(found: object, dimension: str) -> float:
    """A value in base units; raises UnitError for one that no quantity of this dimension has."""
    if dimension not in PLAIN:
        if not isinstance(found, str):
            example = EXAMPLES[dimension]
            raise UnitError(
                f"found {shortened(found)}; expected text with a unit ({dimension}) such as '{example}'"
            )
        value = parse_quantity(found, dimension)
        if value < 0 or (value == 0 and dimension in POSITIVE):
            wanted = "above zero" if dimension in POSITIVE else "not below zero"
            raise UnitError(f"found {found!r}; expected a value {wanted}")
        return value
    if isinstance(found, int | float) and not isinstance(found, bool):
        value = float(found)
        if value >= 0 and _fits(value, dimension):
            return value
        least, most = RANGES[dimension]
        if 0 < value < math.inf and not in_range(value, dimension) and not 1 == most < value:
            raise UnitError(f"found {found!r}; expected {PLAIN[dimension]}, {least:g} to {most:g}")
    raise UnitError(f"found {shortened(found)}; expected {PLAIN[dimension]}")


def _fits(value: float, dimension: str) -> bool:
    """Whether a plain number of at least 0 is one of its kind."""
    if not in_range(value, dimension) or (value == 0 and dimension in POSITIVE):
        return False
    return dimension not in {"count", "whole"} or value.is_integer()


def _is_table(found: object) -> bool:
    """Whether a TOML value is a table or an array of tables."""
    items = found if isinstance(found, list) else [found]
    return bool(items) and all(isinstance(item, Mapping) for item in items)
