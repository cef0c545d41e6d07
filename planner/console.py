"""What every command prints with: errors, tables, JSON and progress.

Results go to standard output, progress and errors to standard error. rich is imported only where a terminal
is drawn on, so that help stays instant.
"""

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import click

Item = TypeVar("Item")
Advance = Callable[[int, int], None]  # done, total


def bad_input(error: Exception) -> click.ClickException:
    """The error as one message on standard error; the command ends with exit status 2."""
    failure = click.ClickException(str(error))
    failure.exit_code = 2
    return failure


def print_json(data: object) -> None:
    """JSON with the keys in the order given; frozen data become objects, numpy scalars numbers.

    Raises:
        ValueError: a number is infinite or not a number.
    """
    click.echo(json.dumps(_plain(data), indent=2, allow_nan=False, ensure_ascii=False))


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """A table: drawn on a terminal (without colour under NO_COLOR), aligned plain text elsewhere."""
    cells = [[str(cell) for cell in row] for row in rows]
    right = [_is_numeric([row[index] for row in cells]) for index in range(len(header))]
    if sys.stdout.isatty():
        _print_rich(header, cells, right, title)
        return
    widths = [max(len(row[index]) for row in [list(header), *cells]) for index in range(len(header))]
    if title:
        click.echo(title)
    for line in [list(header), *cells]:
        click.echo(_line(line, widths, right))


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(padded).rstrip()


def _print_rich(
    header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], title: str
) -> None:
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=title or None, title_justify="left")
    for name, to_right in zip(header, right, strict=True):
        table.add_column(name, justify="right" if to_right else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _is_numeric(cells: Sequence[str]) -> bool:
    """Whether a column reads as quantities: every filled cell starts with a digit or a sign."""
    filled = [cell for cell in cells if cell not in {"", "-"}]
    return bool(filled) and all(cell.lstrip("+-~").replace(".", "", 1)[:1].isdigit() for cell in filled)


@contextmanager
def progress_bar(label: str) -> Iterator[Advance]:
    """A bar on standard error; call the value with (done, total). Silent where it is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def progress(items: Iterable[Item], *, total: int, label: str) -> Iterator[Item]:
    """The items, with a bar on standard error that counts them."""
    with progress_bar(label) as advance:
        for done, item in enumerate(items, start=1):
            yield item
            advance(done, total)


def _plain(data: Any) -> Any:  # noqa: ANN401 - any JSON-like value
    if is_dataclass(data) and not isinstance(data, type):
        return {field.name: _plain(getattr(data, field.name)) for field in fields(data)}
    if isinstance(data, Mapping):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple | set | frozenset):
        return [_plain(item) for item in data]
    if isinstance(data, str):
        return str(data)
    if hasattr(data, "item"):
        data = data.item()
    if isinstance(data, float) and not math.isfinite(data):
        raise ValueError(f"{data} cannot be written as JSON")
    return data
