"""Reader of software stacks: ``simdl/stacks/NAME.toml``.

    base = "megatron-2021"              # optional: take every key that this file does not set from another
    stack defaults = ["ampere:sequence"]      # device generation and sample kind this stack is the default
    for attention = "flash-causal"
    fused = ["bias_gelu"]
    gradient_overlap = true
    launch = { value = "8 us", source = "fit", note = "..." }

Every number names one of the file's ``[sources.KEY]`` tables. Every fault of a file is reported at once.
"""

import datetime as dt
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from typing import Any

from hardware.citation import Citation, CitedNumber
from hardware.errors import UnitError
from hardware.units import parse_quantity
from simdl.errors import StackError
from simdl.stack import Stack

ATTENTION = ("unfused", "flash", "flash-causal")
NUMBERS: Mapping[str, str] = {
    "launch": "time",
    "collective_launch": "time",
    "step_overhead": "time",
    "microbatch_overhead": "time",
    "gradient_size": "bytes",
    "optimizer_traffic": "bytes",
    "bucket": "bytes",
    "tensor_overlap": "fraction",
    "contention": "fraction",
    "memory_context": "bytes",
    "memory_reserve": "fraction",
}
FLAGS = ("gradient_overlap", "parameter_overlap", "pipeline_overlap", "scatter_gather")
WORDS = ("description", "attention", "library")
IDENTITY = ("base", "defaults", "sources", "fused", "fitted_on")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    """One file's keys, its base's keys under them, with the sources each number names."""

    values: Mapping[str, Any]
    numbers: Mapping[str, CitedNumber]
    defaults: tuple[str, ...]


def stack_names() -> tuple[str, ...]:
    """Names of all stacks, sorted."""
    folder = resources.files("simdl") / "stacks"
    return tuple(sorted(path.name[:-5] for path in folder.iterdir() if path.name.endswith(".toml")))


@lru_cache(maxsize=256)
def load_stack(name: str) -> Stack:
    """The stack of a name.

    Raises:
        StackError: no such stack, or its file breaks a rule (one line per fault).
    """
    raw = _load_raw(name)
    missing = [
        f"stacks/{name}.toml: {key}: missing; expected here or in a base"
        for key in (*NUMBERS, *FLAGS, *WORDS, "fused")
        if key not in raw.values
    ]
    if missing:
        raise StackError("\n".join(missing))
    known = {field.name for field in fields(Stack)} - {"name", "numbers"}
    return Stack(
        name=name,
        numbers=tuple(raw.numbers.values()),
        **{key: value for key, value in raw.values.items() if key in known},
    )


@lru_cache(maxsize=1)
def _defaults() -> Mapping[str, str]:
    return {kind: name for name in stack_names() for kind in _load_raw(name).defaults}


def default_stack(generation: str, sample: str) -> str:
    """Name of the stack that a device generation runs by default.

    Args:
        generation: of the device, such as ``"ampere"``.
        sample: ``"sequence"`` or ``"image"``.

    Raises:
        StackError: no stack is the default of this generation.
    """
    found = _defaults().get(f"{generation}:{sample}")
    if found is None:
        kinds = ", ".join(sorted(_defaults()))
        raise StackError(
            f"no default software stack for {sample} workloads on {generation} devices; "
            f"name one with --stack (one of {', '.join(stack_names())}; defaults exist for {kinds})"
        )
    return found


@lru_cache(maxsize=256)
def _load_raw(name: str) -> _Raw:
    if name not in stack_names():
        near = get_close_matches(name, stack_names(), n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(stack_names())}"
        raise StackError(f"unknown software stack {name!r}; {hint}")
    text = (resources.files("simdl") / "stacks" / f"{name}.toml").read_text(encoding="utf-8")
    return parse_stack(text, f"stacks/{name}.toml", base=_load_raw)


