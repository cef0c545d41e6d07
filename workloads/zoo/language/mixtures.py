"""Published mixtures of experts: their configuration files, as DecoderConfig writes them.

Sizes are those of the models' configuration files on the Hugging Face Hub and of the papers named; samples
are as long as in pre-training where the paper says it, else 4,096 tokens, as MoE benchmarks train.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from workloads.layers.tokens.rotation import Rotation
from workloads.network import Network
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.parts import Experts, LatentAttention
from workloads.zoo.language.decoder.stack import build_decoder

COMMON: Mapping[str, Any] = {
    "gated": True,
    "activation": "silu",
    "normalization": "rmsnorm",
    "positions": "rotary",
    "bias": False,
    "qkv_bias": False,
    "tied": False,
    "dropout": False,
}


def build_mixture(name: str, *, tokens: int | None = None) -> Network:
    """A registered mixture of experts.

    Args:
        name: key of ``CONFIGURATIONS``.
        tokens: of one sample; None for the published length.
    """
    chosen: dict[str, Any] = {**COMMON, "name": name, **CONFIGURATIONS[name]}
    if tokens is not None:
        chosen["tokens"] = tokens
    return build_decoder(DecoderConfig(**chosen))


AXES = ("layers", "hidden", "heads", "kv_heads", "head_size", "ffn", "vocab", "tokens")


def _sizes(*values: int) -> dict[str, Any]:
    return dict(zip(AXES, values, strict=True))


def _mixtral(*sizes: int) -> dict[str, Any]:
    return _sizes(*sizes) | {
        "source": MIXTRAL,
        "rotation": Rotation(base=1_000_000),
        "experts": Experts(count=8, chosen=2, ffn=sizes[5]),
    }


def _qwen3(*sizes: int, expert: int) -> dict[str, Any]:
    experts = Experts(count=128, chosen=8, ffn=expert)
    return _sizes(*sizes) | {
        "source": QWEN3,
        "rotation": Rotation(base=1_000_000),
        "qk_norm": "head",
        "experts": experts,
    }


def _gpt_oss(layers: int, experts: int) -> dict[str, Any]:
    return _sizes(layers, 2880, 64, 8, 64, 2880, 201088, 4096) | {
        "source": GPT_OSS,
        "rotation": Rotation(base=150_000, scaling="yarn", numbers=GPT_OSS_YARN),
        "windows": (128, 0),
        "sinks": True,
        "qkv_bias": True,
        "output_bias": True,
        "experts": Experts(count=experts, chosen=4, ffn=2880, bias=True, clamp=7.0, offset=1.0),
    }


def _llama4(experts: int, sparse: tuple[bool, ...]) -> dict[str, Any]:
    return _sizes(48, 5120, 40, 8, 128, 16384, 202048, 8192) | {
        "source": LLAMA4,
        "rotation": Rotation(base=500_000),
        "windows": (8192, 8192, 8192, 0),
        "chunked": True,
        "rotated": (True, True, True, False),
        "experts": Experts(count=experts, chosen=1, ffn=8192, shared=8192, sparse=sparse),
    }


def _latent(query_rank: int) -> LatentAttention:
    return LatentAttention(query_rank=query_rank, rank=512, plain_size=128, rotary_size=64, value_size=128)


MIXTRAL = "Jiang et al. 2024 (arXiv:2401.04088), table 1, and the models' files; trained on 4,096 tokens here"
QWEN3 = "Yang et al. 2025 (arXiv:2505.09388), table 2 and section 3.2, and the models' files"
QWEN15 = "Qwen team 2024, Qwen1.5-MoE, model card and file"
DEEPSEEK2 = "DeepSeek-AI 2024 (arXiv:2405.04434), section 3.1.2 and appendix B"
DEEPSEEK3 = "DeepSeek-AI 2024 (arXiv:2412.19437), section 4.2"
GPT_OSS = "OpenAI 2025 (arXiv:2508.10925), section 2, and the models' files; trained on 4,096 tokens here"
GROK = "xAI 2024, grok-1 model card and run.py"
LLAMA4 = "Meta 2025, Llama 4 model cards and the text part of the models' files; trained on 8,192 tokens here"
GPT_OSS_YARN = (
    ("factor", 32.0),
    ("original_max_position_embeddings", 4096.0),
    ("beta_fast", 32.0),
    ("beta_slow", 1.0),
    ("truncate", 0.0),
)
KIMI = "Kimi team 2025 (arXiv:2507.20534), table 2 and section 2.3"

_V3_EXPERTS = Experts(
    count=256,
    chosen=8,
    ffn=2048,
    shared=2048,
    groups=8,
    chosen_groups=4,
    correction=True,
    dense_layers=3,
)
_V3 = _sizes(61, 7168, 128, 128, 192, 18432, 129280, 4096) | {
    "source": DEEPSEEK3,
    "rotation": Rotation(base=10_000),
    "latent": _latent(1536),
    "experts": _V3_EXPERTS,
}

CONFIGURATIONS: Mapping[str, Mapping[str, Any]] = {
    "mixtral-8x7b": _mixtral(32, 4096, 32, 8, 128, 14336, 32000, 4096),
    "mixtral-8x22b": _mixtral(56, 6144, 48, 8, 128, 16384, 32000, 4096),
    "qwen3-30b-a3b": _qwen3(48, 2048, 32, 4, 128, 6144, 151936, 4096, expert=768),
    "qwen3-235b-a22b": _qwen3(94, 4096, 64, 4, 128, 12288, 151936, 4096, expert=1536),
    "qwen1.5-moe-a2.7b": _sizes(24, 2048, 16, 16, 128, 5632, 151936, 8192)
    | {
        "source": QWEN15,
        "rotation": Rotation(base=1_000_000),
        "qkv_bias": True,
        "experts": Experts(count=60, chosen=4, ffn=1408, shared=5632, shared_gate=True),
    },
    "deepseek-v2-lite": _sizes(27, 2048, 16, 16, 192, 10944, 102400, 4096)
    | {
        "source": DEEPSEEK2,
        "rotation": Rotation(base=10_000),
        "latent": _latent(0),
        "experts": Experts(count=64, chosen=6, ffn=1408, shared=2816, dense_layers=1),
    },
    "deepseek-v2": _sizes(60, 5120, 128, 128, 192, 12288, 102400, 4096)
    | {
        "source": DEEPSEEK2,
        "rotation": Rotation(base=10_000),
        "latent": _latent(1536),
        "experts": Experts(
            count=160, chosen=6, ffn=1536, shared=3072, groups=8, chosen_groups=3, dense_layers=1
        ),
    },
    "deepseek-v3": _V3,
    "deepseek-v3-mtp": _V3 | {"predicted": 1},
    "kimi-k2": _sizes(61, 7168, 64, 64, 192, 18432, 163840, 4096)
    | {
        "source": KIMI,
        "rotation": Rotation(base=50_000),
        "latent": _latent(1536),
        "experts": replace(_V3_EXPERTS, count=384, groups=1, chosen_groups=1, dense_layers=1),
    },
    "gpt-oss-20b": _gpt_oss(24, 32),
    "gpt-oss-120b": _gpt_oss(36, 128),
    "grok-1": _sizes(64, 6144, 48, 8, 128, 32768, 131072, 8192)
    | {
        "source": GROK,
        "rotation": Rotation(base=10_000),
        "activation": "gelu",
        "branch_norm": True,
        "score_cap": 30.0,
        "tied": True,
        "experts": Experts(count=8, chosen=2, ffn=32768),
    },
    "llama4-scout": _llama4(16, (True,)),
    "llama4-maverick": _llama4(128, (False, True)),
}
"""Fields of DecoderConfig beside those of ``COMMON``, by registered name."""

NETWORKS: dict[str, Callable[..., Network]] = {name: partial(build_mixture, name) for name in CONFIGURATIONS}
