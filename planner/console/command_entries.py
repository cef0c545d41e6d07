"""The entry points of the group ``simdl.commands``, and one-line helps, without importing a command.

importlib.metadata takes longer to import than click. An installed distribution names its entry points in one
small text file, so these files are read directly (Python Packaging User Guide, "Entry points specification");
importlib.metadata is asked where distributions may lie elsewhere than in plain folders.
"""

import ast
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec

GROUP = "simdl.commands"
VALUE = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<attribute>[\w.]+)\s*(\[.*\])?")

FUNCTION = re.compile(r"def .*\n(?:[ \t)#].*\n|\n)*")  # up to the next statement of its module
DOCSTRING = re.compile(r'def .*?^[ \t]+[rR]?""".*?"""', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandEntry:
    """A command that a distribution declares.

    Attributes:
        name: of the command.
        module: that holds it.
        attribute: its name in the module.
    """

    name: str
    module: str
    attribute: str

    def load(self) -> object:
        """What the entry point names, its module imported now."""
        found: object = import_module(self.module)
        for part in self.attribute.split("."):
            found = getattr(found, part)
        return found


def command_entries() -> dict[str, CommandEntry]:
    """Every command of every installed distribution, by name."""
    declared = _declared_in_folders() if _only_folders() else _declared_anywhere()
    return {
        name: CommandEntry(name=name, module=found["module"], attribute=found["attribute"])
        for name, value in declared
        if (found := VALUE.fullmatch(value)) is not None
    }


def _only_folders() -> bool:
    """Whether every distribution is a folder beside the modules: no archive and no finder of another kind."""
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    return finders == [PathFinder] and not any(
        place.endswith(".egg") or os.path.isfile(place)  # noqa: PTH113 - pathlib takes ten times as long
        for place in sys.path
    )


def _declared_anywhere() -> Iterator[tuple[str, str]]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - see the top of this file

    return ((entry.name, entry.value) for entry in entry_points(group=GROUP))


def _declared_in_folders() -> Iterator[tuple[str, str]]:
    """Names and values; of a distribution that is installed twice, only the one that is imported."""
    seen = set()
    for place in sys.path:
        for folder in _distributions(place or "."):
            name = re.sub(r"[-_.]+", "_", os.path.basename(folder).partition("-")[0]).lower()  # noqa: PTH119
            if name not in seen:
                seen.add(name)
                yield from _declared(folder)


def _distributions(place: str) -> Iterator[str]:
    try:
        names = os.listdir(place)  # noqa: PTH208 - pathlib takes ten times as long
    except OSError:  # no folder
        return
    yield from (f"{place}/{name}" for name in names if name.endswith((".dist-info", ".egg-info")))


def _declared(folder: str) -> Iterator[tuple[str, str]]:
    try:
        with open(f"{folder}/entry_points.txt", encoding="utf-8") as file:  # noqa: PTH123
            text = file.read()
    except OSError:  # declares none
        return
    section = ""
    for line in map(str.strip, text.splitlines() if GROUP in text else ()):
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == GROUP and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name.strip(), value.strip()


def short_help(entry: CommandEntry) -> str:
    """The first sentence of a command's docstring, read without importing its module.

    Returns:
        The text; empty if there is no docstring, and a note if the module is missing.
    """
    source = _source(entry)
    if source is None:
        return "(not installed)"
    for statement in _statements(source, entry.attribute):
        if isinstance(statement, ast.FunctionDef) and statement.name == entry.attribute:
            return _first_sentence(ast.get_docstring(statement) or "")
    return ""


def _source(entry: CommandEntry) -> str | None:
    try:
        spec = find_spec(entry.module)
    except ModuleNotFoundError:
        return None
    if spec is None or spec.loader is None:
        return None
    read = getattr(spec.loader, "get_source", None)  # of an archive too; absent where there is no source
    return (read(entry.module) if read else None) or ""


def _statements(source: str, name: str) -> list[ast.stmt]:
    """The function up to the end of its docstring, as a whole module takes ten times as long to parse."""
    start = f"\n{source}".find(f"\ndef {name}(")
    found = FUNCTION.match(source, start) if start >= 0 else None
    function = "" if found is None else found.group()
    docstring = DOCSTRING.match(function)
    try:
        return ast.parse(function if docstring is None else docstring.group()).body
    except SyntaxError:  # cut within a text: at a line without indent, or at quotes
        return ast.parse(source).body


def _first_sentence(text: str) -> str:
    sentence, stop, _ = " ".join(text.partition("\n\n")[0].split()).partition(". ")
    return sentence + stop.rstrip()
