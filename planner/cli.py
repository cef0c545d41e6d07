"""The console script ``simdl``: commands by entry point, each imported only when asked for.

A package adds a command with an entry point in the group ``simdl.commands`` whose value is
``module:command``; its one-line help is read from the source of that module, so that ``simdl --help``
imports none of them.
"""

from typing import Any

import click

from planner.console.command_clock import start_clock
from planner.console.command_entries import CommandEntry, command_entries, short_help
from planner.console.command_group import StrictGroup
from planner.console.command_groups import grouped
from planner.console.endings import check_streams, ending_well
from planner.console.refusals import bad_input, reporting_errors


class CommandGroup(StrictGroup):
    """A group whose commands are entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all installed commands."""
        del ctx
        return sorted(command_entries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now; None where there is none."""
        del ctx
        entry = command_entries().get(cmd_name)
        return None if entry is None else _load(entry)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and one-line helps in groups, without importing the commands."""
        del ctx
        entries = command_entries()
        widest = max(map(len, entries), default=0)
        for heading, names in grouped(entries):
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(widest), short_help(entries[name])) for name in names])

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
        start_clock(ctx)
        with ending_well(), reporting_errors():
            return super().invoke(ctx)


def _load(entry: CommandEntry) -> click.Command:
    try:
        command = entry.load()
    except ModuleNotFoundError as error:
        raise bad_input(f"command {entry.name!r} cannot be loaded: {error}") from error
    assert isinstance(command, click.Command)  # noqa: S101 - what the entry point promises
    return command


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="simdl", prog_name="simdl")
def main() -> None:
    """Plan and simulate parallel training of deep networks before paying for the cluster.

    Start with `simdl plan gpt3-6.7b --cluster dgx-a100:4`; `simdl models` and `simdl hardware` list what has
    a name. Every command takes --help, and all but dashboard take --json.
    """
