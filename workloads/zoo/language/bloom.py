"""BLOOM 176B.

BigScience Workshop 2022 (arXiv:2211.05100), table 3: linear position biases, normalised embedding, biases,
GELU, tied head, no dropout, vocabulary 250,880 (padded), sequences of 2,048 tokens.
"""

from collections.abc import Callable

from workloads.network import Network
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.stack import build_decoder


def build_bloom_176b(*, tokens: int | None = None) -> Network:
    """BLOOM 176B; ``tokens`` is the sequence length, None for 2,048."""
    config = DecoderConfig(
        name="bloom-176b",
        source="BigScience Workshop 2022 (arXiv:2211.05100), table 3",
        layers=70,
        hidden=14336,
        heads=112,
        kv_heads=112,
        head_size=128,
        ffn=57344,
        vocab=250880,
        tokens=2048 if tokens is None else tokens,
        gated=False,
        activation="gelu",
        normalization="layernorm",
        embedding_norm=True,
        positions="alibi",
        bias=True,
        qkv_bias=True,
        tied=True,
        dropout=False,
    )
    return build_decoder(config)


NETWORKS: dict[str, Callable[..., Network]] = {"bloom-176b": build_bloom_176b}
