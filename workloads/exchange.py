"""What the ranks that share a sample exchange within a layer, each with all others.

A graph in parts: a part's nodes read neighbours that belong to other parts (its halo). Of e edges of a part
a share ``cut`` ends elsewhere; the distinct nodes at their ends are as balls in bins, m (1 - exp(-cut e / m))
of the m nodes outside (halo exchange: Md et al. 2021, DistGNN, arXiv:2104.06700, section 4). A network with
tables in parts (DLRM, Naumov et al. 2019, arXiv:1906.00091, section 4): whole tables lie on one rank each, or
rows of every table on all ranks; what a rank has looked up for all samples goes to the ranks that have the
samples.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import exp


@dataclass(frozen=True, slots=True, kw_only=True)
class Halo:
    """Features of nodes that a part of a graph reads from other parts.

    Attributes:
        nodes, edges: of the whole graph (or of one sample of it).
        features: elements of a node.
        cut: share of edges whose ends lie in different parts, of ``parts`` parts; 0 with one part, of which
            any other number is taken to be cut at random.
        parts: that ``cut`` was measured with.
    """

    nodes: int
    edges: int
    features: int
    cut: float = 0.0
    parts: int = 1

    def share(self, parts: int) -> float:
        """Share of edges cut in this many parts: as measured, times what a random cut grows or shrinks by."""
        random = 1 - 1 / parts
        return min(1.0, self.cut / (1 - 1 / self.parts) * random) if self.parts > 1 else random

    def sent(self, parts: int) -> float:
        """Elements that a part gets from all others together."""
        outside = self.nodes * (1 - 1 / parts)
        if outside <= 0:
            return 0.0
        return outside * (1 - exp(-self.share(parts) * self.edges / parts / outside)) * self.features


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Embedding tables that are updated where they are read and divided over ranks, never copied.

    Attributes:
        rows: of every table.
        width: elements of a row.
        lookups: rows of every table that a sample reads and adds up.
        by_row: rows of every table lie on all ranks, instead of each table on one. Where there are more ranks
            than tables, each table's columns lie on several.
    """

    rows: tuple[int, ...]
    width: int
    lookups: tuple[int, ...]
    by_row: bool = False

    @property
    def parameters(self) -> int:
        """Elements of all tables."""
        return sum(self.rows) * self.width

    @property
    def outputs(self) -> int:
        """Elements that a sample gets: one row per table."""
        return len(self.rows) * self.width

    def share(self, parts: int) -> float:
        """Largest share of all rows on one of ``parts`` ranks; whole tables are dealt out largest first."""
        return 1 / parts if self.by_row or parts > len(self.rows) else _dealt(self.rows, parts)

    def sent(self, parts: int) -> float:
        """Elements that a rank sends per sample: of its own tables, or its partial sums of all of them."""
        if not self.by_row:
            return self.outputs / parts
        return sum(min(count, parts) for count in self.lookups) * self.width / parts


@lru_cache(maxsize=4096)
def _dealt(rows: tuple[int, ...], parts: int) -> float:
    loads = [0] * parts
    for size in sorted(rows, reverse=True):
        loads[loads.index(min(loads))] += size
    return max(loads) / sum(rows)
