"""What every command prints with: tables, JSON and progress.

Results go to standard output, progress and errors to standard error. rich is imported only where a terminal
is drawn on, so that help stays instant.
"""

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from planner.console.table_layout import GAP, Column, Layout, below_row, layout_table, wrap

if TYPE_CHECKING:
    from rich.console import Console

Item = TypeVar("Item")
BAR_STYLE = "blue"  # on terminals with colour; rich leaves it out under NO_COLOR
Advance = Callable[[int, int], None]  # done, total


def print_json(data: object) -> None:
    """JSON with the keys in the order given; nothing is printed if any part is refused.

    Frozen data become objects, enumeration members their values, numpy scalars numbers and arrays lists.

    Raises:
        ValueError: a number is infinite or not a number; says where.
        TypeError: a part has no JSON form.
    """
    click.echo(json_text(data))


def json_text(data: object) -> str:
    """What :func:`print_json` prints.

    Raises:
        ValueError: a number is infinite or not a number; says where.
        TypeError: a part has no JSON form.
    """
    return json.dumps(plain_json(data), indent=2, allow_nan=False, ensure_ascii=False)


def plain_json(data: object) -> Any:  # noqa: ANN401 - any JSON value
    """What :func:`print_json` prints, as mappings, lists, texts and numbers.

    Raises:
        ValueError: a number is infinite or not a number; says where.
    """
    return _plain(data, "$")


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """A table: drawn on a terminal (without colour under NO_COLOR), aligned plain text elsewhere.

    Columns of quantities are aligned right, floats shown with four digits, None as ``-``. A header of empty
    texts is left out.

    Raises:
        ValueError: a row has more or fewer cells than the header.
    """
    cells = [[_text(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        columns = zip(header, *cells, strict=True)
        _print_rich(header, cells, [_is_numeric(column[1:]) for column in columns], title)
        return
    if title:
        click.echo(title)
    for line in table_lines(header, cells):
        click.echo(line)


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table as aligned plain text, a header of empty texts left out.

    Raises:
        ValueError: a row has more or fewer cells than the header.
    """
    columns = list(zip(header, *rows, strict=True))
    right = [_is_numeric(column[1:]) for column in columns]
    widths = [max(map(len, column)) for column in columns]
    for line in [header, *rows] if any(header) else rows:
        yield _line(line, widths, right)


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    )
    return (" " * GAP).join(padded).rstrip()


def _print_rich(
    header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], title: str | None
) -> None:
    from rich.console import Console  # noqa: PLC0415 - only on a terminal

    console = Console()
    columns = [
        Column(header=name, cells=cells, quantities=to_right, bar=_longest_bar(cells) if rows else 0)
        for name, *cells, to_right in zip(header, *rows, right, strict=True)
    ]
    layout = layout_table(columns, console.width)
    if layout.framed:
        _print_framed(console, columns, layout, title)
    else:
        _print_stacked(console, columns, layout, title)


def _print_framed(console: "Console", columns: Sequence[Column], layout: Layout, title: str | None) -> None:
    from rich.bar import Bar  # noqa: PLC0415 - only on a terminal
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    # Text, because rich would take "[...]" in a plain string for markup
    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        show_header=any(column.header for column in columns),
    )
    for number, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if column.quantities else "left"
        table.add_column(Text(column.header), justify=justify, width=layout.widths[number])
    for row in zip(*(column.cells for column in columns), strict=True):
        # a bar shrinks with its column, so that it is never cut or wrapped
        table.add_row(
            *(
                Bar(column.bar, 0, len(cell), color=BAR_STYLE) if column.bar else Text(cell)
                for cell, column in zip(row, columns, strict=True)
            )
        )
    console.print(table)


def _print_stacked(console: "Console", columns: Sequence[Column], layout: Layout, title: str | None) -> None:
    """Rows without a frame, what is too wide below them."""
    from rich.text import Text  # noqa: PLC0415 - only on a terminal

    def show(line: str, style: str = "") -> None:
        console.print(Text(line, style=style), soft_wrap=True)

    if title:
        show(title, "italic")
    shown = {number: columns[number] for number in layout.widths}
    widths, right = list(layout.widths.values()), [column.quantities for column in shown.values()]
    if any(column.header for column in shown.values()):
        names = [wrap(column.header, layout.widths[number]) for number, column in shown.items()]
        for parts in zip_longest(*names, fillvalue=""):
            show(_line(parts, widths, right), "bold")
        show("─" * min(console.width, sum(widths) + GAP * (len(widths) - 1)))
    for row, cells in enumerate(zip(*(column.cells for column in shown.values()), strict=True)):
        show(_line(cells, widths, right))
        for line in below_row(columns, layout, row, console.width):
            show(line, "dim")


def _longest_bar(cells: Sequence[str]) -> int:
    """Characters of the longest bar in a column of nothing but bars; 0 for other columns."""
    return max(map(len, cells)) if all(set(cell) <= {"#"} for cell in cells) else 0


def _is_numeric(cells: Sequence[str]) -> bool:
    """Whether a column reads as quantities: every filled cell (or the second of a pair) begins with one."""
    filled = [cell.removeprefix("- / ") for cell in cells if cell not in {"", "-"}]
    return bool(filled) and all(cell.lstrip("+-~").replace(".", "", 1)[:1].isdigit() for cell in filled)


@contextmanager
def progress_bar(label: str) -> Iterator[Advance]:
    """A bar on standard error; call the value with (done, total). Silent where it is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.progress import Progress  # noqa: PLC0415

    # rich would otherwise send to standard error what is printed to standard output meanwhile
    console = Console(stderr=True)
    with Progress(console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as drawn:
        task = drawn.add_task(label, total=None)
        yield lambda done, total: drawn.update(task, completed=done, total=total)


def progress(items: Iterable[Item], *, total: int, label: str) -> Iterator[Item]:
    """The items, with a bar on standard error that counts them."""
    with progress_bar(label) as advance:
        for done, item in enumerate(items, start=1):
            yield item
            advance(done, total)


def bar(fraction: float, width: int) -> str:
    """A fraction in [0, 1] as text.

    Example:
        >>> bar(0.25, 8)
        '##......'

    Raises:
        ValueError: the fraction lies outside [0, 1] by more than half a character.
    """
    filled = round(fraction * width)
    if not 0 <= filled <= width:
        raise ValueError(f"bar: found fraction {fraction}; expected 0 to 1")
    return "#" * filled + "." * (width - filled)


def _plain(data: Any, place: str) -> Any:  # noqa: ANN401 - any JSON-like value
    if is_dataclass(data) and not isinstance(data, type):
        data = {field.name: getattr(data, field.name) for field in fields(data)}
    if isinstance(data, Mapping):
        return {_key(key): _plain(value, f"{place}.{_key(key)}") for key, value in data.items()}
    if isinstance(data, set | frozenset):
        data = sorted(data)
    if isinstance(data, list | tuple):
        return [_plain(item, f"{place}[{index}]") for index, item in enumerate(data)]
    if isinstance(data, Enum):
        return _plain(data.value, place)
    if hasattr(data, "tolist"):  # numpy, which is not imported for this
        return _plain(data.tolist(), place)
    if isinstance(data, float) and not math.isfinite(data):
        raise ValueError(f"{place}: {data} cannot be written as JSON")
    return data


def _key(key: object) -> str:
    return str(key.value if isinstance(key, Enum) else key)
