"""The cuts among which the automatic one is chosen: a set that the network alone decides, not its prices.

A faster device, link or memory therefore chooses among the same cuts, and where a step is chosen by its time
it cannot get slower by them.

- Repeated blocks that divide are cut evenly, as frameworks do, and no other way.
- Else all cuts, if there are at most ``CUTS``.
- Else every cut that balances some mixture of what stages have to do: work (flops), traffic (parameters and
  what layers put out) and operators to launch. Each share of a mixture is a multiple of 1 / ``PARTS``, and of
  1 where like blocks stand in a row between an embedding and a head.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import combinations, pairwise
from math import comb

from simdl.step.cuts.stage_cut import Cut, balanced_cuts
from workloads.network import Block, Network
from workloads.operators import Pass

CUTS = 64
"""Cuts that are all tried."""
PARTS = 8
"""Steps in which the mixtures go from one extreme to another."""
WHOLE = 2**40
"""What the shares of a chain's blocks add up to, about."""


@lru_cache(maxsize=1024)
def cut_set(network: Network, stages: int) -> tuple[Cut, ...]:
    """The cuts of a network into so many stages, each once and in the same order every time."""
    even = even_cut(network, stages)
    if even:
        return (even,)
    if comb(network.depth - 1, stages - 1) <= CUTS:
        return tuple(_all_cuts(network.depth, stages))
    parts = 1 if _repeated(network) else PARTS
    return tuple(dict.fromkeys(balanced_cuts([*mixtures(network, parts)], stages)))


def even_cut(network: Network, stages: int) -> Cut:
    """The cut that frameworks make, or () where they would not know one.

    Every stage has the same number of layers, embedding and head on top of first and last.
    """
    if stages == 1:
        return (network.depth,)
    first, count = network.repeated
    if count % stages or not _repeated(network):
        return ()
    cut = [count // stages] * stages
    cut[0] += first
    cut[-1] += network.depth - first - count
    return tuple(cut)


def _repeated(network: Network) -> bool:
    """Whether a network is a row of like blocks, but for one block at most on either side."""
    _, most = network.repeated
    return most > 1 and network.depth - most <= 2


def _all_cuts(depth: int, stages: int) -> Iterator[Cut]:
    for places in combinations(range(1, depth), stages - 1):
        yield tuple(end - start for start, end in pairwise((0, *places, depth)))


def mixtures(network: Network, parts: int) -> Iterator[list[float]]:
    """What the stages of a balanced cut have equal amounts of, per block of the chain."""
    work, traffic, launches = _extremes(network)
    for most in range(parts + 1):
        for other in range(parts + 1 - most):
            rest = parts - most - other
            yield [most * a + other * b + rest * c for a, b, c in zip(work, traffic, launches, strict=True)]


@lru_cache(maxsize=64)
def _extremes(network: Network) -> tuple[list[float], ...]:
    return tuple(_shares(network, amount) for amount in (_flops, _elements, _operators))


def _shares(network: Network, amount: Callable[[Block], int]) -> list[float]:
    """Whole numbers, so that equal stages are equal however they are added up."""
    values = [amount(block) for block in network.blocks]
    amounts = [values[index] for index in network.places]
    total = sum(amounts)
    return [float(round(WHOLE * value / total)) if total else 1.0 for value in amounts]


def _flops(block: Block) -> int:
    return sum(layer.flops(which) for layer in block.layers for which in Pass)


def _elements(block: Block) -> int:
    """Parameters and what the layers put out per sample: what a device reads and writes."""
    return block.parameters + sum(layer.output_elements for layer in block.layers)


def _operators(block: Block) -> int:
    return sum(len(layer.operators(which)) for layer in block.layers for which in Pass)
