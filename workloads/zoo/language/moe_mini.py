"""A small mixture of experts that trains on a CPU.

nanoGPT's character model (workloads/zoo/language/nanogpt.py) with half of its layers and, as Mixtral does
(Jiang et al. 2024, arXiv:2401.04088, section 2.1), eight experts in place of the feed-forward network, two
for every token.
"""

from collections.abc import Callable

from workloads.network import Network
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.parts import Experts
from workloads.zoo.language.decoder.stack import build_decoder


def build_moe_mini(*, tokens: int | None = None) -> Network:
    """The mixture; ``tokens`` is the sequence length, None for 256."""
    config = DecoderConfig(
        name="moe-mini",
        source="nanoGPT's character model with the experts of Jiang et al. 2024 (arXiv:2401.04088)",
        layers=3,
        hidden=384,
        heads=6,
        kv_heads=6,
        head_size=64,
        ffn=768,
        vocab=65,
        tokens=256 if tokens is None else tokens,
        gated=True,
        activation="silu",
        normalization="rmsnorm",
        positions="rotary",
        bias=False,
        qkv_bias=False,
        tied=False,
        dropout=False,
        experts=Experts(count=8, chosen=2, ffn=768),
    )
    return build_decoder(config)


NETWORKS: dict[str, Callable[..., Network]] = {"moe-mini": build_moe_mini}
