"""Networks: a chain of blocks, each a small directed acyclic graph of layers.

A block has one input and one output tensor, so the boundary between two blocks is a place where a pipeline
may be cut and where full recomputation keeps its checkpoint. Consecutive equal blocks are stored once with a
count: everything downstream (costs, memory, planning) works on distinct blocks and stays fast for deep
networks.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.operators import PRODUCTS, Pass
from workloads.tensors import BLOCK_INPUT


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """``count`` equal blocks in a row.

    Attributes:
        name: unique in the network.
        layers: in topological order; the last one's output is the block's output.
        count: how many times the block stands in the chain.
        recomputable: whether full recomputation may discard its activations (frameworks keep embedding and
            head).
        carried: elements per sample that pass through unchanged to later blocks, as the encoder's output does
            through a decoder; a pipeline sends them on with the block's own output.
    """

    name: str
    layers: tuple[Layer, ...]
    count: int = 1
    recomputable: bool = True
    carried: int = 0

    def __repr__(self) -> str:
        return f"<Block {self.name}: {len(self.layers)} layers, {self.count} times>"

    @cached_property
    def parameters(self) -> int:
        """Trainable elements of one block (tied layers count where they are owned)."""
        return sum(layer.parameters for layer in self.layers if not layer.tied)

    @property
    def output_elements(self) -> int:
        """Elements of the block's output per sample."""
        return self.layers[-1].output_elements

    @cached_property
    def input_elements(self) -> int:
        """Elements of the block's input per sample, as the layer that reads it first keeps or reads them."""
        readers = [layer for layer in self.layers if layer.inputs[:1] == (BLOCK_INPUT,)]
        kept = [tensor.elements for layer in readers for tensor in layer.saved if tensor.name == BLOCK_INPUT]
        if kept:
            return max(kept)
        return max((layer.forward[0].reads for layer in readers if layer.forward), default=0)


SEQUENTIAL = frozenset({"recurrent", "stepped_recurrent", "state_space"})
"""Kinds of layers whose steps need what the steps before them made."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """A network with its published identity.

    Attributes:
        name: registered name.
        blocks: the chain.
        source: paper or model card.
        sample: ``"image"``, ``"sequence"``, ``"graph"`` (a whole one), ``"node"`` (of which a sampled
            neighbourhood is computed) or ``"record"`` (of a recommendation).
        tokens: tokens of one sample (1 for images).
        tensor_divisors: tensor-parallel degrees must divide each of these (query heads, features).
        kv_heads: key-value heads of its attention, which such a degree must divide, or be a multiple of, so
            that every rank has a copy of one; 0 without attention.
        expert_divisors: expert-tensor-parallel degrees must divide each of these (features of an expert).
        order: index into ``blocks`` of every place in the chain, where unlike blocks take turns; () where
            equal blocks stand in a row.
        parted: how many parts ranks that share a sample (``cp``) may divide it into, beside its tokens: nodes
            of a graph, rows of tables; 0 for a network of tokens.
        part: what those are called.
        notes: what a reader of an answer should know of how the network was read, one sentence each.
        obstacle: why no step of it can be simulated, so that it is only counted; ``""`` for none.
    """

    name: str
    blocks: tuple[Block, ...]
    source: str
    sample: str
    tokens: int = 1
    tensor_divisors: tuple[int, ...] = field(default=())
    kv_heads: int = 0
    expert_divisors: tuple[int, ...] = ()
    order: tuple[int, ...] = ()
    parted: int = 0
    part: str = ""
    notes: tuple[str, ...] = ()
    obstacle: str = ""

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise NetworkError(faults)

    def __repr__(self) -> str:
        return f"<Network {self.name}: {self.depth:,} blocks, {self.parameters:,} parameters>"

    def chain(self) -> Iterator[Block]:
        """Every block in order, repeated ones as often as they stand in the network."""
        return (self.blocks[index] for index in self.places)

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Index into ``blocks`` of every place in the chain."""
        rows = (index for index, block in enumerate(self.blocks) for _ in range(block.count))
        return self.order or tuple(rows)

    @cached_property
    def repeated(self) -> tuple[int, int]:
        """First place and number of the blocks that repeat, embedding and head aside.

        Where unlike blocks take turns, all of them that recomputation may discard.
        """
        if self.order:
            inner = [place for place, index in enumerate(self.order) if self.blocks[index].recomputable]
            return inner[0], inner[-1] - inner[0] + 1
        counts = [block.count for block in self.blocks]
        position = counts.index(max(counts))
        return sum(counts[:position]), counts[position]

    def layers(self) -> Iterator[tuple[str, Layer]]:
        """Every layer of the whole network with its full name, ``block.index/layer``."""
        for place, block in self.named_chain():
            for layer in block.layers:
                yield f"{place}/{layer.name}", layer

    def named_chain(self) -> Iterator[tuple[str, Block]]:
        """Every block of the chain with its place, ``block`` or ``block.index``."""
        met: Counter[str] = Counter()
        for block in self.chain():
            yield (block.name if block.count == 1 else f"{block.name}.{met[block.name]}"), block
            met[block.name] += 1

    @cached_property
    def depth(self) -> int:
        """Number of blocks in the chain."""
        return sum(block.count for block in self.blocks)

    @cached_property
    def sequential(self) -> bool:
        """Whether layers walk through the tokens of a sample, so that no ranks can share them."""
        return any(layer.kind in SEQUENTIAL for block in self.blocks for layer in block.layers)

    @cached_property
    def parameters(self) -> int:
        """Trainable elements of the network."""
        return sum(block.parameters * block.count for block in self.blocks)

    @cached_property
    def active_parameters(self) -> int:
        """Trainable elements that a token meets: all, but of experts only those that it chooses."""
        layers = (
            layer.active_parameters * b.count for b in self.blocks for layer in b.layers if not layer.tied
        )
        return sum(layers)

    @cached_property
    def experts(self) -> int:
        """Experts of a layer that tokens choose among; 0 without any."""
        found = (layer.token_exchange for block in self.blocks for layer in block.layers)
        return next((exchange.routing.experts for exchange in found if exchange is not None), 0)

    def flops(self, which: Pass) -> int:
        """Floating-point operations of one pass over one sample, every operator counted."""
        return sum(layer.flops(which) * b.count for b in self.blocks for layer in b.layers)

    @cached_property
    def model_flops(self) -> int:
        """Flops per sample that MFU counts: products only (matmul, convolution, attention), all three passes.

        Attention counts in full (not halved for causal masks); recomputation never counts.
        """
        return sum(
            operator.flops * block.count
            for block in self.blocks
            for layer in block.layers
            for which in Pass
            for operator in layer.operators(which)
            if operator.kind in PRODUCTS
        )


def _faults(network: Network) -> Iterator[str]:
    if not network.blocks:
        yield f"network {network.name}: no blocks; expected at least one"
    if network.order and Counter(network.order) != {n: b.count for n, b in enumerate(network.blocks)}:
        yield f"network {network.name}: order: found other counts of blocks than theirs; expected the same"
    names = [block.name for block in network.blocks]
    for name in {n for n in names if names.count(n) > 1}:
        yield f"network {network.name}: block {name!r} stands twice; expected unique names"
    for block in network.blocks:
        known = {BLOCK_INPUT}
        for layer in block.layers:
            place = f"network {network.name}: {block.name}/{layer.name}"
            if layer.name in known:
                yield f"{place}: name used twice in its block; expected unique names"
            for source in layer.inputs:
                if source not in known:
                    yield f"{place}: reads {source!r}, which no earlier layer of the block makes (a cycle?)"
            known.add(layer.name)
