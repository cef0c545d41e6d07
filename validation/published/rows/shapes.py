"""Dimensions that a row leaves blank and everybody knows: ``shapes.toml`` by the name of the model."""

import re
from dataclasses import dataclass, replace

from validation.judging.rules import Pattern, load_rules
from validation.published.tables import PublishedRow

_IDENTITY = ("n_layers", "hidden")
_COLUMNS = (*_IDENTITY, "n_heads", "n_kv_heads", "ffn", "vocab")
_VARIANT = re.compile(r"[-_ ](?:hf|base|instruct|chat)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeRule:
    """Published dimensions of the models whose whole name matches; ``vocab`` 0 for that of the family."""

    pattern: Pattern
    n_layers: int
    hidden: int
    n_heads: int
    n_kv_heads: int
    ffn: int
    vocab: int
    source: str


def with_shape(row: PublishedRow) -> tuple[PublishedRow, tuple[str, ...]]:
    """The row with its blank dimensions as published for its model, and what was taken.

    A row whose layers or width are others trained another model of that name: it stays as it is. Keys and
    values follow the printed heads where these are not the published ones.
    """
    name = _VARIANT.sub("", re.sub(r"\s*\(.*?\)", "", row["model"]).strip().lower())
    rules = load_rules("published/rows/shapes.toml", ShapeRule)
    rule = next((each for each in rules if each.pattern.fullmatch(name)), None)
    if rule is None or any(row[each] not in {"", str(getattr(rule, each))} for each in _IDENTITY):
        return row, ()
    blank = {each: str(getattr(rule, each)) for each in _COLUMNS if not row[each] and getattr(rule, each)}
    if row["n_heads"] not in {"", str(rule.n_heads)}:
        blank.pop("n_kv_heads", None)
    said = tuple(f"{column} {value} ({rule.source})" for column, value in blank.items())
    return replace(row, cells={**row.cells, **blank}), said
