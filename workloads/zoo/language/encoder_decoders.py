"""Registered encoders with decoders, of `encoder_decoders.toml`: T5, Switch, transformers, BART, Whisper."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from workloads.errors import NetworkError
from workloads.network import Network
from workloads.zoo.language.encoder_decoder import EncoderDecoderConfig, build_encoder_decoder
from workloads.zoo.language.model_tables import read_models

MODELS = read_models(Path(__file__).with_suffix(".toml"))
OFFSET = 2
"""Rows of learned positions before that of the first token, as BART was released."""


def build_pair(name: str, *, tokens: int | None = None) -> Network:
    """A registered encoder with its decoder.

    Args:
        name: of the table's models.
        tokens: of a source sequence, of which the target keeps its share; of Whisper, whose source is sound,
            those of the text; None for the published number.

    Raises:
        NetworkError: a text longer than the position table.
    """
    said: dict[str, Any] = {"max_positions": 0, "mel_bins": 0, **MODELS[name]}
    layers = said.pop("layers")
    lengths = _lengths(name, said, tokens)
    rows = said["max_positions"]
    if rows and not said["mel_bins"]:
        rows = max(rows, *lengths) + OFFSET
    derived = {"head_size": said["hidden"] // said["heads"], "ffn": 4 * said["hidden"]}
    more = {"encoder_layers": layers, "decoder_layers": layers, "max_positions": rows}
    sizes = dict(zip(("source_tokens", "target_tokens"), lengths, strict=True))
    return build_encoder_decoder(EncoderDecoderConfig(name=name, **derived | said | more | sizes))


def _lengths(name: str, said: dict[str, Any], tokens: int | None) -> tuple[int, int]:
    """Of source and target."""
    source, target = said["source_tokens"], said["target_tokens"]
    if tokens is None:
        return source, target
    if not said["mel_bins"]:
        return tokens, max(1, tokens * target // source)
    if tokens > target:
        raise NetworkError([f"network {name}: found a text of {tokens} tokens; expected at most {target}"])
    return source, tokens


NETWORKS: dict[str, Callable[..., Network]] = {name: partial(build_pair, name) for name in MODELS}
ALIASES = {"whisper-large-v2": "whisper-large"}
