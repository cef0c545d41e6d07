"""Drafts: the layers of a convolutional network, written down one after another and built into blocks.

>>> from workloads.layers.activation import relu
>>> from workloads.layers.images.convolution import convolution
>>> draft = Draft((3, 224, 224))
>>> _ = draft.add(convolution, "conv1", out_channels=64, kernel=7, stride=2, padding=3)
>>> draft.add(relu, "relu1")
'relu1'
>>> draft.shape
(64, 112, 112)
"""

from collections.abc import Callable, Sequence
from typing import Any

from workloads.layer import Layer
from workloads.layers.drafts.chain import cut_layers
from workloads.layers.drafts.fusion import fuse_layers
from workloads.layers.drafts.gradient_flow import drop_unused_gradients
from workloads.layers.drafts.sharing import share_boundaries, share_saved, sum_gradients
from workloads.network import Block, Network
from workloads.tensors import BLOCK_INPUT, Tensor


class Draft:
    """Layers being written down, from an input of one shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._layers: list[Layer] = []
        self._tensors = {BLOCK_INPUT: Tensor(BLOCK_INPUT, shape)}
        self._last = BLOCK_INPUT

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the last layer's output."""
        return self._tensors[self._last].shape

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Shape of a layer's output, or of the input."""
        return self._tensors[name].shape

    @property
    def last(self) -> str:
        """Name of the last layer."""
        return self._last

    # Options are each builder's own; Any is what a builder table can promise.
    def add(self, builder: Callable[..., Layer], name: str, *sources: str, **options: Any) -> str:  # noqa: ANN401
        """Adds the layer that ``builder`` makes from ``sources`` (default: the last layer); returns its name.

        Raises:
            NetworkError: the builder refuses the shapes or options.
        """
        read = [self._tensors[source] for source in sources or (self._last,)]
        layer = builder(name, *read, **options)
        self._layers.append(layer)
        self._tensors[name] = Tensor(name, layer.output_shape)
        self._last = name
        return name

    def view(self, name: str, source: str, shape: tuple[int, ...]) -> str:
        """Names a layer's output as something of another shape; returns the name. Nothing moves."""
        self._tensors[name] = Tensor(self._tensors[source].name, shape)
        return name

    def block(self, name: str, *, count: int = 1) -> Block:
        """All layers as one block."""
        return _block(name, self._layers, self._tensors[BLOCK_INPUT], count)

    def blocks(self) -> tuple[Block, ...]:
        """The layers as a chain of blocks, cut wherever one tensor alone passes on."""
        pieces = cut_layers(self._layers)
        inputs = [BLOCK_INPUT, *(piece[-1].name for piece in pieces[:-1])]
        tensors = [Tensor(BLOCK_INPUT, self._tensors[name].shape) for name in inputs]
        pairs = zip(pieces, tensors, strict=True)
        return tuple(_block(piece[0].name, piece, tensor, 1) for piece, tensor in pairs)


def output_shape(blocks: Sequence[Block]) -> tuple[int, ...]:
    """What the last block of a chain hands on, per sample."""
    return blocks[-1].layers[-1].output_shape


def build_image_network(name: str, blocks: Sequence[Block], *, source: str) -> Network:
    """A network of images from its chain of blocks: no gradient of the image, boundary tensors kept once.

    Raises:
        NetworkError: a block reads what nobody produces, or a name stands twice.
    """
    chain = share_boundaries(drop_unused_gradients(blocks))
    return Network(name=name, blocks=chain, source=source, sample="image")


def _block(name: str, layers: Sequence[Layer], source: Tensor, count: int) -> Block:
    shared = share_saved(fuse_layers(layers))
    return Block(name=name, layers=sum_gradients(shared, source), count=count)
