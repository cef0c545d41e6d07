"""The network of a published language-model row, built from its shape columns and its family's conventions.

Equal rows share one network object, so that the simulator's memory of costs serves them all.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import log

from simdl.divisors import divisors
from validation.errors import RowSkippedError
from validation.published.rows.cells import (
    note_count,
    optional_count,
    optional_measurement,
    required_count,
)
from validation.published.rows.families import Family, family_of
from validation.published.rows.mixtures import (
    active_width,
    has_experts,
    mixture_config,
    mixture_vocabulary,
    row_mixture,
)
from validation.published.tables import PublishedRow
from workloads.errors import WorkloadError
from workloads.network import Network
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.stack import build_decoder

_STEP = 1024
_FEWEST_TOKENS, _MOST_TOKENS = 8_000, 300_000
# Vocabularies of widely used tokenizers: Llama 2, GPT-2 (padded), GPT-NeoX, MPT, cl100k, InternLM, Llama 3,
# Qwen, BLOOM, Gemma and Nemotron.
_VOCABULARIES = (32000, 50257, 50304, 50368, 51200, 100352, 103168, 128256, 151936, 250880, 256000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Dimensions of a decoder, with the cells that were blank and what they were taken to be.

    Of a mixture of experts (``mixture``, its registered name) ``ffn`` is what a token takes.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    ffn: int
    vocab: int
    tokens: int
    assumptions: tuple[str, ...]
    mixture: str = ""


def decoder_shape(row: PublishedRow, *, tp: int) -> Shape:
    """Dimensions a row prints; blanks that a family defines are filled and listed.

    Args:
        row: of a language-model table.
        tp: tensor-parallel degree, which the vocabulary is padded for.

    Raises:
        RowSkippedError: an unknown mixture of experts or family, or a blank that changes what was measured.
    """
    mixture = row_mixture(row) if has_experts(row) else ""
    if "lora" in f"{row['model']} {row['notes']}".lower():
        raise RowSkippedError("training of low-rank adapters is not modelled yet")
    family = family_of(row["source"], row["model"])
    layers, hidden = required_count(row, "n_layers"), required_count(row, "hidden")
    assumed = dict(_assumed(row, family, hidden, mixture, tp))
    heads = optional_count(row, "n_heads") or assumed["n_heads"]
    shape = Shape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=heads if mixture else optional_count(row, "n_kv_heads") or heads,
        head_size=_head_size(row, family, hidden, heads),
        ffn=active_width(mixture) if mixture else optional_count(row, "ffn") or assumed["ffn"],
        mixture=mixture,
        vocab=_padded(_vocab(row) or assumed["vocab"], family, tp),
        tokens=assumed.get("seq_len") or required_count(row, "seq_len"),
        assumptions=tuple(
            f"{column} {value} ({_reason(column, family)})" for column, value in assumed.items()
        ),
    )
    return _counted_vocabulary(row, family, shape, tp) if "vocab" in assumed else shape


def _counted_vocabulary(row: PublishedRow, family: Family, shape: Shape, tp: int) -> Shape:
    """The shape with the vocabulary that the printed parameter count implies, if it contradicts the default.

    A count that is printed with few digits bounds the vocabulary loosely: the default stays while it explains
    the count to half of its last digit and one per cent, and of the vocabularies in common use the nearest
    that does explain it is taken before any other number.
    """
    printed = optional_measurement(row, "n_params_b")
    if printed is None:
        return shape
    count, slack = printed * 1e9, _half_digit(row["n_params_b"]) * 1e9 + 0.01 * printed * 1e9
    if abs(_parameters(family, shape) - count) <= slack:
        return shape
    each = _parameters(family, replace(shape, vocab=2 * _STEP)) - _parameters(
        family, replace(shape, vocab=_STEP)
    )
    implied = shape.vocab + (count - _parameters(family, shape)) / (each / _STEP)
    if not _FEWEST_TOKENS <= implied <= _MOST_TOKENS:
        return shape  # the count says more than the vocabulary could: it is of other parts
    usual = [size for size in _VOCABULARIES if abs(size - implied) * each / _STEP <= slack]
    vocab = min(usual, key=lambda size: abs(size - implied)) if usual else -(-int(implied) // 128) * 128
    others = tuple(each for each in shape.assumptions if not each.startswith("vocab "))
    printed_count = f"{row['n_params_b']} billion parameters"
    said = f"vocab {vocab} (by {printed_count}; the {family.name} default contradicts them)"
    return replace(shape, vocab=_padded(vocab, family, tp), assumptions=(*others, said))


def _parameters(family: Family, shape: Shape) -> int:
    return _network(family, replace(shape, assumptions=())).parameters


def _half_digit(text: str) -> float:
    """Half a unit of the last digit that a number is printed with."""
    decimals = len(text.partition(".")[2])
    return 0.5 * 10.0**-decimals


def decoder_network(row: PublishedRow, shape: Shape) -> Network:
    """The network of a row's shape.

    Raises:
        RowSkippedError: the dimensions contradict each other.
    """
    return _network(family_of(row["source"], row["model"]), shape)


def plain_shape(*, layers: int, hidden: int, vocab: int, tokens: int, head_size: int) -> Shape:
    """A GPT with the classic proportions (feed-forward 4 x hidden, as many key-value as query heads)."""
    heads = hidden // head_size
    return Shape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_size=head_size,
        ffn=4 * hidden,
        vocab=vocab,
        tokens=tokens,
        assumptions=(f"n_heads {heads} (head size {head_size})",),
    )


def family_network(source: str, model: str, shape: Shape) -> Network:
    """The network of a shape in the family of a source and model name."""
    return _network(family_of(source, model), shape)


@cache
def _network(family: Family, shape: Shape) -> Network:
    try:
        return build_decoder(_config(family, shape))
    except WorkloadError as error:
        raise RowSkippedError(f"the printed shape is no network: {error}") from None


def _config(family: Family, shape: Shape) -> DecoderConfig:
    if shape.mixture:
        return mixture_config(shape.mixture, layers=shape.layers, vocab=shape.vocab, tokens=shape.tokens)
    return DecoderConfig(
        name=f"{family.name}-l{shape.layers}-h{shape.hidden}-s{shape.tokens}",
        source=family.source,
        layers=shape.layers,
        hidden=shape.hidden,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_size=shape.head_size,
        ffn=shape.ffn,
        vocab=shape.vocab,
        tokens=shape.tokens,
        gated=family.gated,
        activation=family.activation,
        normalization=family.normalization,
        positions=family.positions,
        max_positions=shape.tokens if family.positions == "learned" else 0,
        bias=family.bias,
        qkv_bias=family.qkv_bias,
        tied=family.tied,
        dropout=family.dropout,
        segments=family.segments,
        causal=family.causal,
    )


def _assumed(
    row: PublishedRow, family: Family, hidden: int, mixture: str, tp: int
) -> Iterator[tuple[str, int]]:
    if not row["n_heads"]:
        yield "n_heads", family.heads or usual_heads(hidden, tp)
    if not row["ffn"] and not mixture:
        yield "ffn", _default("ffn", 0 if family.gated else 4 * hidden)
    if not row["vocab"]:
        yield "vocab", mixture_vocabulary(mixture) if mixture else _default("vocab", family.vocab)
    if not row["seq_len"] and (tokens := note_count(row, r"sequence length not printed.*?\((\d+) in ")):
        yield "seq_len", tokens


def usual_heads(hidden: int, tp: int = 1) -> int:
    """Heads of a decoder whose table does not say them, a multiple of ``tp``.

    Of 64 features up to a hidden size of 1,024, else of as near 128 as divide it (Brown et al. 2020,
    arXiv:2005.14165, table 2.1; Touvron et al. 2023, arXiv:2302.13971, table 2).

    Raises:
        RowSkippedError: ``tp`` does not divide the hidden size.

    Example:
        >>> usual_heads(1024), usual_heads(8192), usual_heads(13824, 8)
        (16, 64, 96)
    """
    usual = 64 if hidden <= 1024 else 128
    sizes = [size for size in divisors(hidden) if hidden // size % tp == 0]
    if not sizes:
        raise RowSkippedError(
            f"n_heads is not published, and tp {tp} does not divide the hidden size {hidden}"
        )
    return hidden // min(sizes, key=lambda size: (abs(log(size / usual)), size))


def _reason(column: str, family: Family) -> str:
    if column == "seq_len":
        return "by the row's note"
    return f"{family.name} default" if column != "n_heads" or family.heads else "of usual size"


def _default(column: str, value: int) -> int:
    if not value:
        raise RowSkippedError(f"{column} is not published")
    return value


def _head_size(row: PublishedRow, family: Family, hidden: int, heads: int) -> int:
    printed = note_count(row, r"head_dim (\d+)") or family.head_size
    if not printed and hidden % heads:
        raise RowSkippedError(f"{heads} heads do not divide the hidden size {hidden}")
    return printed or hidden // heads


def _vocab(row: PublishedRow) -> int | None:
    padded = row["vocab"].partition("pad to ")[2].rstrip(")")
    return int(padded) if padded.isdecimal() else optional_count(row, "vocab")


def _padded(vocab: int, family: Family, tp: int) -> int:
    """The vocabulary as trained: at least a multiple of tp, so that ranks share it evenly."""
    multiple = family.vocab_multiple * tp
    return -(-vocab // multiple) * multiple
