"""What numbers of a profile may name: its ``[sources.KEY]`` tables, or those of ``data/sources.toml``."""

import datetime as dt
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, get_args

from hardware.citation import Citation, CitationKind
from hardware.errors import ProfileError
from hardware.profile_files import DATA
from readers.toml import parse_toml

FIELDS = ("kind", "title", "location", "read_on")
EXPLAINED = ("assumed", "derived")  # kinds whose numbers need a note

Fault = Callable[[str, str], None]  # key path, message


@lru_cache(maxsize=1)
def shared_sources() -> Mapping[str, Citation]:
    """Sources that every profile may name without declaring them, by key.

    Raises:
        ProfileError: the file breaks a rule.
    """
    path, faults = DATA / "sources.toml", list[str]()
    data = parse_toml(path.read_text(encoding="utf-8"), path.name)
    found = read_sources(data, lambda place, message: faults.append(f"{path.name}: {place}: {message}"))
    if faults:
        raise ProfileError(faults)
    return {key: citation for key, citation in found.items() if citation is not None}


def read_sources(data: Mapping[str, Any], fault: Fault) -> dict[str, Citation | None]:
    """Sources by key; None for a declared one that is itself at fault, which ``fault`` is told."""
    tables = data.get("sources", {})
    if not isinstance(tables, Mapping):
        fault("sources", f"found {tables!r}; expected tables [sources.KEY]")
        return {}
    return {key: _read_source(key, table, fault) for key, table in tables.items()}


def _read_source(key: str, table: object, fault: Fault) -> Citation | None:
    path = f"sources.{key}"
    if not isinstance(table, Mapping):
        fault(path, f"found {table!r}; expected a table with {', '.join(FIELDS)}")
        return None
    faults = dict(_source_faults(table))
    for name, message in faults.items():
        fault(f"{path}.{name}", message)
    return None if faults else Citation(key=key, **table)


def _source_faults(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    faults = [(name, "missing") for name in FIELDS if name not in table]
    faults += [
        (name, f"unknown key; a source has {', '.join(FIELDS)}") for name in table if name not in FIELDS
    ]
    for name in ("title", "location"):
        if name in table and not (isinstance(table[name], str) and table[name].strip()):
            faults.append((name, f"found {table[name]!r}; expected text"))
    if "kind" in table and table["kind"] not in get_args(CitationKind):
        faults.append(
            ("kind", f"found {table['kind']!r}; expected one of {', '.join(get_args(CitationKind))}")
        )
    if "read_on" in table and not isinstance(table["read_on"], dt.date):
        faults.append(("read_on", f"found {table['read_on']!r}; expected a date such as 2026-11-21"))
    return faults
