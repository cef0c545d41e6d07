"""Lightning attention: linear attention with a fixed decay a head, as products over blocks of a sequence.

Qin et al. 2024 (arXiv:2401.04658), section 3; modules as MiniMax-01 has them (arXiv:2501.08313, section 2.2;
Transformers 5.24, ``MiniMaxLightningAttention``): queries, keys, values and an output gate come from the
residual stream, the first three through SiLU; outputs of all heads are normalised together and scaled by
the gate. In a
block of B tokens, for every head of d features: scores of queries with keys and what they give of values (2
B^2 d each), and what passes through the state of d x d numbers, written and read (2 B d^2 each). Heads are
divided over tensor-parallel ranks.
"""

from dataclasses import dataclass

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, column_projection, row_projection
from workloads.layers.tokens.state_space import StateSpace, chunk_products
from workloads.layers.tokens.token_norm import token_norm
from workloads.operators import Split

COLUMN = Split.COLUMN


@dataclass(frozen=True, slots=True, kw_only=True)
class LightningAttention:
    """Dimensions of a lightning-attention mixer.

    Attributes:
        heads: of ``head_size`` features each.
        head_size: d.
        block: B, tokens.
    """

    heads: int
    head_size: int
    block: int = 256

    @property
    def inner(self) -> int:
        """Features of all heads."""
        return self.heads * self.head_size

    @property
    def divisors(self) -> tuple[int, ...]:
        """What tensor parallelism divides."""
        return (self.heads,)


def lightning_branch(source: str, size: LightningAttention, *, tokens: int, hidden: int) -> tuple[Layer, ...]:
    """From the residual stream to what is added to it; the last layer is ``mixer_out``.

    Args:
        source: layer that it reads.
        size: of the mixer.
        tokens: of a sequence.
        hidden: features of the residual stream.
    """
    into = Projection(tokens=tokens, inputs=hidden, outputs=4 * size.inner)
    out = Projection(tokens=tokens, inputs=size.inner, outputs=hidden)
    return (
        column_projection("mixer_in", source, into),
        _mixer("mixer", "mixer_in", size, tokens),
        token_norm("mixer_norm", "mixer", kind="rmsnorm", tokens=tokens, features=size.inner, split=COLUMN),
        _gate("mixer_gate", ("mixer_norm", "mixer_in"), tokens * size.inner, (tokens, size.inner)),
        row_projection("mixer_out", "mixer_gate", out),
    )


def _mixer(name: str, source: str, size: LightningAttention, tokens: int) -> Layer:
    block = min(size.block, tokens)
    states = -(-tokens // block) * size.heads * size.head_size**2
    of_heads = StateSpace(
        heads=size.heads,
        head_size=size.head_size,
        groups=size.heads,
        state=size.head_size,
        chunk=size.block,
    )
    heads = 3 * tokens * size.inner
    return Layer(
        name=name,
        kind="state_space",
        inputs=(source,),
        output_shape=(tokens, size.inner),
        parameter_split=COLUMN,
        forward=(
            pointwise("silu", heads, split=COLUMN, work=4),
            *chunk_products(of_heads, tokens, ""),
            pointwise("pass states", states, split=COLUMN, work=2),
        ),
        input_gradient=(
            *chunk_products(of_heads, tokens, "first "),
            *chunk_products(of_heads, tokens, "second "),
            pointwise("pass state gradients", states, split=COLUMN, inputs=2, work=4),
            pointwise("silu gradient", heads, split=COLUMN, inputs=2, work=8),
        ),
        saved=(
            SavedActivation(name="input", elements=heads, split=COLUMN),
            SavedActivation(name="states", elements=states, split=COLUMN, element_size=4),
        ),
    )


def _gate(name: str, sources: tuple[str, str], elements: int, shape: tuple[int, int]) -> Layer:
    """What heads put out times a sigmoid of as many features."""
    return Layer(
        name=name,
        kind="gate",
        inputs=sources,
        output_shape=shape,
        forward=(pointwise("gate", elements, split=COLUMN, inputs=2, work=4),),
        input_gradient=(pointwise("gate gradient", 2 * elements, split=COLUMN, inputs=2, work=4),),
        saved=(SavedActivation(name="gated", elements=2 * elements, split=COLUMN),),
    )
