"""Mamba layers of the first kind: a state-space model whose every feature has time steps of its own.

Gu and Dao 2023 (arXiv:2312.00752), section 3: inputs and gate come from one projection; a short convolution
over time runs over the inputs; from them come a narrow vector for the time steps and B and C of N numbers a
token; time steps are projected from the narrow vector. Every feature keeps N numbers as its state, so the
scan is element by element: some 9 N operations a feature and token, its states recomputed backward as the
paper does. Jamba normalises time steps, B and C (Lieber et al. 2024, arXiv:2403.19887, section 3.1).
"""

from dataclasses import dataclass

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, column_projection, row_projection
from workloads.layers.tokens.time_convolution import time_convolution
from workloads.layers.tokens.token_norm import token_norm
from workloads.operators import Split

COLUMN = Split.COLUMN
WORK = 9  # [FLOP] of the scan for every feature, token and number of state


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectiveScan:
    """Dimensions of a Mamba mixer.

    Attributes:
        inner: features of the inputs.
        state: N.
        rank: features of the narrow vector that time steps come from.
        taps: of the convolution over time.
        bias: both projections of the residual stream add biases.
        conv_bias: the convolution adds one.
        normalised: time steps, B and C are.
    """

    inner: int
    state: int
    rank: int
    taps: int = 4
    bias: bool = False
    conv_bias: bool = True
    normalised: bool = False

    @property
    def divisors(self) -> tuple[int, ...]:
        """What tensor parallelism divides."""
        return (self.inner,)


def selective_scan_branch(source: str, size: SelectiveScan, *, tokens: int, hidden: int) -> tuple[Layer, ...]:
    """From the residual stream to what is added to it; the last layer is ``mixer_out``."""
    columns = size.rank + 2 * size.state
    into = Projection(tokens=tokens, inputs=hidden, outputs=2 * size.inner)
    narrow = Projection(tokens=tokens, inputs=size.inner, outputs=columns)
    wide = Projection(tokens=tokens, inputs=size.rank, outputs=size.inner)
    out = Projection(tokens=tokens, inputs=size.inner, outputs=hidden)
    norms = (
        (token_norm("parameter_norm", "narrow", kind="rmsnorm", tokens=tokens, features=columns),)
        if size.normalised
        else ()
    )
    steps = norms[-1].name if norms else "narrow"
    return (
        column_projection("mixer_in", source, into, bias=size.bias),
        time_convolution(
            "conv", "mixer_in", tokens=tokens, features=size.inner, taps=size.taps, bias=size.conv_bias
        ),
        row_projection("narrow", "conv", narrow),
        *norms,
        column_projection("time_steps", steps, wide, bias=True),
        _scan("mixer", ("conv", "time_steps"), size, tokens),
        row_projection("mixer_out", "mixer", out),
    )


def _scan(name: str, sources: tuple[str, str], size: SelectiveScan, tokens: int) -> Layer:
    elements = tokens * size.inner
    work = WORK * size.state
    return Layer(
        name=name,
        kind="state_space",
        inputs=sources,
        output_shape=(tokens, size.inner),
        parameters=size.inner * (size.state + 1),  # decay and skip
        parameter_split=COLUMN,
        forward=(pointwise("scan", elements, split=COLUMN, inputs=3, work=work),),
        input_gradient=(pointwise("scan gradient", 3 * elements, split=COLUMN, inputs=2, work=work),),
        saved=(SavedActivation(name="input", elements=3 * elements, split=COLUMN),),
    )
