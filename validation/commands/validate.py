"""`simdl validate`: hold the model to measurements. Sub-commands are imported when asked for."""

from importlib import import_module

import click

from planner.console.command_group import StrictGroup

SUBCOMMANDS = {
    "collectives": "Collective sweeps: time and bus bandwidth.",
    "hardware": "Real training steps on this machine.",
    "kernels": "Kernel tables: matrix products, convolutions, memory.",
    "links": "All-reduce over real links of a known rate.",
    "microbatch": "Micro-batches chosen from a measured table, run for real.",
    "published": "Whole training steps of published runs.",
    "transfer": "Published runs, predicted without their group in the fit.",
}


class LazyGroup(StrictGroup):
    """A group whose commands live in ``validation.commands.NAME`` under their own name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the sub-commands."""
        del ctx
        return sorted(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The sub-command of this name, imported now; None when there is none."""
        del ctx
        if cmd_name not in SUBCOMMANDS:
            return None
        command = getattr(import_module(f"validation.commands.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 (our own modules)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help of the sub-commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(sorted(SUBCOMMANDS.items()))


@click.group(cls=LazyGroup)
def validate() -> None:
    """Compare predictions with measurements: published ones, or of this machine."""
