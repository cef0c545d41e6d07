"""Where registered profiles live: ``hardware/data/{devices,links,hosts,clusters}/NAME.toml``."""

import re
from functools import lru_cache
from importlib import resources

from hardware.errors import UnknownNameError
from hardware.machine_types import machine_names

DATA = resources.files("hardware") / "data"
KINDS = {"devices": "device", "links": "link", "hosts": "host", "clusters": "node type"}


@lru_cache(maxsize=8)
def profile_names(folder: str) -> tuple[str, ...]:
    """Names of the profiles in a folder, sorted."""
    return tuple(sorted(path.name[:-5] for path in (DATA / folder).iterdir() if path.name.endswith(".toml")))


def registered_name(folder: str, typed: str) -> str:
    """The name of a profile, however its letters are typed; what was typed where there is none."""
    lower = typed.lower()
    return lower if lower in profile_names(folder) else typed


def load_text(folder: str, name: str) -> str:
    """The text of a profile.

    Raises:
        UnknownNameError: no such profile; suggests the nearest.
    """
    if name not in profile_names(folder):
        other = machine_names() if folder == "clusters" else ()
        raise UnknownNameError(KINDS[folder], name, profile_names(folder), described(folder), other)
    return _read(folder, name)


def described(folder: str) -> dict[str, str]:
    """What each profile says that it is: its description, and the device of a node."""
    said = re.compile(r'^(?:device|description) = "(.*)"', re.MULTILINE)
    return {name: " / ".join(said.findall(_read(folder, name))) for name in profile_names(folder)}


def _read(folder: str, name: str) -> str:
    return (DATA / folder / f"{name}.toml").read_text(encoding="utf-8")