def parse_stack(text: str, place: str, *, base: Callable[[str], _Raw]) -> _Raw:
    """Keys of one stack file over those of its base.

    Raises:
        StackError: the file breaks one or more rules; one line per fault.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StackError(f"{place}: not TOML: {error}") from None
    faults: list[str] = []
    inherited = base(data["base"]) if "base" in data else _Raw(values={}, numbers={}, defaults=())
    sources = _sources(data.get("sources", {}), place, faults)
    numbers = _numbers(data, sources, place, faults)
    values = {**_flags(data, place, faults), **_words(data, place, faults)}
    if "fused" in data:
        values["fused"] = frozenset(data["fused"])
    used = {number.citation.key for number in numbers.values()}
    faults += [f"{place}: sources.{key}: no number names it" for key in sources if key not in used]
    allowed = {*NUMBERS, *FLAGS, *WORDS, *IDENTITY}
    faults += [f"{place}: {key}: unknown key" for key in data if key not in allowed]
    if faults:
        raise StackError("\n".join(faults))
    values.update({key: number.value for key, number in numbers.items()})
    return _Raw(
        values={**inherited.values, **values},
        numbers={**inherited.numbers, **numbers},
        defaults=tuple(data.get("defaults", ())),
    )


def _sources(tables: Mapping[str, Any], place: str, faults: list[str]) -> dict[str, Citation]:
    found = {}
    for key, table in tables.items():
        missing = [name for name in ("kind", "title", "location", "read_on") if name not in table]
        if missing:
            faults.append(f"{place}: sources.{key}: missing {', '.join(missing)}")
        elif not isinstance(table["read_on"], dt.date):
            found_date = table["read_on"]
            faults.append(f"{place}: sources.{key}.read_on: found {found_date!r}; expected a date")
        else:
            found[key] = Citation(key=key, **table)
    return found


def _numbers(
    data: Mapping[str, Any], sources: Mapping[str, Citation], place: str, faults: list[str]
) -> dict[str, CitedNumber]:
    found = {}
    for key, dimension in NUMBERS.items():
        if key not in data:
            continue
        entry = data[key]
        if not isinstance(entry, dict) or "value" not in entry or "source" not in entry:
            faults.append(f"{place}: {key}: found {entry!r}; expected {{ value = ..., source = ... }}")
            continue
        if entry["source"] not in sources:
            faults.append(f"{place}: {key}: source {entry['source']!r} is not declared under [sources]")
            continue
        citation = sources[entry["source"]]
        note = entry.get("note", "")
        if citation.kind in ("assumed", "derived") and not note:
            faults.append(f"{place}: {key}: {citation.kind} without a note; expected a reason")
        value = _value(entry["value"], dimension, f"{place}: {key}", faults)
        found[key] = CitedNumber(
            path=key, text=str(entry["value"]), value=value, citation=citation, note=note
        )
    return found


def _value(found: object, dimension: str, place: str, faults: list[str]) -> float:
    if dimension == "fraction":
        if isinstance(found, int | float) and 0 <= found <= 1:
            return float(found)
        faults.append(f"{place}: found {found!r}; expected a fraction from 0 to 1")
        return 0.0
    try:
        return parse_quantity(str(found), dimension)
    except UnitError as error:
        faults.append(f"{place}: {error}")
        return 0.0


def _flags(data: Mapping[str, Any], place: str, faults: list[str]) -> dict[str, Any]:
    found = {key: data[key] for key in FLAGS if key in data}
    faults += [
        f"{place}: {key}: found {value!r}; expected true or false"
        for key, value in found.items()
        if not isinstance(value, bool)
    ]
    return found


def _words(data: Mapping[str, Any], place: str, faults: list[str]) -> dict[str, Any]:
    found = {key: data[key] for key in WORDS if key in data}
    attention = found.get("attention", ATTENTION[0])
    if attention not in ATTENTION:
        faults.append(f"{place}: attention: found {attention!r}; expected one of {', '.join(ATTENTION)}")
    return found
