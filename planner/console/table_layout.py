"""How a table fits into a line of so many characters.

Words and numbers are never broken: a column of text is at least as wide as its longest word, one of
quantities as its longest cell. Where that is too wide, or wraps into many lines, columns stand below their
row.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FRAME = 3  # characters of a drawn table per column: a line and two blanks
GAP = 2  # blanks between columns that are not drawn
LEAST_BAR = 4
UNBROKEN = "\N{NO-BREAK SPACE}"
WORTH = 1.25  # lines that a frame may take, by those without
SHORT = 4  # first column up to which what stands below a row is indented past it


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        header: its name, may be empty.
        cells: texts.
        quantities: whether cells are numbers, which have no place to break.
        bar: characters of the longest bar in a column of nothing but bars, else 0.
    """

    header: str
    cells: Sequence[str]
    quantities: bool
    bar: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where columns stand.

    Attributes:
        widths: of the columns side by side, by number.
        below: numbers of the columns below each row.
        framed: whether lines are drawn around the cells.
    """

    widths: Mapping[int, int]
    below: tuple[int, ...]
    framed: bool


def layout_table(columns: Sequence[Column], width: int) -> Layout:
    """Framed columns side by side, unless others below their rows take far fewer lines."""
    stacked = _stacked(columns, width)
    widths = _framed(columns, width - FRAME * len(columns) - 1)
    if widths is None or _lines(columns, widths) > WORTH * _stacked_lines(columns, stacked, width):
        return stacked
    return Layout(widths=dict(enumerate(widths)), below=(), framed=True)


def wrap(text: str, width: int) -> list[str]:
    """Lines of whole words, longer than the width where a word is; at least one."""
    return textwrap.wrap(text, max(1, width), break_long_words=False, break_on_hyphens=False) or [""]


def indent(layout: Layout) -> int:
    """Blanks before what stands below a row."""
    first = next(iter(layout.widths.values()))
    return first + GAP if first <= SHORT else GAP


def below_row(columns: Sequence[Column], layout: Layout, row: int, width: int) -> list[str]:
    """The lines below a row: every column with its name, quantities one after another."""
    blanks = " " * indent(layout)
    filled = [columns[number] for number in layout.below if columns[number].cells[row] not in {"", "-"}]
    texts = [_named(column, row) for column in filled if not column.quantities]
    numbers = [_named(column, row).replace(" ", UNBROKEN) for column in filled if column.quantities]
    paragraphs = [*texts, ", ".join(numbers)] if numbers else texts
    return [
        blanks + line.replace(UNBROKEN, " ")
        for text in paragraphs
        for line in wrap(text, width - len(blanks))
    ]


def _named(column: Column, row: int) -> str:
    return f"{column.header}: {column.cells[row]}".removeprefix(": ")


def _framed(columns: Sequence[Column], room: int) -> list[int] | None:
    """Widths that fill the room at most, None where there are none: cells, then headers, then bars."""
    widths = [_least(column) for column in columns]
    if sum(widths) > room:
        return None
    for full in (_unwrapped, _full):
        wanted = [
            0 if column.bar else full(column) - width for column, width in zip(columns, widths, strict=True)
        ]
        given = min(room - sum(widths), sum(wanted))
        if given:
            widths = [width + want * given // sum(wanted) for width, want in zip(widths, wanted, strict=True)]
    bars = sum(column.bar for column in columns)
    space = room - sum(width for column, width in zip(columns, widths, strict=True) if not column.bar)
    return [
        min(column.bar, max(1, column.bar * space // bars)) if column.bar else width
        for column, width in zip(columns, widths, strict=True)
    ]


def _stacked(columns: Sequence[Column], width: int) -> Layout:
    """As many columns side by side as fit, no bars; others stand below, but never the first."""
    widths = {number: _unwrapped(column) for number, column in enumerate(columns) if not column.bar}
    below = []
    while (excess := sum(widths.values()) + GAP * (len(widths) - 1) - width) > 0 and len(widths) > 1:
        texts = [number for number in list(widths)[1:] if not columns[number].quantities]
        enough = [number for number in texts if widths[number] + GAP >= excess]
        moved = enough[-1] if enough else max(reversed(list(widths)[1:]), key=lambda number: widths[number])
        del widths[moved]
        below.append(moved)
    for number, shown in tuple(widths.items()):  # headers on one line as far as they go
        extra = max(0, len(columns[number].header) - shown)
        if extra <= -excess:
            widths[number] += extra
            excess += extra
    return Layout(widths=widths, below=tuple(sorted(below)), framed=False)


def _least(column: Column) -> int:
    if column.bar:
        return min(column.bar, LEAST_BAR)
    cells = column.cells if column.quantities else [word for cell in column.cells for word in cell.split()]
    return max(map(len, [*column.header.split(), *cells]), default=0)


def _unwrapped(column: Column) -> int:
    """Wide enough for every cell; a header may take several lines."""
    return max(map(len, [*column.header.split(), *column.cells]), default=0)


def _full(column: Column) -> int:
    return max(map(len, [column.header, *column.cells]))


def _lines(columns: Sequence[Column], widths: Sequence[int]) -> int:
    """Lines of all rows side by side."""
    texts = [(column.cells, width) for column, width in zip(columns, widths, strict=True) if not column.bar]
    heights = ([len(wrap(cell, width)) for cell in cells] for cells, width in texts)
    return sum(map(max, zip(*heights, strict=True)))


def _stacked_lines(columns: Sequence[Column], layout: Layout, width: int) -> int:
    rows = len(columns[0].cells)
    return rows + sum(len(below_row(columns, layout, row, width)) for row in range(rows))
