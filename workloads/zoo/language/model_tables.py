"""Registered models that numbers tell apart, from a TOML table of families.

A family's table says what its models share: fields of the configuration that they are built from, another
table that it is ``like``, and ``models``, each with its own fields.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workloads.layers.tokens.rotation import Rotation
from workloads.zoo.language.decoder.parts import Experts, LatentAttention

PARTS: Mapping[str, type] = {"experts": Experts, "latent": LatentAttention, "rotation": Rotation}
"""Fields that are tables themselves; a model may say some of their entries."""


def read_models(file: Path) -> Mapping[str, Mapping[str, Any]]:
    """What is said of each model of a file, by name."""
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    return {
        name: {key: _value(key, value) for key, value in _merged(_shared(tables, family), own).items()}
        for family, table in tables.items()
        for name, own in table.get("models", {}).items()
    }


def _shared(tables: Mapping[str, Any], family: str) -> dict[str, Any]:
    table = {key: value for key, value in tables[family].items() if key not in {"like", "models"}}
    like = tables[family].get("like")
    return _merged(_shared(tables, like), table) if like else table


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    parts = {key: {**base.get(key, {}), **changes[key]} for key in PARTS.keys() & changes.keys()}
    return {**base, **changes, **parts}


def _value(key: str, value: Any) -> Any:  # noqa: ANN401 - of any field
    if key in PARTS:
        return PARTS[key](**{name: _value(name, part) for name, part in value.items()})
    if isinstance(value, dict):
        return tuple(value.items())
    return tuple(value) if isinstance(value, list) else value
