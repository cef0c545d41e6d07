"""A block of the network as a torch module that evaluates its graph of layers.

A tensor is let go after its last reader, so that only what autograd keeps stays; a layer works in place where
it alone reads a tensor that no other layer needs for its gradient (`workloads.layers`).
"""

from collections import Counter
from collections.abc import Sequence

import torch

from validation.errors import TrainerError
from validation.reference_trainer.modules.experts import Combine, Dispatch
from validation.reference_trainer.modules.loss import LOSSES
from validation.reference_trainer.modules.registry import BUILDERS
from validation.reference_trainer.modules.site import Builder, Site
from workloads.layer import Layer
from workloads.network import Block
from workloads.tensors import BLOCK_INPUT

OUTPUT_FREE = frozenset({"addition", "concatenation", "convolution", "linear", "normalization"})
"""Kinds of layers whose gradient does not need their own output."""


class BlockModule(torch.nn.Module):
    """One block.

    Attributes:
        layers: modules in the order of the block's layers.
    """

    def __init__(self, block: Block, *, attention: str) -> None:
        """Build the modules of a block.

        Args:
            block: its layers and their graph.
            attention: ``Stack.attention``.

        Raises:
            TrainerError: no module is known for a kind of layer.
        """
        super().__init__()
        self._block = block
        self._released = _released(block.layers)
        self.layers = torch.nn.ModuleList(
            _builder(layer)(layer, Site(attention=attention, in_place=_in_place(layer, block.layers)))
            for layer in block.layers
        )
        for combine in filter(lambda module: isinstance(module, Combine), self.layers):
            combine.follow(next(module for module in self.layers if isinstance(module, Dispatch)))

    @property
    def block(self) -> Block:
        """What it was built from."""
        return self._block

    def forward(self, x: torch.Tensor, targets: Sequence[torch.Tensor] = ()) -> torch.Tensor:
        """The block's output, or the loss where it ends in one (which reads the targets)."""
        values = {BLOCK_INPUT: x}
        del x
        for layer, module, released in zip(self._block.layers, self.layers, self._released, strict=True):
            sources = [values[name] for name in layer.inputs]
            for name in released:
                del values[name]
            extra = {"targets": targets} if layer.kind in LOSSES else {}
            values[layer.name] = module(*sources, **extra)
        return values[self._block.layers[-1].name]


def _builder(layer: Layer) -> Builder:
    if layer.kind not in BUILDERS:
        known = ", ".join(sorted(BUILDERS))
        raise TrainerError(f"layer {layer.name}: no torch module for kind {layer.kind!r}; known: {known}")
    return BUILDERS[layer.kind]


def _released(layers: Sequence[Layer]) -> tuple[tuple[str, ...], ...]:
    """Tensors that each layer reads last."""
    last = {name: index for index, layer in enumerate(layers) for name in layer.inputs}
    return tuple(
        tuple(name for name in dict.fromkeys(layer.inputs) if last[name] == index)
        for index, layer in enumerate(layers)
    )


def _in_place(layer: Layer, layers: Sequence[Layer]) -> bool:
    readers = Counter(name for reader in layers for name in reader.inputs)
    kinds = {made.name: made.kind for made in layers}
    source = layer.inputs[0]
    return readers[source] == 1 and kinds.get(source) in OUTPUT_FREE
