"""Mamba-2 layers: a state-space model as products over chunks of a sequence.

Dao and Gu 2024 (arXiv:2405.21060), sections 6 and 7: inputs, gate, B, C and time steps come from one
projection; a short convolution over time runs over inputs, B and C; the sequence is cut into chunks of Q
tokens. Within a chunk the layer is a masked attention C B^T on inputs X (2 s Q N flops a group, 2 s Q P a
head); chunks pass states of N x P numbers a head on, made by B^T X and read by C (2 s N P a head each). Q =
256 as released. Heads are divided over tensor-parallel ranks with their groups (Megatron-Core,
``MambaMixer``).
"""

from dataclasses import dataclass

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, column_projection, row_projection
from workloads.layers.tokens.time_convolution import time_convolution
from workloads.layers.tokens.token_norm import token_norm
from workloads.operators import MatmulShape, Operator, OperatorKind, Split

CHUNK = 256
COLUMN, HEADS = Split.COLUMN, Split.HEADS


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSpace:
    """Dimensions of a Mamba-2 mixer.

    Attributes:
        heads: of ``head_size`` features each.
        head_size: P.
        groups: that share B and C.
        state: N.
        taps: of the convolution over time.
        chunk: Q, tokens.
        bias: both projections add biases.
        out_bias: the projection back does; None for as ``bias``.
        normed: outputs are normalised before that projection; without it they are scaled by the gate alone.
        conv_bias: the convolution adds one.
    """

    heads: int
    head_size: int = 64
    groups: int = 1
    state: int = 128
    taps: int = 4
    chunk: int = CHUNK
    bias: bool = False
    out_bias: bool | None = None
    conv_bias: bool = True
    normed: bool = True

    @property
    def divisors(self) -> tuple[int, ...]:
        """What tensor parallelism divides."""
        return (self.heads, self.groups)

    @property
    def inner(self) -> int:
        """Features of all heads."""
        return self.heads * self.head_size

    @property
    def convolved(self) -> int:
        """Features that the convolution runs over."""
        return self.inner + 2 * self.groups * self.state


def state_space_branch(source: str, size: StateSpace, *, tokens: int, hidden: int) -> tuple[Layer, ...]:
    """From the residual stream to what is added to it; the last layer is ``mixer_out``.

    Args:
        source: layer that it reads.
        size: of the mixer.
        tokens: of a sequence.
        hidden: features of the residual stream.
    """
    columns = 2 * size.inner + 2 * size.groups * size.state + size.heads
    into = Projection(tokens=tokens, inputs=hidden, outputs=columns)
    out = Projection(tokens=tokens, inputs=size.inner, outputs=hidden)
    convolution = time_convolution(
        "conv", "mixer_in", tokens=tokens, features=size.convolved, taps=size.taps, bias=size.conv_bias
    )
    return (
        column_projection("mixer_in", source, into, bias=size.bias),
        convolution,
        _mixer("mixer", "conv", size, tokens),
        _gated_norm("gated_norm", "mixer", size, tokens)
        if size.normed
        else _gate("gated_norm", "mixer", size, tokens),
        row_projection("mixer_out", "gated_norm", out),
    )


def _mixer(name: str, source: str, size: StateSpace, tokens: int) -> Layer:
    elements = tokens * size.inner
    scalars = tokens * size.heads
    return Layer(
        name=name,
        kind="state_space",
        inputs=(source,),
        output_shape=(tokens, size.inner),
        parameters=3 * size.heads,  # decay, skip and bias of the time step
        parameter_split=COLUMN,
        forward=(
            pointwise("time steps", scalars, split=COLUMN, work=6),
            *chunk_products(size, tokens, ""),
            pointwise("pass states", _states(size, tokens), split=COLUMN, work=2),
            pointwise("skip", elements, split=COLUMN, inputs=2, work=2),
        ),
        input_gradient=(
            *chunk_products(size, tokens, "first "),
            *chunk_products(size, tokens, "second "),
            pointwise("pass state gradients", _states(size, tokens), split=COLUMN, inputs=2, work=4),
            pointwise("time step gradients", scalars, split=COLUMN, inputs=4, work=8),
            pointwise("skip gradient", elements, split=COLUMN, inputs=3, work=3),
        ),
        saved=(
            SavedActivation(name="input", elements=tokens * size.convolved, split=COLUMN),
            SavedActivation(name="time steps", elements=scalars, split=COLUMN, element_size=4),
            SavedActivation(name="states", elements=_states(size, tokens), split=COLUMN, element_size=4),
        ),
    )


def _chunks(size: StateSpace, tokens: int) -> int:
    return -(-tokens // min(size.chunk, tokens))


def _states(size: StateSpace, tokens: int) -> int:
    return _chunks(size, tokens) * size.heads * size.state * size.head_size


def chunk_products(size: StateSpace, tokens: int, which: str) -> tuple[Operator, ...]:
    """Of all chunks: scores by group; outputs, states and what states give by head."""
    chunk, count = min(size.chunk, tokens), _chunks(size, tokens)
    of_groups, of_heads = count * size.groups, count * size.heads
    return tuple(
        _product(f"{which}{name}", rows, columns, depth, products)
        for name, rows, columns, depth, products in (
            ("chunk scores", chunk, chunk, size.state, of_groups),
            ("chunk outputs", chunk, size.head_size, chunk, of_heads),
            ("chunk states", size.state, size.head_size, chunk, of_heads),
            ("state outputs", chunk, size.head_size, size.state, of_heads),
        )
    )


def _product(name: str, rows: int, columns: int, depth: int, products: int) -> Operator:
    return Operator(
        name=name,
        kind=OperatorKind.MATMUL,
        flops=2 * products * rows * columns * depth,
        reads=products * depth * (rows + columns),
        writes=products * rows * columns,
        shape=MatmulShape(rows=rows, columns=columns, depth=depth, products=products, batch_axis="products"),
        split=HEADS,
    )


def _gated_norm(name: str, source: str, size: StateSpace, tokens: int) -> Layer:
    """RMSNorm of the outputs times SiLU of the gate."""
    return token_norm(name, source, kind="rmsnorm", tokens=tokens, features=size.inner, split=COLUMN)


def _gate(name: str, source: str, size: StateSpace, tokens: int) -> Layer:
    """The outputs times SiLU of the gate."""
    elements = tokens * size.inner
    return Layer(
        name=name,
        kind="gate",
        inputs=(source,),
        output_shape=(tokens, size.inner),
        forward=(pointwise("gate", elements, split=COLUMN, inputs=2, work=5),),
        input_gradient=(pointwise("gate gradient", 2 * elements, split=COLUMN, inputs=2, work=5),),
        saved=(SavedActivation(name="gated", elements=2 * elements, split=COLUMN),),
    )
