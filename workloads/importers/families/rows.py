"""Families that stand in the tables beside this file: what each changes of the one it is like.

A table's name is a `model_type`. Its entries:

``like``
    one or several that it takes everything from, the first before the next: names of tables, or the rules of
    a family as ``module.Class`` of this package, where it needs more than a table says.
``types``
    further `model_type` of the same family.
``sizes``
    what its configuration class says of the keys that a file must give (`Family.DIMENSIONS`), those of Llama
    in this project's words.
``keys``
    what the configuration class says of other keys: a value alone for a key that is known, else a kind of
    ``KINDS`` and a value (``"null"`` for none), with the ``names`` that files use where they are several.
``decoder``, ``reads``
    fields of `DecoderConfig` that every model has, and those that are what a key says: a switch is on where
    the key is neither null nor 0, and any other field is left out there.
``where``
    by key, fields for models in which it is on.
``experts``
    fields of `Experts`: a key, a product of two, or a value.
``windows``
    by layer in turns where a file does not say which have one: zeros and ones, ``but_last`` of as many layers
    as a key says, or all ``from`` a layer that a key says.
``rotates_windowed``
    positions rotate queries and keys of windowed layers alone.
``never``
    keys that are false in all released models, with which nothing else can be described.
``notes``
    what the network does not show.
``constants``
    class attributes of the rules.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from importlib import import_module
from inspect import get_annotations
from math import prod
from pathlib import Path
from types import new_class
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from workloads.importers.families.base import (
    Count,
    Family,
    Function,
    Length,
    Limit,
    Probability,
    Whole,
    alias,
)
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.parts import Experts

FOLDER = Path(__file__).parent
PACKAGE = __package__ or ""
KINDS: Mapping[str, Any] = {
    "count": Count,
    "whole": Whole,
    "length": Length,
    "share": Probability,
    "limit": Limit,
    "number": float,
    "switch": bool,
    "function": Function,
} | {"count?": Count | None, "whole?": Whole | None, "limit?": Limit | None}
SIZES = {
    "vocab": "vocab_size",
    "hidden": "hidden_size",
    "ffn": "intermediate_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "length": "max_position_embeddings",
}
"""Keys of Llama by what they are called here."""
Value = bool | int | float | str


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Row(BaseModel):
    """A family's table; entries as above."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    like: Annotated[list[str], BeforeValidator(_several)]
    types: list[str] = []
    sizes: dict[str, Value] = {}
    keys: dict[str, Value | dict[str, Any]] = {}
    decoder: dict[str, Value] = {}
    reads: dict[str, str] = {}
    where: dict[str, dict[str, Value]] = {}
    experts: dict[str, Value] = {}
    windows: list[int] | dict[str, str] = []
    rotates_windowed: bool = False
    never: list[str] = []
    notes: list[str] = []
    constants: dict[str, Value] = {}


