"""GPT-2 and the GPT-3 family.

GPT-2: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", table 2, with the heads
of the released configurations. GPT-3: Brown et al. 2020 (arXiv:2005.14165), table 2.1. Two rows of that
table contradict the parameter counts of table D.1 and are entered as the counts require: 1.3B has 16 heads
(printed 24; heads x head size must be the hidden size), 13B has hidden size 5120 (printed 5140, not a
multiple of its 128 features per head).

The vocabulary is the tokenizer's 50,257; Megatron pads it to 51,200, as the models of
`workloads.zoo.language.megatron` do. A sequence longer than the published one enlarges the learned position
table to fit.
"""

from collections.abc import Callable
from functools import partial

from workloads.convergence import Convergence
from workloads.network import Network
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.stack import build_decoder

GPT2 = "Radford et al. 2019, table 2"
GPT3 = "Brown et al. 2020 (arXiv:2005.14165), table 2.1"


def build_gpt(
    name: str,
    layers: int,
    hidden: int,
    heads: int,
    *,
    vocab: int = 50257,
    positions: int,
    source: str,
    tokens: int | None = None,
) -> Network:
    """A GPT: pre-normalised, learned positions, biases, dropout, GELU of 4 x hidden, tied head.

    Args:
        name: registered name.
        layers: transformer blocks.
        hidden: features of the residual stream.
        heads: attention heads, a divisor of ``hidden``.
        vocab: rows of the token table.
        positions: published sequence length.
        source: paper and table.
        tokens: sequence length of one sample; None for the published one.
    """
    length = positions if tokens is None else tokens
    return build_decoder(
        gpt_config(
            name,
            layers,
            hidden,
            heads,
            vocab=vocab,
            tokens=length,
            max_positions=max(positions, length),
            dropout=True,
            source=source,
        )
    )


def gpt_config(
    name: str,
    layers: int,
    hidden: int,
    heads: int,
    *,
    vocab: int,
    tokens: int,
    max_positions: int,
    dropout: bool,
    source: str,
) -> DecoderConfig:
    """What GPT, MPT and BERT choose alike; the arguments are fields of the result."""
    return DecoderConfig(
        name=name,
        source=source,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_size=hidden // heads,
        ffn=4 * hidden,
        vocab=vocab,
        tokens=tokens,
        gated=False,
        activation="gelu",
        normalization="layernorm",
        positions="learned",
        max_positions=max_positions,
        bias=True,
        qkv_bias=True,
        tied=True,
        dropout=dropout,
    )


_GPT2_SIZES = {
    "gpt2": (12, 768, 12),
    "gpt2-medium": (24, 1024, 16),
    "gpt2-large": (36, 1280, 20),
    "gpt2-xl": (48, 1600, 25),
}
_GPT3_SIZES = {
    "gpt3-125m": (12, 768, 12),
    "gpt3-350m": (24, 1024, 16),
    "gpt3-760m": (24, 1536, 16),
    "gpt3-1.3b": (24, 2048, 16),
    "gpt3-2.7b": (32, 2560, 32),
    "gpt3-6.7b": (32, 4096, 32),
    "gpt3-13b": (40, 5120, 40),
    "gpt3-175b": (96, 12288, 96),
}

NETWORKS: dict[str, Callable[..., Network]] = {
    name: partial(build_gpt, name, *sizes, positions=positions, source=source)
    for table, positions, source in ((_GPT2_SIZES, 1024, GPT2), (_GPT3_SIZES, 2048, GPT3))
    for name, sizes in table.items()
}

CONVERGENCE: dict[str, Convergence] = {
    "gpt3-175b": Convergence(
        points=(
            (1_536, 585_728),
            (2_048, 577_536),
            (3_072, 593_920),
            (4_096, 618_496),
            (6_144, 688_128),
            (8_192, 794_624),
        ),
        target="a log perplexity of 2.69 from the benchmark's checkpoint",
        source="MLPerf reference runs, mlcommons/logging ebaf3054, rcp_checker/training_4.1.0/rcps_gpt3.json",
        whole=(1536, 146_484_375),
    )
}
"""The whole training is 300 G tokens (Brown et al. 2020) at 1,536 sequences of 2,048."""
