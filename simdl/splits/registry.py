"""Every way to split a layer by name, and which of them apply to a layer at given degrees."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt

from simdl.errors import SimdlError
from simdl.splits import (
    channel,
    channel_filter,
    column,
    filter,  # noqa: A004 - the paper's word
    replicated,
    row,
    sample,
    spatial,
    summa,
)
from simdl.splits.layout import Layout
from simdl.splits.part import groups_of
from simdl.splits.site import Divided, Site

Grid = tuple[int, int]
GRID = 2  # sides
SQUARES = frozenset({"channel-filter", "summa"})  # both degrees above one
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
    rows, columns = choice.grid
    return f"{choice.split} {rows}" + (f"x{columns}" if columns > 1 else "")


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
    if name == "sample" or len(sides) > GRID or not all(re.fullmatch("[1-9][0-9]*", side) for side in sides):
        expected = "sample alone" if name == "sample" else f"degrees such as '{name} 4' or '{name} 2x2'"
        raise SimdlError(f"found {text!r}; expected {expected}")
    return Choice(name, (int(sides[0]), int(sides[1]) if len(sides) == GRID else 1))


def _alone(ranks: int) -> list[Grid]:
    return [(1, 1)] if ranks == 1 else []


def _line(ranks: int) -> list[Grid]:
    return [(ranks, 1)] if ranks > 1 else []


def _square(ranks: int) -> list[Grid]:
    """The most square grid with both sides above one."""
    side = next((side for side in range(isqrt(ranks), 1, -1) if ranks % side == 0), 1)
    return [(ranks // side, side)] if side > 1 else []


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
    split, (rows, columns) = SPLITS[choice.split], choice.grid
    text = format_choice(choice)
    if not split.takes(site):
        known = ", ".join(name for name, other in SPLITS.items() if other.takes(site))
        raise SimdlError(f"found {text} on a layer of kind {site.layer.kind}; expected one of {known}")
    if ranks % (rows * columns) or (rows * columns == 1) != (choice.split == "sample"):
        raise SimdlError(f"found {text} with {ranks} ranks; expected degrees above 1 that divide them")
    if choice.split in LINES and columns > 1:
        raise SimdlError(f"found {text}; expected one degree")
    if choice.split in SQUARES and min(rows, columns) == 1:
        raise SimdlError(f"found {text}; expected two degrees above 1")
    divided = split.divide(site, ranks, choice.grid)
    if unfit := _unfit(site, choice, divided):
        raise SimdlError(f"found {text}; {unfit}")
    return divided


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
