"""Mamba-2 and Nemotron-H: stacks of state-space layers, alone or with attention and feed-forward layers.

Dao and Gu 2024 (arXiv:2405.21060), table 9 (Mamba-2, as released: vocabulary padded to 50,288, tied).
NVIDIA 2025, Nemotron-H (arXiv:2504.03624), section 2: layers of one branch each, in the order of the released
configuration (M state space, - feed-forward with squared ReLU, * attention without positions).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.layers.projection import Projection, column_projection, row_projection
from workloads.layers.residual import residual_addition
from workloads.layers.tokens.attention import (
    ScoreChoices,
    attention_core,
    merge_heads,
    projection_split,
    split_heads,
)
from workloads.layers.tokens.embedding import token_embedding
from workloads.layers.tokens.feedforward import plain_activation
from workloads.layers.tokens.state_space import CHUNK, StateSpace, state_space_branch
from workloads.layers.tokens.token_loss import token_loss
from workloads.layers.tokens.token_norm import token_norm
from workloads.network import Block, Network
from workloads.operators import AttentionShape
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.experts import mixture_network
from workloads.zoo.language.decoder.parts import Experts

KINDS = {"M": "mamba", "-": "feedforward", "*": "attention", "E": "experts"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridConfig:
    """A stack of layers of one branch each.

    Attributes:
        name: registered name.
        source: paper.
        pattern: a key of ``KINDS`` per layer.
        hidden: features of the residual stream.
        mamba_heads, mamba_head_size, groups, state, taps, chunk: of state-space layers, as in
            :class:`workloads.layers.tokens.state_space.StateSpace`.
        heads, kv_heads, head_size: of attention layers.
        ffn: of feed-forward layers.
        bias: feed-forward layers add biases.
        mixer_bias, conv_bias: projections and convolutions of state-space layers do.
        experts: of layers that have them; None for none.
        vocab: rows of the token table.
        tied: the head multiplies by the token table.
        tokens: of a sample.
    """

    name: str
    source: str
    pattern: str
    hidden: int
    mamba_heads: int
    mamba_head_size: int = 64
    groups: int = 1
    state: int = 128
    taps: int = 4
    chunk: int = CHUNK
    heads: int = 0
    kv_heads: int = 0
    head_size: int = 128
    ffn: int = 0
    bias: bool = False
    mixer_bias: bool = False
    conv_bias: bool = True
    experts: Experts | None = None
    vocab: int
    tied: bool
    tokens: int


def build_hybrid(config: HybridConfig) -> Network:
    """The network: an embedding, every kind of layer once with its places, a head.

    Raises:
        NetworkError: the pattern is empty, holds other letters, or experts that nothing describes.
    """
    unknown = sorted(set(config.pattern) - set(KINDS))
    if unknown or not config.pattern:
        raise NetworkError(
            [f"network {config.name}: pattern: found {config.pattern!r}; expected some of {' '.join(KINDS)}"]
        )
    kinds = list(dict.fromkeys(config.pattern))
    table = token_embedding("tokens", tokens=config.tokens, hidden=config.hidden, vocab=config.vocab)
    blocks = (
        Block(name="embedding", layers=(table,), recomputable=False),
        *(
            Block(name=KINDS[kind], layers=_layer(config, kind), count=config.pattern.count(kind))
            for kind in kinds
        ),
        Block(name="head", layers=_head(config), recomputable=False),
    )
    order = (0, *(1 + kinds.index(kind) for kind in config.pattern), len(kinds) + 1)
    divisors = (config.mamba_heads, config.groups) if "M" in kinds else ()
    return Network(
        name=config.name,
        blocks=blocks,
        source=config.source,
        sample="sequence",
        tokens=config.tokens,
        tensor_divisors=(
            *divisors,
            *((config.heads,) if "*" in kinds else ()),
            *((config.ffn,) if "-" in kinds else ()),
            *((config.experts.shared,) if config.experts and "E" in kinds and config.experts.shared else ()),
        ),
        expert_divisors=(config.experts.ffn,) if config.experts and "E" in kinds else (),
        kv_heads=config.kv_heads if "*" in kinds else 0,
        order=order if len(kinds) > 1 else (),
    )


def _layer(config: HybridConfig, kind: str) -> tuple[Layer, ...]:
    """Normalisation, one branch, addition to the residual stream."""
    tokens, hidden = config.tokens, config.hidden
    norm = token_norm("norm", "input", kind="rmsnorm", tokens=tokens, features=hidden, forked=True)
    if kind == "M":
        size = StateSpace(
            heads=config.mamba_heads,
            head_size=config.mamba_head_size,
            groups=config.groups,
            state=config.state,
            taps=config.taps,
            chunk=config.chunk,
            bias=config.mixer_bias,
            conv_bias=config.conv_bias,
        )
        branch = state_space_branch("norm", size, tokens=tokens, hidden=hidden)
    else:
        branch = BRANCHES[kind](config)
    bias = {"M": config.mixer_bias, "-": config.bias}.get(kind, False)
    end = residual_addition(
        "residual", branch[-1].name, "input", tokens=tokens, hidden=hidden, bias=bias, drop=False
    )
    return (norm, *branch, end)


def _attention(config: HybridConfig) -> tuple[Layer, ...]:
    core = AttentionShape(
        query_tokens=config.tokens,
        key_tokens=config.tokens,
        heads=config.heads,
        kv_heads=config.kv_heads,
        head_size=config.head_size,
        causal=True,
    )
    width = (config.heads + 2 * config.kv_heads) * config.head_size
    into = Projection(tokens=config.tokens, inputs=config.hidden, outputs=width)
    out = Projection(tokens=config.tokens, inputs=config.heads * config.head_size, outputs=config.hidden)
    return (
        column_projection("qkv", "norm", into, split=projection_split(core)),
        split_heads("split", "qkv", core),
        attention_core("attention", "split", core, ScoreChoices()),
        merge_heads("merge", "attention", core),
        row_projection("projection", "merge", out),
    )


def _feedforward(config: HybridConfig) -> tuple[Layer, ...]:
    tokens = config.tokens
    into = Projection(tokens=tokens, inputs=config.hidden, outputs=config.ffn)
    out = Projection(tokens=tokens, inputs=config.ffn, outputs=config.hidden)
    return (
        column_projection("up", "norm", into),
        plain_activation(
            "activation", "up", tokens=tokens, width=config.ffn, function="relu2", bias=config.bias
        ),
        row_projection("down", "activation", out),
    )


def _experts(config: HybridConfig) -> tuple[Layer, ...]:
    """Experts with squared ReLU and no gate, and a network beside them that all tokens take."""
    if config.experts is None:
        raise NetworkError([f"network {config.name}: pattern: found E; expected none, or experts"])
    return mixture_network(_as_decoder(config), config.experts, "norm", "input")


def _as_decoder(config: HybridConfig) -> DecoderConfig:
    """What experts read of a stack."""
    return DecoderConfig(
        name=config.name,
        source=config.source,
        layers=len(config.pattern),
        hidden=config.hidden,
        heads=1,
        kv_heads=1,
        head_size=config.head_size,
        ffn=config.ffn or 1,
        vocab=config.vocab,
        tokens=config.tokens,
        gated=False,
        activation="relu2",
        normalization="rmsnorm",
        positions="none",
        bias=False,
        qkv_bias=False,
        tied=config.tied,
        dropout=False,
        experts=config.experts,
    )


BRANCHES = {"*": _attention, "-": _feedforward, "E": _experts}


def _head(config: HybridConfig) -> tuple[Layer, ...]:
    size = Projection(tokens=config.tokens, inputs=config.hidden, outputs=config.vocab)
    tied = "embedding/tokens" if config.tied else ""
    return (
        token_norm("norm", "input", kind="rmsnorm", tokens=config.tokens, features=config.hidden),
        column_projection("logits", "norm", size, tied=tied),
        token_loss("loss", "logits", tokens=config.tokens, vocab=config.vocab),
    )


def build_mamba(name: str, layers: int, hidden: int, *, tokens: int | None = None) -> Network:
    """A Mamba-2 of these dimensions."""
    config = HybridConfig(
        name=name,
        source="Dao and Gu 2024 (arXiv:2405.21060), table 9",
        pattern="M" * layers,
        hidden=hidden,
        mamba_heads=2 * hidden // 64,
        vocab=50288,
        tied=True,
        tokens=2048 if tokens is None else tokens,
    )
    return build_hybrid(config)


def build_nemotron_h(
    name: str,
    pattern: str,
    hidden: int,
    ffn: int,
    heads: int,
    *,
    mamba_heads: int,
    state: int,
    tokens: int | None = None,
) -> Network:
    """A Nemotron-H of these dimensions, with eight groups and eight key-value heads."""
    config = HybridConfig(
        name=name,
        source="NVIDIA 2025, Nemotron-H (arXiv:2504.03624), table 1",
        pattern=pattern,
        hidden=hidden,
        mamba_heads=mamba_heads,
        groups=8,
        state=state,
        heads=heads,
        kv_heads=8,
        ffn=ffn,
        vocab=131_072,
        tied=False,
        tokens=8192 if tokens is None else tokens,
    )
    return build_hybrid(config)


_EIGHT = "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-"
# 54 state-space, 54 feed-forward and 10 attention layers, evenly dispersed (section 2.1)
_FIFTY_SIX = "M-M-M-M*-" + "M-M-M-M-M*-" * 9 + "M-M-M-M-M-"
NETWORKS: dict[str, Callable[..., Network]] = {
    "mamba2-130m": partial(build_mamba, "mamba2-130m", 24, 768),
    "mamba2-370m": partial(build_mamba, "mamba2-370m", 48, 1024),
    "mamba2-780m": partial(build_mamba, "mamba2-780m", 48, 1536),
    "mamba2-1.3b": partial(build_mamba, "mamba2-1.3b", 48, 2048),
    "mamba2-2.7b": partial(build_mamba, "mamba2-2.7b", 64, 2560),
    "nemotron-h-8b": partial(
        build_nemotron_h, "nemotron-h-8b", _EIGHT, 4096, 21504, 32, mamba_heads=128, state=128
    ),
    "nemotron-h-56b": partial(
        build_nemotron_h, "nemotron-h-56b", _FIFTY_SIX, 8192, 32768, 64, mamba_heads=256, state=256
    ),
}
