"""What a published row leaves unsaid about its network: one table of model families.

The tables print shapes (layers, hidden size, heads, feed-forward size); how a layer is built from them
follows from the family. The first family whose pattern matches ``source | model`` applies, so published
sources with a house architecture stand before the generic names.

Vocabularies: Megatron pads the vocabulary to a multiple of 128 x tp (``make-vocab-size-divisible-by``),
which turns GPT-2's 50,257 into 51,200 at tp 8 (Narayanan et al. 2021, table 1). A blank feed-forward size
is 4 x hidden where the family has the classic multi-layer perceptron, otherwise the row is skipped.
"""

import re
from dataclasses import dataclass
from functools import cache

from validation.errors import RowSkippedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How a model family builds its decoder layers.

    Attributes:
        name: of the family.
        pattern: regular expression on ``source | model``, case ignored.
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
        source: where this is written down.
    """

    name: str
    pattern: str
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
    source: str


def _gpt(
    name: str, pattern: str, source: str, *, vocab: int, heads: int = 0, positions: str = "learned"
) -> Family:
    return Family(
        name=name,
        pattern=pattern,
        gated=False,
        activation="gelu",
        normalization="layernorm",
        positions=positions,
        bias=True,
        qkv_bias=True,
        dropout=True,
        tied=True,
        vocab=vocab,
        vocab_multiple=128,
        heads=heads,
        source=source,
    )


def _llama(
    name: str,
    pattern: str,
    source: str,
    *,
    vocab: int,
    tied: bool = False,
    head_size: int = 0,
    qkv_bias: bool = False,
) -> Family:
    return Family(
        name=name,
        pattern=pattern,
        gated=True,
        activation="silu",
        normalization="rmsnorm",
        positions="rotary",
        bias=False,
        qkv_bias=qkv_bias,
        dropout=False,
        tied=tied,
        vocab=vocab,
        head_size=head_size,
        source=source,
    )


FAMILIES: tuple[Family, ...] = (
    Family(
        name="mpt",
        pattern=r"\bmpt\b|llm-foundry",
        gated=False,
        activation="gelu",
        normalization="layernorm",
        positions="learned",
        bias=True,
        qkv_bias=True,
        dropout=False,
        tied=True,
        vocab=50368,
        source="parameter counts of the published rows: 12lh^2 + 13lh + (V + s)h + 2h, tied, with biases",
    ),
    _llama(
        "maxtext",
        r"maxtext",
        "MaxText base.yml: silu/linear gated MLP, rotary, vocabulary 32000",
        vocab=32000,
    ),
    Family(
        name="nemotron",
        pattern=r"nemotron",
        gated=False,
        activation="relu2",
        normalization="layernorm",
        positions="rotary",
        bias=False,
        qkv_bias=False,
        dropout=False,
        tied=False,
        vocab=256000,
        source="Nemotron-4 15B, arXiv:2402.16819, section 2: squared ReLU, no bias, 256,000 tokens, untied",
    ),
    _llama("llama-3", r"llama[-_ ]?3", "arXiv:2407.21783, table 3", vocab=128256),
    _llama("llama", r"llama", "arXiv:2307.09288, section 2", vocab=32000),
    _llama("qwen3", r"qwen[-_ ]?3", "Qwen3 model cards: head size 128", vocab=151936, head_size=128),
    _llama(
        "qwen", r"qwen", "Qwen2 model cards: biased query-key-value projection", vocab=151936, qkv_bias=True
    ),
    _llama("mistral", r"mistral", "arXiv:2310.06825, table 1", vocab=32000),
    _llama(
        "gemma",
        r"gemma",
        "arXiv:2403.08295, table 1: tied, head size 256",
        vocab=256000,
        tied=True,
        head_size=256,
    ),
    Family(
        name="falcon",
        pattern=r"falcon",
        gated=False,
        activation="gelu",
        normalization="layernorm",
        positions="rotary",
        bias=False,
        qkv_bias=False,
        dropout=False,
        tied=True,
        vocab=65024,
        source="arXiv:2311.16867, section 3",
    ),
    _gpt(
        "bloom",
        r"bigscience|bloom",
        "chronicles-prequel: 250k tokens padded to 250880; 96 heads at hidden 14400 in later tables",
        vocab=250880,
        heads=96,
    ),
    _gpt("vtrain", r"vtrain", "vTrain configurations: GPT-2 vocabulary of 50257", vocab=50257),
    _gpt("opt", r"\bopt\b", "arXiv:2205.01068, section 2", vocab=50272),
    _gpt("gpt", r"gpt|megatron|turing|mt-nlg", "arXiv:1909.08053 and arXiv:2104.04473, table 1", vocab=51200),
)


@cache
def family_of(source: str, model: str) -> Family:
    """The family of a row.

    Raises:
        RowSkippedError: none of the table's patterns matches.
    """
    text = f"{source} | {model}".lower()
    for family in FAMILIES:
        if re.search(family.pattern, text):
            return family
    raise RowSkippedError(
        f"model family of {model!r} is not known; how its layers are built would be a guess"
    )
