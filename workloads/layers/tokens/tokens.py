"""Between maps and tokens: pixels as tokens, trained tokens in front, means, and layers of drafts on tokens.

A (channels, height, width) tensor becomes (height x width, channels). Frameworks do it by a view; the kernel
that reads the view copies it, which is counted here. Back to maps is a view alone.
"""

from dataclasses import replace
from math import prod

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.layers.projection import Projection, replicated_projection
from workloads.layers.tokens.token_norm import token_norm
from workloads.operators import Operator, OperatorKind
from workloads.tensors import Tensor, map_shape


def to_tokens(name: str, source: Tensor) -> Layer:
    """Every pixel of the maps as a token.

    Raises:
        NetworkError: the source has no height and width.
    """
    channels, height, width = map_shape(name, source)
    return Layer(
        name=name,
        kind="layout",
        inputs=(source.name,),
        output_shape=(height * width, channels),
        forward=(_copy("tokens", source.elements),),
        input_gradient=(_copy("maps", source.elements),),
        attributes={"operation": "tokens"},
    )


def to_maps(name: str, source: Tensor, *, height: int, width: int) -> Layer:
    """Tokens as pixels of maps again, without a kernel.

    Raises:
        NetworkError: there are not as many tokens as pixels.
    """
    tokens, features = source.shape
    if tokens != height * width:
        raise NetworkError([f"{name}: {tokens} tokens as {height} x {width} pixels; expected as many"])
    return Layer(
        name=name,
        kind="layout",
        inputs=(source.name,),
        output_shape=(features, height, width),
        attributes={"operation": "maps", "extents": (height, width)},
    )


def transpose_tokens(name: str, source: Tensor) -> Layer:
    """Features as tokens and tokens as features."""
    tokens, features = source.shape
    return Layer(
        name=name,
        kind="layout",
        inputs=(source.name,),
        output_shape=(features, tokens),
        forward=(_copy("transpose", source.elements),),
        input_gradient=(_copy("transpose back", source.elements),),
        attributes={"operation": "transpose"},
    )


def merge_neighbours(name: str, source: Tensor) -> Layer:
    """2 x 2 neighbouring tokens of a square map as one of four times the features."""
    tokens, features = source.shape
    return Layer(
        name=name,
        kind="layout",
        inputs=(source.name,),
        output_shape=(tokens // 4, 4 * features),
        forward=(_copy("neighbours", source.elements),),
        input_gradient=(_copy("separate", source.elements),),
        attributes={"operation": "neighbours"},
    )


def class_token(name: str, source: Tensor) -> Layer:
    """The pixels of maps as tokens behind one trained token (Dosovitskiy et al. 2020, section 3.1)."""
    channels, height, width = map_shape(name, source)
    written = source.elements + channels
    joined = replace(_copy("concatenate", source.elements), writes=written, weights=channels)
    return Layer(
        name=name,
        kind="class_token",
        inputs=(source.name,),
        output_shape=(height * width + 1, channels),
        parameters=channels,
        forward=(joined,),
        input_gradient=(_copy("separate", source.elements),),
        weight_gradient=(
            Operator(
                name="token gradient",
                kind=OperatorKind.REDUCTION,
                flops=channels,
                reads=channels,
                weights=channels,
            ),
        ),
    )


def trained_positions(name: str, source: Tensor) -> Layer:
    """Adds a trained vector to every token; its gradient is the sum over the samples."""
    elements = source.elements
    return Layer(
        name=name,
        kind="embedding",
        inputs=(source.name,),
        output_shape=source.shape,
        parameters=elements,
        forward=(
            Operator(
                name="add",
                kind=OperatorKind.ELEMENTWISE,
                flops=elements,
                reads=elements,
                writes=elements,
                weights=elements,
            ),
        ),
        weight_gradient=(
            Operator(
                name="position gradient",
                kind=OperatorKind.REDUCTION,
                flops=elements,
                reads=elements,
                weights=elements,
            ),
        ),
        attributes={"index": "position"},
    )


def first_token(name: str, source: Tensor) -> Layer:
    """The first token alone; its gradient is scattered into zeros."""
    features = source.shape[-1]
    gather = Operator(name="gather", kind=OperatorKind.GATHER, flops=0, reads=features, writes=features)
    scatter = replace(gather, name="scatter", writes=source.elements)
    return Layer(
        name=name,
        kind="selection",
        inputs=(source.name,),
        output_shape=(1, features),
        forward=(gather,),
        input_gradient=(scatter,),
    )


def token_mean(name: str, source: Tensor) -> Layer:
    """Mean over the tokens."""
    features = source.shape[-1]
    mean = Operator(
        name="mean",
        kind=OperatorKind.REDUCTION,
        flops=source.elements,
        reads=source.elements,
        writes=features,
    )
    spread = Operator(
        name="mean gradient",
        kind=OperatorKind.ELEMENTWISE,
        flops=source.elements,
        reads=features,
        writes=source.elements,
    )
    return Layer(
        name=name,
        kind="mean",
        inputs=(source.name,),
        output_shape=(features,),
        forward=(mean,),
        input_gradient=(spread,),
    )


def layer_norm(name: str, source: Tensor, *, reads: str = "stream") -> Layer:
    """Normalises the features of every token, or of a vector.

    Args:
        name: of the layer.
        source: what it reads.
        reads: ``"stream"``, a residual stream that starts from what is trained or normalised, or
            ``"products"``, one that starts from a convolution: programs that cast operator by operator keep
            the first in FP32 and the second in 16 bit.
    """
    *rows, features = source.shape
    layer = token_norm(name, source.name, kind="layernorm", tokens=prod(rows), features=features)
    return replace(layer, output_shape=source.shape, attributes={**layer.attributes, "reads": reads})


def token_linear(name: str, source: Tensor, *, out_features: int, bias: bool = True) -> Layer:
    """A linear layer on the features of every token."""
    tokens, features = source.shape
    size = Projection(tokens=tokens, inputs=features, outputs=out_features)
    return replicated_projection(name, source.name, size, bias=bias)


def _copy(name: str, count: int) -> Operator:
    return Operator(name=name, kind=OperatorKind.ELEMENTWISE, flops=0, reads=count, writes=count)
