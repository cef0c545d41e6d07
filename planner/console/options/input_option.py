"""``--max-input``, which every command takes, because every command reads files that somebody hands in."""

import click

from hardware.errors import UnitError
from hardware.units import parse_quantity
from readers.limits import Kind, choose_limit, shown_size

NAME = "max_input"
LARGEST = 2**40
"""[bytes] that may be asked for, at most: more than any machine reads in a day."""


def add_max_input(command: click.Command) -> None:
    """Let a command take the option, once."""
    if all(parameter.name != NAME for parameter in command.params):
        command.params.append(_option())


def _option() -> click.Option:
    kinds = {kind: shown_size(kind.value[1]) for kind in Kind}
    return click.Option(
        ["--max-input"],
        metavar="SIZE",
        callback=_choose,
        is_eager=True,  # before options whose values are files
        expose_value=False,
        help=f"Bytes taken in of one file, such as 4GiB; else {kinds[Kind.TEXT]}, {kinds[Kind.TRACE]} of a "
        f"trace after decompression and of an exported network, {kinds[Kind.LAUNCH]} of a launch file.",
    )


def _choose(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    choose_limit(None)
    if value is None:
        return
    try:
        nbytes = parse_quantity(value, "bytes")
    except UnitError as error:
        raise click.BadParameter(str(error), ctx=ctx, param=parameter) from None
    if not 1 <= nbytes <= LARGEST:
        raise click.BadParameter(
            f"found {value!r}; expected 1 B to {shown_size(LARGEST)}", ctx=ctx, param=parameter
        )
    choose_limit(int(nbytes))
