"""Progress of long work on standard error, with the time that is left.

On a terminal a bar; elsewhere, such as in a log, a line now and then, because hours without a word look like
a process that hangs.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from planner.console.format import format_duration
from planner.console.output import BAR_STYLE
from planner.workers.spread import Told

EVERY = 15.0
"""[s] between lines where there is no terminal."""


@contextmanager
def progress_with_time_left(label: str) -> Iterator[Told]:
    """Show what is done and, from what was done now, how long the rest takes."""
    if not sys.stderr.isatty():
        yield _lines(label)
        return
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(complete_style=BAR_STYLE),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
    )
    started = time.perf_counter()
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bar:
        task = bar.add_task(label, total=None, left="")

        def told(done: int, _now: int, total: int, share: Callable[[], float]) -> None:
            spent = time.perf_counter() - started
            bar.update(task, completed=done, total=total, left=_left(spent, share()))

        yield told


def _lines(label: str) -> Told:
    started = said = time.perf_counter()

    def told(done: int, _now: int, total: int, share: Callable[[], float]) -> None:
        nonlocal said
        moment = time.perf_counter()
        if moment - said >= EVERY and done < total:
            said = moment
            left = _left(moment - started, share())
            click.echo(f"{label}: {done:,} of {total:,}{f', {left}' if left else ''}", err=True)

    return told


def _left(spent: float, share: float) -> str:
    """The time that is left, if what is left goes as what was done now.

    Example:
        >>> _left(60.0, 0.25)
        'about 3 min left'
    """
    return f"about {_rounded(spent * (1 - share) / share)} left" if share else ""


def _rounded(seconds: float) -> str:
    """Two digits: no estimate has more."""
    size = 10.0 ** max(0, len(str(int(seconds))) - 2)
    return format_duration(round(seconds / size) * size)
