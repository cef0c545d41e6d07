"""Gated delta-rule layers: linear attention whose state forgets and overwrites, as products over chunks.

Yang et al. 2024 (arXiv:2412.06464), sections 3 and 4; sizes and modules as Qwen3-Next has them (Transformers
5.24, ``Qwen3NextGatedDeltaNet``): queries, keys, values and an output gate come from one projection, two
numbers a value head from another; a short convolution over time runs over queries, keys and values. A
sequence is cut into chunks of C tokens. In a chunk, for every value head with keys of K and values of V
features: the scores of keys with keys and of queries with keys (2 C^2 K each), a triangular system applied to
keys and values (2 C^2 (K + V)), outputs from scores (2 C^2 V), and what passes through the state of K x V
numbers: read for keys and for queries, and written (2 C K V each). Heads are divided over tensor-parallel
ranks. In Kimi Delta Attention (arXiv:2510.26692, section 3; Transformers 5.24,
``KimiLinearDeltaAttention``) every feature of a key decays at its own rate, and decays and output gates
come from narrow vectors of the token.
"""

from dataclasses import dataclass, replace

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, column_projection, row_projection, sequence_projection
from workloads.layers.tokens.time_convolution import time_convolution
from workloads.layers.tokens.token_norm import token_norm
from workloads.operators import MatmulShape, Operator, OperatorKind, Split

CHUNK = 64  # tokens, of the kernels that Transformers calls (``chunk_gated_delta_rule``)
COLUMN, HEADS = Split.COLUMN, Split.HEADS


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaRule:
    """Dimensions of a gated delta-rule mixer.

    Attributes:
        key_heads, key_size: of queries and keys.
        value_heads, value_size: of values; as many value heads share each key head as there are more.
        taps: of the convolution over time.
        gate_rank: features of the narrow vectors that decays of every feature and output gates come from; 0
            where gates come from the residual stream and a head decays at one rate.
    """

    key_heads: int
    key_size: int
    value_heads: int
    value_size: int
    taps: int = 4
    gate_rank: int = 0

    @property
    def decays(self) -> int:
        """Rates of decay that a token has."""
        return self.key_heads * self.key_size if self.gate_rank else self.value_heads

    @property
    def inner(self) -> int:
        """Features of all values."""
        return self.value_heads * self.value_size

    @property
    def convolved(self) -> int:
        """Features that the convolution runs over."""
        return 2 * self.key_heads * self.key_size + self.inner

    @property
    def divisors(self) -> tuple[int, ...]:
        """What tensor parallelism divides."""
        return (self.key_heads, self.value_heads)


def delta_rule_branch(source: str, size: DeltaRule, *, tokens: int, hidden: int) -> tuple[Layer, ...]:
    """From the residual stream to what is added to it; the last layer is ``mixer_out``."""
    gates = 0 if size.gate_rank else size.inner + size.value_heads
    columns = size.convolved + gates + size.value_heads
    into = Projection(tokens=tokens, inputs=hidden, outputs=columns)
    out = Projection(tokens=tokens, inputs=size.inner, outputs=hidden)
    rows = tokens * size.value_heads
    norm = token_norm(
        "gated_norm", "mixer", kind="rmsnorm", tokens=rows, features=size.value_size, split=COLUMN
    )
    return (
        column_projection("mixer_in", source, into),
        *_narrow_gates(source, size, tokens, hidden),
        time_convolution(
            "conv", "mixer_in", tokens=tokens, features=size.convolved, taps=size.taps, bias=False
        ),
        _mixer("mixer", ("conv", "gates") if size.gate_rank else ("conv",), size, tokens),
        norm,
        row_projection("mixer_out", "gated_norm", out),
    )


def _narrow_gates(source: str, size: DeltaRule, tokens: int, hidden: int) -> tuple[Layer, ...]:
    """Decays and output gates by way of two narrow vectors, small projections that every rank computes."""
    if not size.gate_rank:
        return ()
    down = Projection(tokens=tokens, inputs=hidden, outputs=2 * size.gate_rank)
    up = Projection(tokens=tokens, inputs=size.gate_rank, outputs=size.decays + size.inner)
    narrow = sequence_projection("gates_down", source, down)
    fork = pointwise("gradient sum", tokens * hidden, split=Split.SEQUENCE, inputs=2)
    return (
        replace(narrow, saved=(), input_gradient=(*narrow.input_gradient, fork)),
        column_projection("gates", "gates_down", up),
    )


def _mixer(name: str, sources: tuple[str, ...], size: DeltaRule, tokens: int) -> Layer:
    scalars = tokens * size.decays
    states = -(-tokens // CHUNK) * size.value_heads * size.key_size * size.value_size
    return Layer(
        name=name,
        kind="state_space",
        inputs=sources,
        output_shape=(tokens, size.inner),
        parameters=size.value_heads + size.decays,  # decay of a head and bias of every time step
        parameter_split=COLUMN,
        forward=(
            pointwise("decays", 2 * scalars, split=COLUMN, work=6),
            *_products(size, tokens, ""),
            pointwise("pass states", states, split=COLUMN, work=2),
        ),
        input_gradient=(
            *_products(size, tokens, "first "),
            *_products(size, tokens, "second "),
            pointwise("pass state gradients", states, split=COLUMN, inputs=2, work=4),
            pointwise("decay gradients", 2 * scalars, split=COLUMN, inputs=4, work=8),
        ),
        saved=(
            SavedActivation(name="input", elements=tokens * size.convolved, split=COLUMN),
            SavedActivation(name="decays", elements=2 * scalars, split=COLUMN, element_size=4),
            SavedActivation(name="states", elements=states, split=COLUMN),
        ),
    )


def _products(size: DeltaRule, tokens: int, which: str) -> tuple[Operator, ...]:
    chunk, keys, values = min(CHUNK, tokens), size.key_size, size.value_size
    count = -(-tokens // chunk) * size.value_heads
    return tuple(
        _product(f"{which}{name}", rows, columns, depth, count)
        for name, rows, columns, depth in (
            ("key scores", chunk, chunk, keys),
            ("solved keys", chunk, keys, chunk),
            ("solved values", chunk, values, chunk),
            ("query scores", chunk, chunk, keys),
            ("chunk outputs", chunk, values, chunk),
            ("state of keys", chunk, values, keys),
            ("state outputs", chunk, values, keys),
            ("chunk states", keys, values, chunk),
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
