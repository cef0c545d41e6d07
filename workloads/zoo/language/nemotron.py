"""Nemotron-4 15B.

Parmar et al. 2024 (arXiv:2402.16819), table 1 and section 2: grouped-query attention, rotary positions,
LayerNorm, squared ReLU, no biases, no dropout, own head, vocabulary 256,000, sequences of 4,096 tokens.
"""

from collections.abc import Callable

from workloads.network import Network
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.stack import build_decoder


def build_nemotron4_15b(*, tokens: int | None = None) -> Network:
    """Nemotron-4 15B; ``tokens`` is the sequence length, None for 4,096."""
    config = DecoderConfig(
        name="nemotron4-15b",
        source="Parmar et al. 2024 (arXiv:2402.16819), table 1",
        layers=32,
        hidden=6144,
        heads=48,
        kv_heads=8,
        head_size=128,
        ffn=24576,
        vocab=256000,
        tokens=4096 if tokens is None else tokens,
        gated=False,
        activation="relu2",
        normalization="layernorm",
        positions="rotary",
        bias=False,
        qkv_bias=False,
        tied=False,
        dropout=False,
    )
    return build_decoder(config)


NETWORKS: dict[str, Callable[..., Network]] = {"nemotron4-15b": build_nemotron4_15b}
