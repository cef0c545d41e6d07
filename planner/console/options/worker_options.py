"""The options of commands that spread their work over processes."""

from collections.abc import Callable

import click

Command = Callable[..., None]


def worker_options(command: Command) -> Command:
    """Add ``--workers`` and ``--scheduler``, which take each other's place."""
    for option in (
        click.option(
            "--scheduler",
            metavar="ADDRESS",
            callback=_alone,
            help="Hand the work to this Dask cluster instead, such as tcp://host:8786 (extra dask).",
        ),
        click.option(
            "--workers",
            type=click.IntRange(1, 4096),
            is_eager=True,
            show_default="the cores of this machine",
            help="Processes that share the work.",
        ),
    ):
        command = option(command)
    return command


def _alone(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The address, refused beside a number of processes.

    Raises:
        click.BadParameter: both are given.
    """
    if value is not None and context.params.get("workers") is not None:
        raise click.BadParameter(
            f"found {value!r} beside --workers; expected one of them: the Dask cluster has its own workers",
            ctx=context,
            param=parameter,
        )
    return value
