"""nanoGPT's small character model, a GPT that trains on a CPU.

karpathy/nanoGPT, config/train_shakespeare_char.py: 6 layers of 384 features, 6 heads, 256 tokens, 65
characters, no biases (train.py). Without dropout, as the README says for CPUs. The program prints 10.65 M
parameters, the position table not counted (model.py, get_num_params).
"""

from collections.abc import Callable

from workloads.network import Network
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.stack import build_decoder


def build_gpt_mini(*, tokens: int | None = None) -> Network:
    """The character model; ``tokens`` is the sequence length, None for 256."""
    length = 256 if tokens is None else tokens
    config = DecoderConfig(
        name="gpt-mini",
        source="karpathy/nanoGPT, config/train_shakespeare_char.py",
        layers=6,
        hidden=384,
        heads=6,
        kv_heads=6,
        head_size=64,
        ffn=1536,
        vocab=65,
        tokens=length,
        gated=False,
        activation="gelu",
        normalization="layernorm",
        norm_shift=False,
        positions="learned",
        max_positions=max(256, length),
        bias=False,
        qkv_bias=False,
        tied=True,
        dropout=False,
    )
    return build_decoder(config)


NETWORKS: dict[str, Callable[..., Network]] = {"gpt-mini": build_gpt_mini}
