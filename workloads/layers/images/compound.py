"""Sequences that convolutional networks repeat: convolution, batch normalisation, activation, gates, head."""

from collections.abc import Callable
from typing import Any

from workloads.layer import Layer
from workloads.layers.activation import activation, relu
from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft
from workloads.layers.dropout import dropout
from workloads.layers.images.convolution import convolution
from workloads.layers.images.normalization import batch_norm
from workloads.layers.images.pooling import global_pool
from workloads.layers.images.scaling import channel_gate
from workloads.layers.linear import linear
from workloads.network import Block


# Options are those of `convolution`.
def conv_relu(draft: Draft, name: str, *sources: str, **options: Any) -> str:  # noqa: ANN401
    """Convolution with bias, ReLU; returns the name of its output."""
    draft.add(convolution, name, *sources, **options)
    return draft.add(relu, f"{name}_relu")


def conv_norm(
    draft: Draft,
    name: str,
    *sources: str,
    norm: Callable[..., Layer] = batch_norm,
    **options: Any,  # noqa: ANN401
) -> str:
    """Convolution without bias, batch (or another) normalisation; returns the name of its output."""
    draft.add(convolution, name, *sources, bias=False, **options)
    return draft.add(norm, f"{name}_norm")


def conv_norm_relu(draft: Draft, name: str, *sources: str, **options: Any) -> str:  # noqa: ANN401
    """Convolution without bias, batch normalisation, ReLU; returns the name of its output."""
    return conv_norm_act(draft, name, *sources, function="relu", **options)


def conv_norm_act(draft: Draft, name: str, *sources: str, function: str, **options: Any) -> str:  # noqa: ANN401
    """Convolution without bias, batch normalisation, activation; returns the name of its output."""
    conv_norm(draft, name, *sources, **options)
    return draft.add(activation, f"{name}_{function}", function=function)


def norm_relu_conv(draft: Draft, name: str, *sources: str, **options: Any) -> str:  # noqa: ANN401
    """Batch normalisation, ReLU, convolution without bias; returns the name of its output."""
    draft.add(batch_norm, f"{name}_norm", *sources)
    draft.add(relu, f"{name}_relu")
    return draft.add(convolution, name, bias=False, **options)


def linear_relu(draft: Draft, name: str, *, out_features: int) -> str:
    """Fully connected layer with bias, ReLU; returns the name of its output."""
    draft.add(linear, name, out_features=out_features)
    return draft.add(relu, f"{name}_relu")


def squeeze_excitation(
    draft: Draft, name: str, *, squeezed: int, function: str = "relu", gate: str = "sigmoid"
) -> str:
    """Gates each channel of the last layer (Hu et al. 2018, arXiv:1709.01507, figure 2).

    Args:
        draft: to add to.
        name: prefix of the layers.
        squeezed: channels between the two 1 x 1 convolutions.
        function: activation between them.
        gate: activation behind them.
    """
    maps, channels = draft.last, draft.shape[0]
    draft.add(global_pool, f"{name}_pool")
    draft.add(convolution, f"{name}_reduce", out_channels=squeezed, kernel=1)
    draft.add(activation, f"{name}_{function}", function=function)
    draft.add(convolution, f"{name}_expand", out_channels=channels, kernel=1)
    factors = draft.add(activation, f"{name}_{gate}", function=gate)
    return draft.add(channel_gate, f"{name}_scale", maps, factors)


def classifier(shape: tuple[int, ...], *, drop: bool = False) -> Block:
    """Global average, dropout where asked for, one linear layer of 1,000 classes and the loss."""
    draft = Draft(shape)
    draft.add(global_pool, "pool")
    if drop:
        draft.add(dropout, "dropout")
    draft.add(linear, "fc", out_features=1000)
    draft.add(softmax, "loss")
    return draft.block("head")
