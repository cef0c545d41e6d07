"""Whisper: an encoder over a spectrogram of 30 seconds, a decoder of text.

Radford et al. 2022 (arXiv:2212.04356), table 1; numbers of tokens and bins of openai/whisper
(``whisper/model.py``, where the encoder's sinusoids are no parameters). ``large-v3`` has 128 bins and one
token more. A sample is 1,500 frames of sound and the longest text.
"""

from collections.abc import Callable
from functools import partial

from workloads.errors import NetworkError
from workloads.network import Network
from workloads.zoo.language.encoder_decoder import EncoderDecoderConfig, build_encoder_decoder

SOURCE = "Radford et al. 2022 (arXiv:2212.04356), table 1"
FRAMES, TEXT = 1500, 448
_SIZES: dict[str, tuple[int, int, int]] = {
    "tiny": (4, 384, 6),
    "base": (6, 512, 8),
    "small": (12, 768, 12),
    "medium": (24, 1024, 16),
    "large": (32, 1280, 20),
}
"""Blocks of either stack, features, heads."""


def build_whisper(
    name: str, layers: int, hidden: int, heads: int, *, bins: int, vocab: int, tokens: int | None = None
) -> Network:
    """A Whisper of these dimensions.

    Args:
        name: registered name.
        layers: transformer blocks of the encoder, and of the decoder.
        hidden: features of both residual streams.
        heads: attention heads, a divisor of ``hidden``.
        bins: of a frame of the spectrogram.
        vocab: rows of the token table.
        tokens: of the text; None for the longest.

    Raises:
        NetworkError: a text longer than the position table.
    """
    text = TEXT if tokens is None else tokens
    if text > TEXT:
        raise NetworkError([f"network {name}: found a text of {text} tokens; expected at most {TEXT}"])
    return build_encoder_decoder(
        EncoderDecoderConfig(
            name=name,
            source=SOURCE,
            encoder_layers=layers,
            decoder_layers=layers,
            hidden=hidden,
            heads=heads,
            head_size=hidden // heads,
            ffn=4 * hidden,
            vocab=vocab,
            source_tokens=FRAMES,
            target_tokens=text,
            gated=False,
            activation="gelu",
            normalization="layernorm",
            post_norm=False,
            final_norm=True,
            positions="learned",
            max_positions=FRAMES,
            target_positions=TEXT,
            mel_bins=bins,
            bias=True,
            key_bias=False,
            tied=True,
            dropout=False,
        )
    )


NETWORKS: dict[str, Callable[..., Network]] = {
    **{
        f"whisper-{size}": partial(build_whisper, f"whisper-{size}", *shape, bins=80, vocab=51865)
        for size, shape in _SIZES.items()
    },
    "whisper-large-v3": partial(build_whisper, "whisper-large-v3", *_SIZES["large"], bins=128, vocab=51866),
}
ALIASES = {"whisper-large-v2": "whisper-large"}
