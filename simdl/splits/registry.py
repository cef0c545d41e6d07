"""Every way to split a layer by name, and which of them apply to a layer at given degrees."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt, prod

from simdl.divisors import divisors
from simdl.errors import SimdlError
from simdl.splits import (
    cannon,
    channel,
    channel_filter,
    column,
    cosma,
    filter,  # noqa: A004 - the paper's word
    replicated,
    replicated_grid,
    row,
    sample,
    spatial,
    summa,
)
from simdl.splits.layout import Layout
from simdl.splits.part import groups_of
from simdl.splits.site import Divided, Site

Grid = tuple[int, ...]
SQUARES = frozenset({"channel-filter", "summa"})  # two degrees, both above one
CUBES = frozenset({"2.5d", "cosma"})  # three degrees, all above one
CUBE = 3  # sides
SHAPES = {
    "cannon": "two equal degrees above 1",
    "2.5d": "two equal degrees and copies that divide them, such as 4x4x2",
    "cosma": "three degrees above 1",
}
LINES = frozenset({"replicated", "channel", "filter", "column", "row"})  # one degree
STREAMING = frozenset({"activation", "dropout", "normalization", "addition", "concatenation"})
WINDOWED = frozenset({"convolution", "pooling"})
TOKENS = 2  # extents of a (tokens, features) tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One way to split.

    Attributes:
        name: as plans show it.
        grids: shapes of a group of so many ranks.
        divide: what one rank does of a layer.
        kinds: layer families it applies to, on maps and vectors; None for every layer.
    """

    name: str
    grids: Callable[[int], Sequence[Grid]]
    divide: Callable[[Site, int, Grid], Divided]
    kinds: frozenset[str] | None = None

    def takes(self, site: Site) -> bool:
        """Whether it is defined for the layer: parts of tokens are tensor parallelism's."""
        if self.kinds is None:
            return True
        shapes = (site.layer.output_shape, *site.shapes)
        return site.layer.kind in self.kinds and all(len(shape) != TOKENS for shape in shapes)


@dataclass(frozen=True, slots=True)
class Choice:
    """A split at its degrees.

    Attributes:
        split: name in :data:`SPLITS`.
        grid: ranks of a group along the axes the split divides.
    """

    split: str
    grid: Grid


def format_choice(choice: Choice) -> str:
    """The split and its degrees, such as ``"spatial 2x2"``."""
    if choice.split == "sample":
        return "sample"
    sides = choice.grid[:1] if choice.grid[1:] == (1,) else choice.grid
    return f"{choice.split} {'x'.join(map(str, sides))}"


def parse_choice(text: str) -> Choice:
    """The split that :func:`format_choice` prints so.

    Example:
        >>> parse_choice("spatial 2x1").grid, parse_choice("column 4").grid
        ((2, 1), (4, 1))

    Raises:
        SimdlError: no such split, or degrees that are none.
    """
    name, _, degrees = text.partition(" ")
    if name not in SPLITS:
        raise SimdlError(f"found {text!r}; expected a split and its degrees, of {', '.join(SPLITS)}")
    if name == "sample" and not degrees:
        return Choice(name, (1, 1))
    sides = degrees.split("x")
    most = CUBE if name in CUBES else CUBE - 1
    if name == "sample" or len(sides) > most or not all(re.fullmatch("[1-9][0-9]*", side) for side in sides):
        raise SimdlError(f"found {text!r}; expected {_example(name)}")
    return Choice(name, tuple(map(int, sides)) if len(sides) > 1 else (int(sides[0]), 1))


def _example(name: str) -> str:
    if name == "sample":
        return "sample alone"
    return (
        f"degrees such as '{name} 2x2x2'" if name in CUBES else f"degrees such as '{name} 4' or '{name} 2x2'"
    )


def _alone(ranks: int) -> list[Grid]:
    return [(1, 1)] if ranks == 1 else []


def _line(ranks: int) -> list[Grid]:
    return [(ranks, 1)] if ranks > 1 else []


