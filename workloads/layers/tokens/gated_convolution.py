"""Gated short convolutions of LFM2 (Liquid AI 2025, arXiv:2511.23404; Transformers 5.24, ``Lfm2ShortConv``).

Two gates and an input come from one projection; the input times the first gate runs through a convolution
over a few tokens, times the second gate it is projected back.
"""

from dataclasses import dataclass, replace

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, column_projection, row_projection
from workloads.layers.tokens.time_convolution import time_convolution
from workloads.operators import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedConvolution:
    """Dimensions of a gated short convolution.

    Attributes:
        taps: tokens that an output sees.
        bias: of both projections and of the convolution.
    """

    taps: int = 3
    bias: bool = False

    @property
    def divisors(self) -> tuple[int, ...]:
        """What tensor parallelism divides beside the features."""
        return ()


def gated_convolution_branch(
    source: str, size: GatedConvolution, *, tokens: int, hidden: int
) -> tuple[Layer, ...]:
    """From the residual stream to what is added to it; the last layer is ``mixer_out``."""
    into = Projection(tokens=tokens, inputs=hidden, outputs=3 * hidden)
    out = Projection(tokens=tokens, inputs=hidden, outputs=hidden)
    convolution = time_convolution(
        "conv", "gate_in", tokens=tokens, features=hidden, taps=size.taps, bias=size.bias, activated=False
    )
    return (
        column_projection("mixer_in", source, into, bias=size.bias),
        _gate("gate_in", ("mixer_in",), tokens, hidden),
        convolution,
        _gate("gate_out", ("conv", "mixer_in"), tokens, hidden),
        replace(row_projection("mixer_out", "gate_out", out)),
    )


def _gate(name: str, sources: tuple[str, ...], tokens: int, features: int) -> Layer:
    elements, split = tokens * features, Split.COLUMN
    return Layer(
        name=name,
        kind="gate",
        inputs=sources,
        output_shape=(tokens, features),
        forward=(pointwise("gate", elements, split=split, inputs=2),),
        input_gradient=(pointwise("gate gradient", 2 * elements, split=split, inputs=2, work=2),),
        saved=(SavedActivation(name="gated", elements=2 * elements, split=split),),
    )
