"""Registered decoders that numbers tell apart, of `decoders.toml`: GPT, Llama and mixtures of experts."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from workloads.convergence import Convergence
from workloads.network import Network
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.stack import build_decoder
from workloads.zoo.language.model_tables import read_models

MODELS = read_models(Path(__file__).with_suffix(".toml"))


def build_registered(name: str, *, tokens: int | None = None) -> Network:
    """A registered decoder.

    Args:
        name: of the table's models.
        tokens: sequence length of one sample; None for the published one. A longer one enlarges the table of
            learned positions.
    """
    return build_decoder(decoder_config(name, tokens=tokens))


def decoder_config(name: str, *, tokens: int | None = None) -> DecoderConfig:
    """Dimensions and choices of a registered decoder."""
    said = MODELS[name]
    length = said["tokens"] if tokens is None else tokens
    derived = {
        "kv_heads": said["heads"],
        "head_size": said["hidden"] // said["heads"],
        "ffn": 4 * said["hidden"],
        "max_positions": said["tokens"],
    }
    found: dict[str, Any] = {**derived, **said, "tokens": length}
    rows = max(found["max_positions"], length) if found["positions"] == "learned" else 0
    return DecoderConfig(name=name, **found | {"max_positions": rows})


NETWORKS: dict[str, Callable[..., Network]] = {name: partial(build_registered, name) for name in MODELS}
ALIASES = {"gpt-j": "gpt-j-6b", "gpt-neox": "gpt-neox-20b", "llama3.3-70b": "llama3.1-70b"}

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
