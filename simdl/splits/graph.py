"""The graph of a network in which every node is split on its own.

A node is a layer with the element-wise layers behind it, which keep its layout and may be fused with it; an
addition belongs to the last of its branches and reads the others in that node's output layout. Repeated
blocks stand once with their count; where a block reads the block before, a repeated one also reads itself.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from simdl.errors import SimdlError
from simdl.splits.site import Site, elements
from workloads.layer import Layer
from workloads.network import Block, Network
from workloads.operators import ConvolutionShape
from workloads.tensors import BLOCK_INPUT

FOLLOWERS = frozenset({"activation", "addition", "dropout", "normalization"})
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """A layer and those that follow it.

    Attributes:
        name: ``block/layer`` of the first.
        block: index into ``network.blocks``.
        count: how often the block stands in the network.
        sites: the layer, then its followers.
    """

    name: str
    block: int
    count: int
    sites: tuple[Site, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """A tensor between two nodes.

    Attributes:
        source: index of the node that makes it.
        target: index of the node that reads it.
        elements: per sample.
        count: how often it stands in the network.
        late: a follower reads it, in the target's output layout.
        back: it passes from one copy of a repeated block to the next.
    """

    source: int
    target: int
    elements: int
    count: int = 1
    late: bool = False
    back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerGraph:
    """Nodes in topological order, each block's together, and the tensors between them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@lru_cache(maxsize=256)
def build_layer_graph(network: Network, samples: int) -> LayerGraph:
    """The graph of a convolutional network's distinct blocks.

    Args:
        network: what is computed.
        samples: that pass together.

    Raises:
        SimdlError: the samples are no images, or the network's first layer is no convolution.
    """
    nodes: list[Node] = []
    edges: list[Edge] = []
    shape, exit_node = input_shape(network), -1
    for index, block in enumerate(network.blocks):
        found = _BlockNodes(block, shape, samples)
        first = len(nodes)
        nodes += [found.node(index, place) for place in range(len(found.groups))]
        edges += found.inner(first)
        size = elements(shape)
        for place, late in found.readers():
            if exit_node >= 0:
                edges.append(Edge(exit_node, first + place, size, late=late))
            if block.count > 1:
                again = block.count - 1
                edges.append(Edge(len(nodes) - 1, first + place, size, again, late=late, back=True))
        shape, exit_node = block.layers[-1].output_shape, len(nodes) - 1
    return LayerGraph(nodes=tuple(nodes), edges=tuple(edges))


def input_shape(network: Network) -> Shape:
    """(channels, [depth,] height, width) of a sample, as the first convolution reads it."""
    first = network.blocks[0].layers[0]
    shape = first.forward[0].shape if first.forward else None
    if network.sample != "image" or not isinstance(shape, ConvolutionShape):
        raise SimdlError(
            f"{network.name}: per-layer splits need images and a convolution first; found "
            f"{network.sample} samples and {first.kind} {first.name!r}"
        )
    extents = shape.in_depth, shape.in_height, shape.in_width
    return (shape.in_channels, *extents[4 - len(first.output_shape) :])


class _BlockNodes:
    """The layers of one block, grouped into nodes."""

    def __init__(self, block: Block, shape: Shape, batch: int) -> None:
        self._block = block
        self._batch = batch
        self._shapes: dict[str, Shape] = {BLOCK_INPUT: shape}
        self._place: dict[str, int] = {}
        self.groups: list[list[Layer]] = []
        uses = Counter(name for layer in block.layers for name in layer.inputs)
        for layer in block.layers:
            self._shapes[layer.name] = layer.output_shape
            self._place[layer.name] = self._join(layer, uses)

    def _join(self, layer: Layer, uses: Counter[str]) -> int:
        """Behind the last of its inputs where it is that layer's only reader, else in a node of its own."""
        known = [name for name in layer.inputs if name != BLOCK_INPUT]
        name = max(known, key=self._place.__getitem__, default=BLOCK_INPUT)
        if layer.kind in FOLLOWERS and known and uses[name] == 1:
            place = self._place[name]
            self.groups[place].append(layer)
            return place
        self.groups.append([layer])
        return len(self.groups) - 1

    def node(self, index: int, place: int) -> Node:
        layers = self.groups[place]
        return Node(
            name=f"{self._block.name}/{layers[0].name}",
            block=index,
            count=self._block.count,
            sites=tuple(
                Site(
                    layer=layer,
                    shapes=tuple(self._shapes[name] for name in layer.inputs),
                    batch=self._batch,
                )
                for layer in layers
            ),
        )

    def inner(self, first: int) -> Iterator[Edge]:
        """Tensors between the nodes of the block, the first of which has this index."""
        for place, name, late in self._reads():
            if name != BLOCK_INPUT and self._place[name] != place:
                size = elements(self._shapes[name])
                yield Edge(first + self._place[name], first + place, size, self._block.count, late=late)

    def readers(self) -> list[tuple[int, bool]]:
        """Nodes that read the block's input, once for each time, and whether a follower does."""
        return [(place, late) for place, name, late in self._reads() if name == BLOCK_INPUT]

    def _reads(self) -> Iterator[tuple[int, str, bool]]:
        """(node, name of what it reads, whether a follower reads it)."""
        for place, (lead, *followers) in enumerate(self.groups):
            yield from ((place, name, False) for name in lead.inputs)
            yield from ((place, name, True) for layer in followers for name in layer.inputs)
