"""Normalisations of a stack, all of its kind."""

from workloads.layer import Layer
from workloads.layers.tokens.token_norm import token_norm
from workloads.operators import Split
from workloads.zoo.language.decoder.config import DecoderConfig


def stream_norm(
    config: DecoderConfig, name: str, source: str, *, forked: bool = False, keep_input: bool = True
) -> Layer:
    """The normalisation of the residual stream, or of a branch as wide.

    Args:
        config: checked dimensions.
        name: of the layer.
        source: layer that it reads.
        forked: another layer reads its input as well.
        keep_input: saves its input.
    """
    return token_norm(
        name,
        source,
        kind=config.normalization,
        tokens=config.tokens,
        features=config.hidden,
        shift=config.norm_shift,
        forked=forked,
        keep_input=keep_input,
    )


def inner_norm(config: DecoderConfig, name: str, source: str, features: int) -> Layer:
    """The normalisation of features that tensor-parallel ranks divide."""
    return token_norm(
        name,
        source,
        kind=config.normalization,
        tokens=config.tokens,
        features=features,
        shift=config.norm_shift,
        split=Split.COLUMN,
    )
