"""Synthetic batches: random samples and targets of a network, made once before anything is timed."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import torch

from validation.errors import TrainerError
from validation.reference_trainer.modules.site import pair_of
from workloads.layer import Layer
from workloads.network import Network
from workloads.operators import ConvolutionShape, MatmulShape
from workloads.tensors import BLOCK_INPUT
from workloads.transforms.winograd import FILTER

SAME_SHAPE = frozenset({"activation", "dropout", "normalization", "response_normalization", "view"})
"""Kinds whose output has the shape of their input."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Samples, and the targets of each source of the loss."""

    inputs: torch.Tensor
    targets: tuple[torch.Tensor, ...]

    def part(self, first: int, last: int) -> "Batch":
        """The samples from ``first`` up to ``last`` (exclusive)."""
        targets = tuple(target[first:last] for target in self.targets)
        return Batch(inputs=self.inputs[first:last], targets=targets)

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        return Batch(inputs=self.inputs.to(device), targets=tuple(t.to(device) for t in self.targets))


def synthetic_batch(network: Network, samples: int, *, seed: int) -> Batch:
    """Random samples of a network with random targets, on the CPU.

    Raises:
        TrainerError: the shape of a sample cannot be read off the first layers.
    """
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        inputs=_inputs(network, samples, generator),
        targets=tuple(
            torch.randint(shape[-1], (samples, *shape[:-1]), generator=generator)
            for shape in _loss_sources(network)
        ),
    )


def _inputs(network: Network, samples: int, generator: torch.Generator) -> torch.Tensor:
    shape, vocab = sample_shape(network)
    if vocab:
        return torch.randint(vocab, (samples, *shape), generator=generator)
    return torch.randn((samples, *shape), generator=generator)


def sample_shape(network: Network) -> tuple[tuple[int, ...], int]:
    """Shape of one sample, and the entries of the vocabulary it is drawn from (0 for real numbers).

    Raises:
        TrainerError: no layer that reads the sample tells its shape.
    """
    readers = [layer for layer in network.blocks[0].layers if BLOCK_INPUT in layer.inputs]
    for shape in (found for layer in readers for found in _read_shape(layer)):
        return shape
    names = ", ".join(f"{layer.name} ({layer.kind})" for layer in readers)
    raise TrainerError(f"network {network.name}: the shape of a sample cannot be read off {names}")


def _read_shape(layer: Layer) -> Iterator[tuple[tuple[int, ...], int]]:
    """What a layer that reads the sample tells about its shape; nothing where it does not."""
    shape = layer.forward[0].shape if layer.forward else None
    if layer.kind == "embedding":
        yield layer.output_shape[:1], layer.parameters // layer.output_shape[-1]
    elif isinstance(shape, ConvolutionShape):
        extents = shape.in_depth, shape.in_height, shape.in_width
        yield (shape.in_channels, *extents[4 - len(layer.output_shape) :]), 0
    elif layer.kind == "winograd_convolution":
        product = next(each.shape for each in layer.forward if isinstance(each.shape, MatmulShape))
        height, width = (
            extent + FILTER - 1 - 2 * padding
            for extent, padding in zip(layer.output_shape[1:], pair_of(layer, "padding"), strict=True)
        )
        yield (product.depth, height, width), 0
    elif layer.kind == "tensor_train":
        yield (*layer.output_shape[:-1], prod(pair_of(layer, "inputs"))), 0
    elif isinstance(shape, MatmulShape):
        rows = layer.output_shape[:1] if len(layer.output_shape) == 2 else ()  # nodes of a graph
        yield (*rows, shape.depth), 0
    elif layer.kind in SAME_SHAPE:
        yield layer.output_shape, 0


def _loss_sources(network: Network) -> list[tuple[int, ...]]:
    """Shapes of what the loss reads, the classes last."""
    *_, last = network.blocks[-1].layers
    shapes = {layer.name: layer.output_shape for layer in network.blocks[-1].layers}
    if len(network.blocks) > 1:
        shapes[BLOCK_INPUT] = network.blocks[-2].layers[-1].output_shape
    found = [shapes[name] for name in last.inputs]
    return [(*shape[1:], shape[0]) for shape in found] if last.kind == "pixel_loss" else found
