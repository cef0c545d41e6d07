"""Tables of facts as typed rows: TOML files of :mod:`workloads.facts`, an entry for each row by its name."""

import tomllib
from collections.abc import Callable
from importlib.resources import files
from typing import TypeVar

Row = TypeVar("Row")


def load_facts(name: str, kind: Callable[..., Row]) -> dict[str, Row]:
    """The rows of a table by name, in the order of the file.

    Args:
        name: of the file, without its suffix.
        kind: of a row: a dataclass with a ``name`` and a field for each key.
    """
    text = files("workloads").joinpath("facts", f"{name}.toml").read_text("utf-8")
    return {key: kind(name=key, **values) for key, values in tomllib.loads(text).items()}
