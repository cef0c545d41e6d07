"""Registered decoders that numbers tell apart, of `decoders.toml`: GPT, Llama and mixtures of experts."""

import tomllib
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from workloads.convergence import Convergence
from workloads.layers.tokens.rotation import Rotation
from workloads.network import Network
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.parts import Experts, LatentAttention
from workloads.zoo.language.decoder.stack import build_decoder

FILE = Path(__file__).with_suffix(".toml")
PARTS: Mapping[str, type] = {"experts": Experts, "latent": LatentAttention, "rotation": Rotation}


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
    said = _models()[name]
    length = said["tokens"] if tokens is None else tokens
    derived = {
        "kv_heads": said["heads"],
        "head_size": said["hidden"] // said["heads"],
        "ffn": 4 * said["hidden"],
        "max_positions": said["tokens"],
    }
    found = derived | {key: _value(key, value) for key, value in said.items()} | {"tokens": length}
    rows = max(found["max_positions"], length) if found["positions"] == "learned" else 0
    return DecoderConfig(name=name, **found | {"max_positions": rows})


@cache
def _models() -> Mapping[str, Mapping[str, Any]]:
    """What is said of each model, by name."""
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {
        name: _merged(_shared(tables, family), own)
        for family, table in tables.items()
        for name, own in table.get("models", {}).items()
    }


def _shared(tables: Mapping[str, Any], family: str) -> dict[str, Any]:
    table = {key: value for key, value in tables[family].items() if key not in {"like", "models"}}
    like = tables[family].get("like")
    return _merged(_shared(tables, like), table) if like else table


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    parts = {key: {**base.get(key, {}), **changes[key]} for key in PARTS.keys() & changes.keys()}
    return {**base, **changes, **parts}


def _value(key: str, value: Any) -> Any:  # noqa: ANN401 - of any field
    if key in PARTS:
        return PARTS[key](**{name: _value(name, part) for name, part in value.items()})
    if isinstance(value, dict):
        return tuple(value.items())
    return tuple(value) if isinstance(value, list) else value


NETWORKS: dict[str, Callable[..., Network]] = {name: partial(build_registered, name) for name in _models()}

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
