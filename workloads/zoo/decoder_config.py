"""Dimensions and choices of a transformer stack, checked."""

from collections.abc import Iterator
from dataclasses import dataclass

from workloads.errors import NetworkError
from workloads.layers.feedforward import ACTIVATIONS
from workloads.layers.token_norm import NORMALIZATIONS

LAYERS = 10_000  # of a stack, at most
POSITIONS = ("learned", "rotary", "alibi", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """Dimensions and choices of a transformer stack.

    Attributes:
        name: registered name.
        source: paper, model card or file.
        layers: transformer blocks.
        hidden: features of the residual stream.
        heads, kv_heads, head_size: query heads, key-value heads and features of each.
        ffn: features inside the feed-forward network (of each half when gated).
        vocab: rows of the token table.
        tokens: sequence length of one sample.
        gated: feed-forward network f(G) * U instead of f(X).
        activation: its f, a key of ``ACTIVATIONS``.
        normalization: a key of ``NORMALIZATIONS``.
        norm_shift: LayerNorm has a shift (MPT's has none).
        post_norm: normalises after the residual addition (2017) instead of before the branch.
        parallel_residual: both branches read the block's input (GPT-NeoX).
        qk_norm: normalises each head's query and key (Qwen3).
        embedding_norm: normalises the embedded sequence (BLOOM, BERT).
        positions: one of ``POSITIONS``.
        max_positions: rows of the learned position table.
        segments: rows of a segment table (BERT), 0 for none.
        bias: output, feed-forward and (with ``qkv_bias``) query-key-value projections add biases.
        qkv_bias: query-key-value projection adds a bias.
        tied: the head multiplies by the token table.
        dropout: on embeddings, attention probabilities and both branches.
        causal: tokens attend to earlier tokens only.
    """

    name: str
    source: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    ffn: int
    vocab: int
    tokens: int
    gated: bool
    activation: str
    normalization: str
    norm_shift: bool = True
    post_norm: bool = False
    parallel_residual: bool = False
    qk_norm: bool = False
    embedding_norm: bool = False
    positions: str
    max_positions: int = 0
    segments: int = 0
    bias: bool
    qkv_bias: bool
    tied: bool
    dropout: bool
    causal: bool = True

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise NetworkError(faults)


def _faults(config: DecoderConfig) -> Iterator[str]:
    place = f"network {config.name}"
    for name in ("layers", "hidden", "heads", "kv_heads", "head_size", "ffn", "vocab", "tokens"):
        value = getattr(config, name)
        if value < 1:
            yield f"{place}: {name}: found {value}; expected at least 1"
    if config.layers > LAYERS:
        yield f"{place}: layers: found {config.layers:,}; expected at most {LAYERS:,}"
    if config.kv_heads > 0 and config.heads % config.kv_heads:
        yield f"{place}: kv_heads: found {config.kv_heads}; expected a divisor of the {config.heads} heads"
    for name, known in (
        ("activation", ACTIVATIONS),
        ("normalization", NORMALIZATIONS),
        ("positions", POSITIONS),
    ):
        value = getattr(config, name)
        if value not in known:
            yield f"{place}: {name}: found {value!r}; expected one of {', '.join(known)}"
    if config.positions == "learned" and config.max_positions < config.tokens:
        yield (
            f"{place}: max_positions: found {config.max_positions}; expected at least the {config.tokens} "
            "tokens of a sample, because positions are learned"
        )
    if config.post_norm and config.parallel_residual:
        yield f"{place}: post_norm and parallel_residual exclude each other"
