"""Halos: the boundary rows and columns that neighbours of a spatial split exchange.

With filters of K rows at stride S, windows at a boundary reach K - S rows beyond it, split between the two
neighbours; for odd K and S = 1 that is O = floor(K / 2) on each side. A rank whose part has h rows of w
pixels in c channels and n samples sends

    2 SR(O n c w)  rows,  2 SR(O n c h)  columns,  4 SR(O^2 n c)  corners

where SR(n) is one message each way (Dryden et al. 2019, IPDPS, section V).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from simdl.communication import Group
from simdl.splits.site import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One divided axis of one rank's part.

    Attributes:
        extent: rows (or columns) of the part.
        reach: total rows that windows reach over a boundary, both sides together.
        parts: ranks along the axis.
        stride: distance in rank between neighbours.
    """

    extent: int
    reach: int
    parts: int
    stride: int

    @property
    def sides(self) -> tuple[int, ...]:
        """Rows sent to the neighbour on each side, empty messages left out."""
        if self.parts == 1:
            return ()
        return tuple(rows for rows in ((self.reach + 1) // 2, self.reach // 2) if rows > 0)


def halo_messages(rows: Edge, columns: Edge, depth: float) -> Iterator[Message]:
    """Messages of one rank for ``depth`` channels times samples."""
    for edge, across in ((rows, columns), (columns, rows)):
        line = Group(size=edge.parts, stride=edge.stride)
        for count in edge.sides:
            yield Message(None, count * across.extent * depth, line)
    corner = Group(size=rows.parts, stride=rows.stride)
    for height in rows.sides:
        for width in columns.sides:
            yield Message(None, height * width * depth, corner)


def interior(rows: Edge, columns: Edge) -> float:
    """Share of a part that does not wait for the halo."""
    return _inner(rows) * _inner(columns)


def _inner(edge: Edge) -> float:
    return max(0.0, 1 - sum(edge.sides) / edge.extent)
