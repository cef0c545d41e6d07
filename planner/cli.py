"""The console script ``simdl``: commands by entry point, each imported only when asked for.

A package adds a command with an entry point in the group ``simdl.commands`` whose value is
``module:command``; its one-line help stands in ``SHORT_HELP`` for ours, so that ``simdl --help`` imports
none of them.
"""

from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any

import click

GROUP = "simdl.commands"
SHORT_HELP = {
    "collectives": "Time of a collective by size and algorithm on a cluster.",
    "hardware": "Devices, links and nodes: every number with its source.",
    "models": "Networks: parameters, flops and activations, layer by layer.",
    "plan": "Rank the strategies for training a model on a cluster.",
    "simulate": "Simulate one training step of one strategy.",
    "validate": "Compare predictions with measurements.",
}


class CommandGroup(click.Group):
    """A group whose commands are entry points."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all installed commands."""
        del ctx
        return sorted(_commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now; None where there is none."""
        del ctx
        entry = _commands().get(cmd_name)
        if entry is None:
            return None
        command = entry.load()
        assert isinstance(command, click.Command)  # noqa: S101 - what the entry point promises
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        """The command named first; an unknown one suggests the nearest."""
        if args and not args[0].startswith("-") and args[0] not in _commands():
            names = self.list_commands(ctx)
            near = get_close_matches(args[0], names, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(names)}"
            ctx.fail(f"no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and one-line helps, without importing the commands."""
        rows = [(name, SHORT_HELP.get(name, "")) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _commands() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version=version("simdl"), prog_name="simdl")
def main() -> None:
    """Plan and simulate parallel training of deep networks before paying for the cluster."""
