"""Llama 2, 3 and 3.1.

Touvron et al. 2023 (arXiv:2307.09288) and Grattafiori et al. 2024 (arXiv:2407.21783), table 3: RMSNorm,
rotary positions, SwiGLU, no biases, no dropout, own head. The default sequence is that of pre-training:
4,096 tokens for Llama 2, 8,192 for Llama 3 and for all but the last, long-context phase of 3.1.
"""

from collections.abc import Callable
from functools import partial

from workloads.layers.tokens.rotation import Rotation
from workloads.network import Network
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.stack import build_decoder

LLAMA2 = "Touvron et al. 2023 (arXiv:2307.09288)"
LLAMA3 = "Grattafiori et al. 2024 (arXiv:2407.21783), table 3"


def build_llama(
    name: str,
    *,
    layers: int,
    hidden: int,
    heads: int,
    kv_heads: int,
    ffn: int,
    vocab: int,
    length: int,
    source: str,
    base: float,
    tokens: int | None = None,
) -> Network:
    """A Llama of these dimensions.

    Args:
        name: registered name.
        layers: transformer blocks.
        hidden: features of the residual stream.
        heads: query heads, a divisor of ``hidden``.
        kv_heads: key-value heads.
        ffn: features of each half of the gated feed-forward network.
        vocab: rows of the token table.
        length: pre-training sequence length.
        source: paper and table.
        base: of rotary positions.
        tokens: sequence length of one sample; None for ``length``.
    """
    config = DecoderConfig(
        name=name,
        source=source,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_size=hidden // heads,
        ffn=ffn,
        vocab=vocab,
        tokens=length if tokens is None else tokens,
        gated=True,
        activation="silu",
        normalization="rmsnorm",
        positions="rotary",
        rotation=Rotation(base=base),
        bias=False,
        qkv_bias=False,
        tied=False,
        dropout=False,
    )
    return build_decoder(config)


_LLAMA2_SIZES = {
    "llama2-7b": (32, 4096, 32, 32, 11008),
    "llama2-13b": (40, 5120, 40, 40, 13824),
    "llama2-70b": (80, 8192, 64, 8, 28672),
}
_LLAMA3_SIZES = {
    "llama3-8b": (32, 4096, 32, 8, 14336),
    "llama3-70b": (80, 8192, 64, 8, 28672),
    "llama3.1-8b": (32, 4096, 32, 8, 14336),
    "llama3.1-70b": (80, 8192, 64, 8, 28672),
    "llama3.1-405b": (126, 16384, 128, 8, 53248),
}

_AXES = ("layers", "hidden", "heads", "kv_heads", "ffn")

NETWORKS: dict[str, Callable[..., Network]] = {
    name: partial(
        build_llama,
        name,
        **dict(zip(_AXES, sizes, strict=True)),
        vocab=vocab,
        length=length,
        source=source,
        base=base,
    )
    for table, vocab, length, source, base in (
        (_LLAMA2_SIZES, 32000, 4096, LLAMA2, 10_000),  # the paper's code, llama/model.py
        (_LLAMA3_SIZES, 128256, 8192, LLAMA3, 500_000),
    )
    for name, sizes in table.items()
}