def _square(ranks: int) -> list[Grid]:
    """The most square grid with both sides above one."""
    side = next((side for side in range(isqrt(ranks), 1, -1) if ranks % side == 0), 1)
    return [(ranks // side, side)] if side > 1 else []


def _equal_sides(ranks: int) -> list[Grid]:
    side = isqrt(ranks)
    return [(side, side)] if ranks > 1 and side * side == ranks else []


def _copies_of_a_square(ranks: int) -> list[Grid]:
    """Squares of q x q in c copies, of which each carries out q / c steps."""
    copies = (count for count in range(2, isqrt(ranks) + 1) if ranks % count == 0)
    sides = ((count, isqrt(ranks // count)) for count in copies)
    return [
        (side, side, count)
        for count, side in sides
        if side * side * count == ranks and side > 1 and side % count == 0
    ]


def _cube(ranks: int) -> list[Grid]:
    """Every grid with three sides above one."""
    sides = divisors(ranks)[1:]
    pairs = ((rows, columns) for rows in sides for columns in sides if rows * columns < ranks)
    return [
        (rows, columns, ranks // (rows * columns)) for rows, columns in pairs if ranks % (rows * columns) == 0
    ]


def _line_or_square(ranks: int) -> list[Grid]:
    return [*_line(ranks), *_square(ranks)]


SPLITS = {
    split.name: split
    for split in (
        Split(name="sample", grids=_alone, divide=sample.divide),
        Split(name="replicated", grids=_line, divide=replicated.divide),
        Split(
            name="spatial",
            kinds=STREAMING | WINDOWED | {"response_normalization"},
            grids=_line_or_square,
            divide=spatial.divide,
        ),
        Split(name="channel", kinds=STREAMING | WINDOWED, grids=_line, divide=channel.divide),
        Split(name="filter", kinds=frozenset({"convolution"}), grids=_line, divide=filter.divide),
        Split(
            name="channel-filter",
            kinds=frozenset({"convolution"}),
            grids=_square,
            divide=channel_filter.divide,
        ),
        Split(name="column", kinds=frozenset({"linear"}), grids=_line, divide=column.divide),
        Split(name="row", kinds=frozenset({"linear"}), grids=_line, divide=row.divide),
        Split(name="summa", kinds=frozenset({"linear"}), grids=_square, divide=summa.divide),
        Split(name="cannon", kinds=frozenset({"linear"}), grids=_equal_sides, divide=cannon.divide),
        Split(
            name="2.5d",
            kinds=frozenset({"linear"}),
            grids=_copies_of_a_square,
            divide=replicated_grid.divide,
        ),
        Split(name="cosma", kinds=frozenset({"linear"}), grids=_cube, divide=cosma.divide),
    )
}


def enumerate_choices(site: Site, ranks: int, inner: Sequence[int]) -> Iterator[tuple[Choice, Divided]]:
    """Every split that applies to a layer, with groups of each of the ``inner`` sizes."""
    for size in inner:
        for split in SPLITS.values():
            if not split.takes(site):
                continue
            for grid in split.grids(size):
                choice = Choice(split.name, grid)
                divided = split.divide(site, ranks, grid)
                if not _unfit(site, choice, divided):
                    yield choice, divided


def divide_layer(site: Site, choice: Choice, ranks: int) -> Divided:
    """What one rank does of a layer.

    A split applies if every rank gets a part: at least one sample a group, a row, a channel. Sample groups
    must divide the batch. Convolutions in groups are divided by whole groups (channel), and not by filter,
    because a rank would need the channels of other groups.

    Raises:
        SimdlError: the split does not apply to the layer; says why.
    """
    split = SPLITS[choice.split]
    text = format_choice(choice)
    if not split.takes(site):
        known = ", ".join(name for name, other in SPLITS.items() if other.takes(site))
        raise SimdlError(f"found {text} on a layer of kind {site.layer.kind}; expected one of {known}")
    if fault := _degree_fault(choice, ranks):
        raise SimdlError(f"found {text}{fault}")
    divided = split.divide(site, ranks, choice.grid)
    if unfit := _unfit(site, choice, divided):
        raise SimdlError(f"found {text}; {unfit}")
    return divided


def _degree_fault(choice: Choice, ranks: int) -> str:
    """What is wrong with the degrees of a split, and what was expected; empty if nothing is."""
    size = prod(choice.grid)
    if ranks % size or (size == 1) != (choice.split == "sample"):
        return f" with {ranks} ranks; expected degrees above 1 that divide them"
    if choice.split in LINES and choice.grid[1:] != (1,):
        return "; expected one degree"
    if choice.split in SQUARES and min(choice.grid) == 1:
        return "; expected two degrees above 1"
    exact = choice.split in SHAPES and choice.grid not in SPLITS[choice.split].grids(size)
    return f"; expected {SHAPES[choice.split]}" if exact else ""


def follow(site: Site, layout: Layout) -> Divided:
    """A streaming layer that keeps the layout of its input."""
    if layout.copies > 1:
        return replicated.divide(site, layout.ranks, (layout.copies, 1))
    if layout.channel > 1:
        return channel.divide(site, layout.ranks, (layout.channel, 1))
    if layout.parts > 1:
        return spatial.divide(site, layout.ranks, (layout.height, layout.width))
    return sample.divide(site, layout.ranks, (1, 1))


def _unfit(site: Site, choice: Choice, divided: Divided) -> str:
    """Why a rank would be left without a part; empty if each has one."""
    for count in (divided.source.sample, divided.output.sample):
        if site.batch % count:
            return f"{count} sample groups do not divide {site.batch} samples"
    groups = groups_of(site.layer)
    if groups > 1 and choice.split in {"filter", "channel-filter"}:
        return "a convolution in groups; expected sample, replicated, spatial or channel"
    if groups > 1 and choice.split == "channel" and groups % choice.grid[0]:
        return f"{choice.grid[0]} parts of {groups} groups; expected a divisor"
    if divided.output.fits(site.layer.output_shape) and all(map(divided.source.fits, site.shapes)):
        return ""
    return f"more parts than {site.layer.output_shape} or one of {site.shapes} has"
