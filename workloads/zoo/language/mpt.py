"""MPT as in MosaicML's training benchmark.

Shapes of the `scripts/train/benchmarking` tables of mosaicml/llm-foundry: learned positions as long as the
sequence, biases, tied head, LayerNorm, no dropout, vocabulary 50,368. The parameter counts of those tables
require this; the released MPT-7B checkpoint (linear-bias positions, no biases) is read from its
`config.json` instead.
"""

from collections.abc import Callable
from functools import partial

from workloads.network import Network
from workloads.zoo.language.decoder.stack import build_decoder
from workloads.zoo.language.gpt import gpt_config

SOURCE = "mosaicml/llm-foundry, scripts/train/benchmarking/README.md"


def build_mpt(name: str, layers: int, hidden: int, heads: int, *, tokens: int | None = None) -> Network:
    """An MPT of these dimensions; ``tokens`` is the sequence length, None for 2,048."""
    length = 2048 if tokens is None else tokens
    config = gpt_config(
        name,
        layers,
        hidden,
        heads,
        vocab=50368,
        tokens=length,
        max_positions=length,
        dropout=False,
        source=SOURCE,
    )
    return build_decoder(config)


_SIZES = {
    "mpt-125m": (12, 768, 12),
    "mpt-350m": (24, 1024, 16),
    "mpt-760m": (24, 1536, 12),
    "mpt-1b": (24, 2048, 16),
    "mpt-3b": (32, 2560, 20),
    "mpt-7b": (32, 4096, 32),
    "mpt-13b": (40, 5120, 40),
    "mpt-30b": (48, 7168, 56),
    "mpt-70b": (80, 8192, 64),
}

NETWORKS: dict[str, Callable[..., Network]] = {
    name: partial(build_mpt, name, *sizes) for name, sizes in _SIZES.items()
}
