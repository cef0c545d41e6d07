"""The cuts among which the automatic one is chosen: a set that the network alone decides, not its prices.

A faster device, link or memory therefore chooses among the same cuts, and where a step is chosen by its time
it cannot get slower by them.

- Repeated blocks that divide are cut evenly, as frameworks do, and no other way.
- Else all cuts, if there are at most ``CUTS``.
- Else the cuts that balance the work of the stages, their traffic and mixtures of both, or their number of
  blocks, and those in which one place between two stages of these is moved by one block.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations, pairwise
from math import comb

from simdl.stage_cut import Cut, fastest_cut, range_sums
from workloads.network import Block, Network
from workloads.operators import Pass

CUTS = 300
"""Cuts that are all tried."""
MIXTURES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of traffic, the rest work, by which stages are balanced where not all cuts are tried."""


@lru_cache(maxsize=1024)
def cut_set(network: Network, stages: int) -> tuple[Cut, ...]:
    """The cuts of a network into so many stages, each once and in the same order every time."""
    even = even_cut(network, stages)
    if even:
        return (even,)
    if comb(network.depth - 1, stages - 1) <= CUTS:
        return tuple(_all_cuts(network.depth, stages))
    balanced = [balanced_cut(weights, stages) for weights in _weights(network)]
    return tuple(dict.fromkeys([*balanced, *(moved for cut in balanced for moved in _neighbours(cut))]))


def even_cut(network: Network, stages: int) -> Cut:
    """The cut that frameworks make, or () where they would not know one.

    Every stage has the same number of layers, embedding and head on top of first and last.
    """
    if stages == 1:
        return (network.depth,)
    counts = [block.count for block in network.blocks]
    position = counts.index(max(counts))
    if counts[position] % stages or network.depth - counts[position] > 2 or counts[position] == 1:
        return ()
    cut = [counts[position] // stages] * stages
    cut[0] += sum(counts[:position])
    cut[-1] += sum(counts[position + 1 :])
    return tuple(cut)


def balanced_cut(weights: Sequence[float], stages: int) -> Cut:
    """The cut of a chain of blocks into stages of which the heaviest is lightest; at least one block each."""
    cut = fastest_cut([range_sums(weights)] * stages)
    if cut is None:
        raise AssertionError(f"{len(weights)} blocks for {stages} stages")
    return cut


def _all_cuts(depth: int, stages: int) -> Iterator[Cut]:
    for places in combinations(range(1, depth), stages - 1):
        yield tuple(end - start for start, end in pairwise((0, *places, depth)))


def _weights(network: Network) -> Iterator[list[float]]:
    """What the stages of a balanced cut have equal amounts of, per block of the chain."""
    work, traffic = (_shares(network, amount) for amount in (_flops, _elements))
    for share in MIXTURES:
        yield [(1 - share) * w + share * t for w, t in zip(work, traffic, strict=True)]
    yield [1.0] * network.depth


def _shares(network: Network, amount: Callable[[Block], int]) -> list[float]:
    amounts = [amount(block) for block in network.chain()]
    total = sum(amounts) or 1
    return [value / total for value in amounts]


def _flops(block: Block) -> int:
    return sum(layer.flops(which) for layer in block.layers for which in Pass)


def _elements(block: Block) -> int:
    """Parameters and what the layers put out per sample: what a device reads and writes."""
    return block.parameters + sum(layer.output_elements for layer in block.layers)


def _neighbours(cut: Cut) -> Iterator[Cut]:
    """Cuts in which one stage has given a block to the next, or taken one from it."""
    for index in range(len(cut) - 1):
        for moved in (-1, 1):
            if cut[index] + moved and cut[index + 1] - moved:
                yield (*cut[:index], cut[index] + moved, cut[index + 1] - moved, *cut[index + 2 :])
