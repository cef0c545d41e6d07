"""Streams: which convolutions may run at once, so that their workspaces lie beside one another.

A library keeps one workspace per stream; passes of one stream reuse it, passes of different streams do not.
Two things run at once: branches of a block, each layer that waits for no layer of another branch, and
backward the gradients of filters beside those of the data, for which nothing waits.

    region    what may run at once
    forward   the branches of one block
    backward  the branches of one block, and all gradients of filters where these have a stream of their own

Kernels that run at once share the device, so the time is taken to be the sum of all, as on one stream.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from planner.microbatch.convolutions import ConvolutionPass
from workloads.network import Block, Network
from workloads.operators import Pass
from workloads.tensors import BLOCK_INPUT


class Concurrency(StrEnum):
    """What runs on streams of its own."""

    NONE = "none"
    """nothing"""
    GRADIENTS = "gradients"
    """gradients of filters"""
    BRANCHES = "branches"
    """branches of a block"""
    ALL = "all"
    """both"""

    @property
    def by_branch(self) -> bool:
        """Whether branches have streams of their own."""
        return self in {Concurrency.BRANCHES, Concurrency.ALL}

    @property
    def by_gradient(self) -> bool:
        """Whether gradients of filters have."""
        return self in {Concurrency.GRADIENTS, Concurrency.ALL}


Region = Mapping[str, tuple[int, ...]]
"""Passes, by index, of every stream that may run at once; streams of equal names are the same one."""
FILTERS = "filters"


def regions(
    passes: Sequence[ConvolutionPass], network: Network | None, concurrency: Concurrency
) -> tuple[Region, ...]:
    """What may run at once, for passes that each stand for all copies of a repeated block.

    Args:
        passes: of the distinct blocks.
        network: whose branches count; None for layers that stand alone.
        concurrency: what has streams of its own.
    """
    branch = _branches(network) if network is not None and concurrency.by_branch else {}
    filters = tuple(index for index, part in enumerate(passes) if _is_filters(part, concurrency))
    found: list[Region] = []
    for block in dict.fromkeys(_block(part) for part in passes):
        own = [index for index, part in enumerate(passes) if _block(part) == block and index not in filters]
        forward = [index for index in own if passes[index].which is Pass.FORWARD]
        backward = [index for index in own if passes[index].which is not Pass.FORWARD]
        found.append(_by_stream(forward, passes, branch))
        found.append({**_by_stream(backward, passes, branch), **({FILTERS: filters} if filters else {})})
    return tuple(region for region in found if region)


def _is_filters(part: ConvolutionPass, concurrency: Concurrency) -> bool:
    return concurrency.by_gradient and part.which is Pass.WEIGHT_GRADIENT


def _block(part: ConvolutionPass) -> str:
    return part.block_layer.partition("/")[0]


def _by_stream(
    indices: Sequence[int], passes: Sequence[ConvolutionPass], branch: Mapping[str, int]
) -> dict[str, tuple[int, ...]]:
    streams: dict[str, tuple[int, ...]] = {}
    for index in indices:
        name = f"{_block(passes[index])} {branch.get(passes[index].block_layer, 0)}"
        streams[name] = (*streams.get(name, ()), index)
    return streams


def _branches(network: Network) -> dict[str, int]:
    """Stream of every layer by its name in a repeated block: chains of layers that wait for one another."""
    return {f"{block.name}/{name}": stream for block in network.blocks for name, stream in _chains(block)}


def _chains(block: Block) -> Iterator[tuple[str, int]]:
    """Convolutions of a block with a chain of each: that of a layer that it waits for, or a new one."""
    before: dict[str, set[str]] = {BLOCK_INPUT: set()}
    ends: list[str] = []
    for layer in block.layers:
        before[layer.name] = {name for source in layer.inputs for name in (*before[source], source)}
        if layer.kind != "convolution":
            continue
        place = next((n for n, end in enumerate(ends) if end in before[layer.name]), len(ends))
        ends[place : place + 1] = [layer.name]
        yield layer.name, place
