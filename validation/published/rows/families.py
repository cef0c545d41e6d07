"""How the layers of a row's network are built where its table does not say: ``families.toml`` by family.

The tables print shapes (layers, hidden size, heads, feed-forward size); the rest follows from the family. A
blank feed-forward size is 4 x hidden where the family has the classic multi-layer perceptron, otherwise the
row is skipped.
"""

from dataclasses import dataclass
from functools import cache

from validation.errors import RowSkippedError
from validation.judging.rules import Pattern, first_match, load_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How a model family builds its transformer layers.

    Attributes:
        name: of the family.
        pattern: found in ``source | model``.
        gated: gated feed-forward layer (three matrices).
        activation: of the feed-forward layer.
        normalization: ``layernorm`` or ``rmsnorm``.
        positions: ``learned``, ``rotary``, ``alibi`` or ``none``.
        bias: linear layers have a bias.
        qkv_bias: the query-key-value projection has a bias.
        dropout: trained with dropout.
        tied: the head shares the embedding's weights.
        vocab: default vocabulary, 0 where there is none to assume.
        vocab_multiple: the vocabulary is padded to a multiple of this times tp.
        heads: default number of heads, 0 where a blank skips the row.
        head_size: features of a head where they are not hidden / heads, 0 otherwise.
        segments: rows of a segment table, 0 for none.
        causal: tokens attend to earlier tokens only.
        source: where this is written down.
    """

    name: str
    pattern: Pattern
    gated: bool
    activation: str
    normalization: str
    positions: str
    bias: bool
    qkv_bias: bool
    dropout: bool
    tied: bool
    vocab: int = 0
    vocab_multiple: int = 1
    heads: int = 0
    head_size: int = 0
    segments: int = 0
    causal: bool = True
    source: str


@cache
def family_of(source: str, model: str) -> Family:
    """The family of a row.

    Raises:
        RowSkippedError: none of the patterns is found.
    """
    family = first_match(load_rules("published/rows/families.toml", Family), f"{source} | {model}")
    if family is None:
        raise RowSkippedError(
            f"model family of {model!r} is not known; how its layers are built would be a guess"
        )
    return family