@cache
def read_rows() -> Mapping[str, Row]:
    """All tables by their first `model_type`."""
    tables = (tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.toml")))
    return {name: Row.model_validate(row) for table in tables for name, row in table.items()}


@cache
def family(name: str) -> type[Family]:
    """The class of a table, or of the rules ``module.Class``."""
    if name not in read_rows():
        module, _, rules = name.rpartition(".")
        found: type[Family] = getattr(import_module(f"{PACKAGE}.{module}"), rules)
        return found
    row = read_rows()[name]
    parents = tuple(family(each) for each in row.like)
    plain: type[Family] = new_class(name, parents)
    given = {SIZES.get(size, size): value for size, value in row.sizes.items()}
    said: Mapping[str, Any] = {**dict(_inherited(plain)), **dict(_own(plain, row))}
    optional = {key for key in row.keys if not said[key][1].is_required()}
    sizes = {key: value for base in parents for key, value in base.DIMENSIONS.items()}
    namespace = {
        "__module__": __name__,
        "__annotations__": {key: annotation for key, (annotation, _) in said.items()},
        **{key: field for key, (_, field) in said.items()},
        **row.constants,
        "DIMENSIONS": {key: value for key, value in sizes.items() if key not in optional} | given,
        **_methods(name, row),
    }
    made: type[Family] = new_class(name, parents, exec_body=lambda body: body.update(namespace))
    return made


def _inherited(plain: type[Family]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """By key annotation and field of the class that says it last: pydantic takes all of the first parent."""
    for key, field in plain.model_fields.items():
        owner = _owner(plain, key)
        default = owner.model_fields[key].default
        if default != field.default:
            yield key, (get_annotations(owner)[key], _field(owner, key, default, None))


def _own(plain: type[Family], row: Row) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """By key annotation and field that the table says."""
    for key, value in row.keys.items():
        said: Mapping[str, Any] = value if isinstance(value, dict) else {"": value}
        kind = next((kind for kind in said if kind != "names"), None)
        annotation = KINDS[kind] if kind else get_annotations(_owner(plain, key))[key]
        default = ... if kind is None else None if said[kind] == "null" else said[kind]
        yield key, (annotation, _field(plain, key, default, said.get("names")))


def _field(parent: type[Family], key: str, default: object, names: list[str] | None) -> Any:  # noqa: ANN401
    """A field with the names that files use: these, else its parent's."""
    known = parent.model_fields[key].validation_alias if key in parent.model_fields else None
    if names is None and isinstance(known, AliasChoices):
        names = [str(choice) for choice in known.choices]
    return alias(*names, default=default) if names else Field(default)


def _owner(plain: type[Family], key: str) -> type[Family]:
    """The class whose word on a key counts."""
    return next(parent for parent in plain.__mro__ if key in get_annotations(parent))


def _methods(name: str, row: Row) -> dict[str, Any]:
    """What a class of this row does beside its parents."""

    def choices(self: Any) -> dict[str, Any]:  # noqa: ANN401 - of the class that is made
        found: dict[str, Any] = super(family(name), self).choices() | row.decoder
        for key, more in row.where.items():
            found |= more if getattr(self, key) else {}
        said = _read(self, row.reads, DecoderConfig)
        found |= {field: value for field, value in said.items() if value or value is False}
        if row.experts:
            found["experts"] = Experts(**_read(self, row.experts, Experts))
        if row.rotates_windowed:
            found["rotated"] = tuple(window > 0 for window in found["windows"])
        return found

    def faults(self: Any, tokens: int) -> list[str]:  # noqa: ANN401 - of the class that is made
        others: list[str] = super(family(name), self).faults(tokens)
        wrong = (key for key in row.never if getattr(self, key))
        return [*others, *(f"{key}: found true; expected false, as in released models" for key in wrong)]

    def ignored(self: Any) -> Iterator[str]:  # noqa: ANN401 - of the class that is made
        yield from super(family(name), self).ignored()
        yield from row.notes

    def default_windows(self: Any, window: int) -> tuple[int, ...]:  # noqa: ANN401 - of the class that is made
        return tuple(window * turn for turn in _turns(self, row.windows))

    found = {"choices": choices, "faults": faults, "ignored": ignored}
    return found | ({"default_windows": default_windows} if row.windows else {})


def _read(self: object, reads: Mapping[str, Value], kind: type) -> dict[str, Any]:
    """Fields of ``kind`` from keys of a file."""
    switches = {field.name for field in fields(kind) if field.type in {bool, bool | None}}
    found = {name: _value(self, said) if isinstance(said, str) else said for name, said in reads.items()}
    return {name: bool(value) if name in switches else value for name, value in found.items()}


def _value(self: object, said: str) -> Any:  # noqa: ANN401 - of any key
    if " * " in said:
        return prod(getattr(self, key) or 0 for key in said.split(" * "))
    return getattr(self, said)


def _turns(self: object, windows: list[int] | dict[str, str]) -> list[int]:
    if isinstance(windows, list):
        return windows
    ((rule, key),) = windows.items()
    said, layers = getattr(self, key), getattr(self, "num_hidden_layers")  # noqa: B009 - of the class that is made
    if rule == "but_last":
        return [1] * (said - 1) + [0]
    return [0] * min(said, layers) + [1] * (layers - min(said, layers))
