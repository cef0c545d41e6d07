"""The one clock of a command: what whoever asked has waited for.

`simdl` starts it before it imports the command, so that only what Python and the command line themselves take
to start is not in it; a command that runs without `simdl` starts it as it begins.
"""

import time

import click

STARTED = f"{__name__}.started"


def start_clock(context: click.Context) -> None:
    """Start the clock of a command, unless it runs."""
    context.meta.setdefault(STARTED, time.perf_counter())


def seconds_waited() -> float:
    """[s] since the clock of the command that runs was started."""
    started: float = click.get_current_context().meta[STARTED]
    return time.perf_counter() - started
