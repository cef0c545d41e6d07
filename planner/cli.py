"""The console script ``simdl``: commands by entry point, each imported only when asked for.

A package adds a command with an entry point in the group ``simdl.commands`` whose value is
``module:command``; its one-line help is read from the source of that module, so that ``simdl --help``
imports none of them.
"""

import ast
from importlib.metadata import EntryPoint, entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from planner.command_group import StrictGroup
from planner.console import bad_input, reporting_errors
from planner.endings import check_streams, ending_well

GROUP = "simdl.commands"


class CommandGroup(StrictGroup):
    """A group whose commands are entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all installed commands."""
        del ctx
        return sorted(_commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now; None where there is none."""
        del ctx
        entry = _commands().get(cmd_name)
        return None if entry is None else _load(entry)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and one-line helps, without importing the commands."""
        del ctx
        rows = [(name, short_help(entry)) for name, entry in sorted(_commands().items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - click's own
        """Run the console script, unless there is nowhere to print to."""
        check_streams()
        return super().main(*args, **extra)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:  # noqa: ANN401 - click's own
        """Read the options; help is printed here."""
        with ending_well():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what a user can get wrong is one message, whichever the command."""
        with ending_well(), reporting_errors():
            return super().invoke(ctx)


def _commands() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _load(entry: EntryPoint) -> click.Command:
    try:
        command = entry.load()
    except ModuleNotFoundError as error:
        raise bad_input(f"command {entry.name!r} cannot be loaded: {error}") from error
    assert isinstance(command, click.Command)  # noqa: S101 - what the entry point promises
    return command


def short_help(entry: EntryPoint) -> str:
    """The first sentence of a command's docstring, read without importing its module.

    Returns:
        The text; empty if there is no docstring, and a note if the module is missing.
    """
    source = _source(entry)
    if source is None:
        return "(not installed)"
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.FunctionDef) and statement.name == entry.attr:
            return _first_sentence(ast.get_docstring(statement) or "")
    return ""


def _source(entry: EntryPoint) -> str | None:
    try:
        spec = find_spec(entry.module)
    except ModuleNotFoundError:
        return None
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).read_text(encoding="utf-8")


def _first_sentence(text: str) -> str:
    sentence, stop, _ = " ".join(text.partition("\n\n")[0].split()).partition(". ")
    return sentence + stop.rstrip()


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version=version("simdl"), prog_name="simdl")
def main() -> None:
    """Plan and simulate parallel training of deep networks before paying for the cluster."""
