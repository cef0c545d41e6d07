"""The cuts of a pipeline over unlike nodes: a set that the network and the places of its stages decide.

Stages on faster nodes may hold more. How much more they should is not asked of any rate: the set has a cut
for every ratio of what stages of different kinds hold, from ``MOST`` times as much to as much less, in even
steps of its logarithm, each balanced in work, in traffic and in operators to launch
(:mod:`simdl.step.cuts.cut_set`). So a faster device chooses among the same cuts.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import product

from simdl.step.cuts.cut_set import cut_set, mixtures
from simdl.step.cuts.stage_cut import Cut, Table, fastest_cut, range_sums
from simdl.step.kinds import Kinds
from workloads.network import Network

MOST = 8.0
"""Times what others hold that the stages of one kind of node hold at most."""
RATIOS = 19
"""Ratios of two kinds of node; of more kinds as many all together, about."""


@lru_cache(maxsize=1024)
def mixed_cut_set(network: Network, stages: tuple[Kinds, ...]) -> tuple[Cut, ...]:
    """The cuts of a network, each once and in the same order every time.

    Args:
        network: to be cut.
        stages: per stage the kinds of node that it stands on.
    """
    alike = cut_set(network, len(stages))
    kinds = sorted({*stages}, key=sorted)
    if len(kinds) == 1 or len(stages) == network.depth:
        return alike
    found = [
        fastest_cut([_scaled(table, weights[kinds.index(each)]) for each in stages])
        for table in [range_sums(values) for values in mixtures(network, 1)]
        for weights in _weights(len(kinds))
    ]
    return tuple(dict.fromkeys((*alike, *(cut for cut in found if cut is not None))))


def _scaled(table: Table, weight: float) -> Table:
    scaled: Table = table / weight
    return scaled


def _weights(kinds: int) -> Iterator[tuple[float, ...]]:
    """What stages of each kind may hold, over what those of the first one do."""
    count = max(3, round(RATIOS ** (1 / (kinds - 1))) // 2 * 2 + 1)
    steps = [MOST ** (2 * place / (count - 1) - 1) for place in range(count)]
    yield from ((1.0, *rest) for rest in product(steps, repeat=kinds - 1))
