"""Sequences that convolutional networks repeat: convolution, batch normalisation, activation."""

from typing import Any

from workloads.layers.activation import relu
from workloads.layers.convolution import convolution
from workloads.layers.draft import Draft
from workloads.layers.linear import linear
from workloads.layers.normalization import batch_norm


# Options are those of `convolution`.
def conv_relu(draft: Draft, name: str, *sources: str, **options: Any) -> str:  # noqa: ANN401
    """Convolution with bias, ReLU; returns the name of its output."""
    draft.add(convolution, name, *sources, **options)
    return draft.add(relu, f"{name}_relu")


def conv_norm(draft: Draft, name: str, *sources: str, **options: Any) -> str:  # noqa: ANN401
    """Convolution without bias, batch normalisation; returns the name of its output."""
    draft.add(convolution, name, *sources, bias=False, **options)
    return draft.add(batch_norm, f"{name}_norm")


def conv_norm_relu(draft: Draft, name: str, *sources: str, **options: Any) -> str:  # noqa: ANN401
    """Convolution without bias, batch normalisation, ReLU; returns the name of its output."""
    conv_norm(draft, name, *sources, **options)
    return draft.add(relu, f"{name}_relu")


def norm_relu_conv(draft: Draft, name: str, *sources: str, **options: Any) -> str:  # noqa: ANN401
    """Batch normalisation, ReLU, convolution without bias; returns the name of its output."""
    draft.add(batch_norm, f"{name}_norm", *sources)
    draft.add(relu, f"{name}_relu")
    return draft.add(convolution, name, bias=False, **options)


def linear_relu(draft: Draft, name: str, *, out_features: int) -> str:
    """Fully connected layer with bias, ReLU; returns the name of its output."""
    draft.add(linear, name, out_features=out_features)
    return draft.add(relu, f"{name}_relu")
