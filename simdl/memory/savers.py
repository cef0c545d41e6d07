"""Memory savers: what every block of a chain keeps, computes again or leaves in host memory.

A plan is a text, block by block in the order of the chain::

    keep, 12x full, 4x [3x keep], *x offload

``keep``, ``selective`` and ``full`` say what is computed again before the backward pass of a block. A
segment in brackets keeps its input alone; when its backward pass comes, its forward pass runs again as the
plan within the brackets says, so ``full`` is ``[keep]`` and segments of segments are the recursive schedules
of the literature (Chen et al. 2016, arXiv:1604.06174; Beaumont et al. 2019, "Optimal checkpointing for
heterogeneous chains"). Joined with ``+``: ``offload``, what is kept goes to the host and comes back (Rhu et
al. 2016, vDNN); ``optimizer``, the block's state lies in host memory and is updated there (Ren et al. 2021,
ZeRO-Offload); ``parameters``, its parameters lie there too and are fetched for every pass (Rajbhandari et al.
2021, ZeRO-Infinity). ``*x`` stands for as many blocks as are left.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from simdl.errors import SimdlError

MODES = ("keep", "selective", "full")
FLAGS = ("offload", "optimizer", "parameters")
WORDS = (*MODES, *FLAGS)
TOKEN = re.compile(r"\s*(?:(?P<count>[0-9]{1,9}|\*)\s*x\s*|(?P<sign>[][,+])|(?P<word>[a-z]+))")
DEPTH = 100
"""Segments within segments, at most."""
EXAMPLE = "'keep, 12x full, 4x [3x keep], *x offload+optimizer'"


@dataclass(frozen=True, slots=True)
class Saver:
    """What becomes of one block.

    Attributes:
        mode: of recomputation, one of ``MODES``.
        offload: what it keeps lies in host memory from its forward to its backward pass.
        optimizer: its gradient goes to the host, where its state lies and is updated.
        parameters: its parameters lie in host memory and come for each pass.
    """

    mode: str = "keep"
    offload: bool = False
    optimizer: bool = False
    parameters: bool = False

    @property
    def hosted(self) -> bool:
        """Whether anything of it lies in host memory."""
        return self.offload or self.optimizer or self.parameters


KEPT = Saver()
"""Nothing is saved."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Blocks of which the input alone is kept.

    Attributes:
        items: what the forward pass keeps when it runs again, each with how often it stands in a row.
        offload: the input lies in host memory until then.
    """

    items: "Items"
    offload: bool = False


Item = tuple[int, Saver | Segment]
Items = tuple[Item, ...]
Row = tuple[Saver | Segment, ...]
"""A plan with every item written out: a saver stands for one block, a segment for those in it."""


def parse_savers(text: str) -> Items:
    """The items of a plan with their counts, 0 for as many as are left; () for an empty text.

    Raises:
        SimdlError: not a plan; says where.
    """
    return _parsed(text) if text else ()


@lru_cache(maxsize=4096)
def savers_row(text: str, depth: int) -> Row:
    """The plan of a chain of so many blocks, written out.

    Raises:
        SimdlError: not a plan, or one of another number of blocks; says what was found.
    """
    items = _parsed(text)
    held = sum(count * _length(item) for count, item in items if count)
    rest = [item for count, item in items if not count]
    if len(rest) > 1:
        raise SimdlError(f"savers: found '*x' {len(rest)} times; expected it once at most")
    left = depth - held
    each = _length(rest[0]) if rest else 0
    if left < 0 or (left and not rest) or (rest and left % each):
        more = f", and {left} left for items of {each}" if rest else ""
        raise SimdlError(
            f"savers: found {held} blocks in {text[:80]!r}{more}; expected the {depth} blocks of the network"
        )
    return tuple(item for count, item in items for _ in range(count or left // each))


def block_savers(row: Row) -> tuple[Saver, ...]:
    """The saver of every block, those in segments among them."""
    return tuple(saver for item in row for saver in _leaves(item))


def item_length(item: Saver | Segment) -> int:
    """Blocks of an item of a plan."""
    return _length(item)


def clipped(row: Row, first: int, end: int) -> Row:
    """The plan of the blocks from ``first`` up to ``end``: a segment that a cut runs through becomes two."""
    found: list[Saver | Segment] = []
    place = 0
    for item in row:
        size = _length(item)
        low, high = max(first, place), min(end, place + size)
        if low < high:
            whole = high - low == size
            found.append(item if whole else _part(item, low - place, high - place))
        place += size
    return tuple(found)


def _part(item: Saver | Segment, first: int, end: int) -> Segment:
    assert isinstance(item, Segment)  # noqa: S101 - no cut runs through a block
    inner = tuple(each for count, each in item.items for _ in range(count))
    return replace(item, items=tuple((1, each) for each in clipped(inner, first, end)))


def format_row(row: Row) -> str:
    """The text of a plan, equal items that stand in a row counted.

    Example:
        >>> format_row((Saver(), Saver(mode="full"), Saver(mode="full", offload=True)))
        'keep, full, full+offload'
    """
    return ", ".join(f"{count}x {_text(item)}" if count > 1 else _text(item) for count, item in counted(row))


def counted(row: Row) -> Items:
    """Equal items that stand in a row, with how many there are."""
    found: list[Item] = []
    for item in row:
        if found and found[-1][1] == item:
            found[-1] = (found[-1][0] + 1, item)
        else:
            found.append((1, item))
    return tuple(found)


def _text(item: Saver | Segment) -> str:
    if isinstance(item, Segment):
        inner = format_row(tuple(each for count, each in item.items for _ in range(count)))
        return f"[{inner}]{'+offload' if item.offload else ''}"
    words = [item.mode] if item.mode != "keep" or not item.hosted else []
    return "+".join([*words, *(flag for flag in FLAGS if getattr(item, flag))])


def _leaves(item: Saver | Segment) -> Iterator[Saver]:
    if isinstance(item, Saver):
        yield item
        return
    for count, each in item.items:
        found = tuple(_leaves(each))
        for _ in range(count):
            yield from found


@lru_cache(maxsize=65536)
def _length(item: Saver | Segment) -> int:
    if isinstance(item, Saver):
        return 1
    return sum(count * _length(each) for count, each in item.items)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Items:
    """Items with their counts; 0 for as many as are left."""
    return _Parser(text).plan()


class _Parser:
    """Reads a plan from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def plan(self) -> Items:
        items = self._items(0)
        if self._place < len(self._text.rstrip()):
            raise self._fault("expected ',' or the end")
        return items

    def _items(self, depth: int) -> Items:
        if depth > DEPTH:
            raise self._fault(f"segments within segments more than {DEPTH} deep; expected fewer")
        items = [self._item(depth)]
        while self._next("sign") == ",":
            self._take()
            items.append(self._item(depth))
        return tuple(items)

    def _item(self, depth: int) -> Item:
        count = self._next("count")
        if count:
            self._take()
        if count == "*" and depth:
            raise self._fault("'*x' within a segment; expected a number")
        if count.isdigit() and not int(count):
            raise self._fault("a count of 0; expected at least 1")
        number = 0 if count == "*" else int(count or 1)
        return number, self._segment(depth) if self._next("sign") == "[" else self._saver(depth)

    def _segment(self, depth: int) -> Segment:
        self._take()
        items = self._items(depth + 1)
        if self._next("sign") != "]":
            raise self._fault("expected ',' or ']'")
        self._take()
        flags = self._flags()
        if flags and (flags != ["offload"] or depth):
            raise self._fault(
                f"a segment{' within a segment' if depth else ''} with {'+'.join(flags)}; "
                "expected offload alone, of an outer segment"
            )
        return Segment(items, offload=bool(flags))

    def _saver(self, depth: int) -> Saver:
        words = [self._word(), *self._flags()]
        modes = [word for word in words if word in MODES]
        if len(modes) > 1 or len(set(words)) < len(words):
            raise self._fault(f"{'+'.join(words)}; expected one of {', '.join(MODES)} and each word once")
        if depth and "offload" in words:
            raise self._fault(
                "offload within a segment; expected it of the segment, such as [3x keep]+offload"
            )
        return Saver(modes[0] if modes else "keep", **{flag: flag in words for flag in FLAGS})

    def _flags(self) -> list[str]:
        words = []
        while self._next("sign") == "+":
            self._take()
            words.append(self._word())
        return words

    def _word(self) -> str:
        word = self._next("word")
        if word not in WORDS:
            raise self._fault(f"expected one of {', '.join(WORDS)}, or a segment in brackets")
        self._take()
        return word

    def _next(self, kind: str) -> str:
        found = TOKEN.match(self._text, self._place)
        return (found[kind] or "") if found else ""

    def _take(self) -> None:
        found = TOKEN.match(self._text, self._place)
        assert found is not None  # noqa: S101 - looked at before
        self._place = found.end()

    def _fault(self, expected: str) -> SimdlError:
        rest = self._text[self._place :].strip()
        where = f"at {rest[:30]!r}" if rest else "at the end"
        return SimdlError(f"savers: {self._text[:80]!r}, {where}: {expected}; such as {EXAMPLE}")
