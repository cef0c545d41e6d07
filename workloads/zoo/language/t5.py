"""T5, the transformer of 2017 and BART.

T5 (Raffel et al. 2019, arXiv:1910.10683) is pre-trained on 512 source tokens and, as Megatron-LM pads the
corrupted spans, 128 target tokens. The transformer (Vaswani et al. 2017, arXiv:1706.03762) translates
sentences of about 30 tokens, 25,000 of each language in a batch.
"""

from collections.abc import Callable
from functools import partial

from workloads.network import Network
from workloads.zoo.language.encoder_decoder import EncoderDecoderConfig, build_encoder_decoder

T5 = "Raffel et al. 2019 (arXiv:1910.10683), table 1 and section 3.2"
T5_11 = "Raffel et al. 2019 (arXiv:1910.10683); t5.1.1 in google-research/text-to-text-transfer-transformer"
VASWANI = "Vaswani et al. 2017 (arXiv:1706.03762), table 3"
BART = "Lewis et al. 2019 (arXiv:1910.13461), section 2"


def _lengths(tokens: int | None, source: int, target: int) -> tuple[int, int]:
    """Of both sequences; ``tokens`` names the source's, and the target keeps its share of it."""
    return (source, target) if tokens is None else (tokens, max(1, tokens * target // source))


def build_t5(
    name: str,
    layers: int,
    hidden: int,
    heads: int,
    ffn: int,
    *,
    head_size: int = 64,
    version: str = "1.0",
    tokens: int | None = None,
) -> Network:
    """A T5 of these dimensions; version 1.1 has gated networks, an output table of its own and no dropout.

    Args:
        name: registered name.
        layers: of each stack.
        hidden: features of the residual stream.
        heads: attention heads.
        ffn: features inside the feed-forward networks.
        head_size: features of a head.
        version: ``"1.0"`` or ``"1.1"``.
        tokens: of a source sequence; None for 512.
    """
    later = version == "1.1"
    lengths = _lengths(tokens, 512, 128)
    config = EncoderDecoderConfig(
        name=name,
        source=T5_11 if later else T5,
        encoder_layers=layers,
        decoder_layers=layers,
        hidden=hidden,
        heads=heads,
        head_size=head_size,
        ffn=ffn,
        vocab=32128,
        gated=later,
        activation="gelu" if later else "relu",
        normalization="rmsnorm",
        post_norm=False,
        final_norm=True,
        positions="relative",
        bias=False,
        tied=not later,
        dropout=not later,
        source_tokens=lengths[0],
        target_tokens=lengths[1],
    )
    return build_encoder_decoder(config)


def build_transformer(
    name: str,
    hidden: int,
    heads: int,
    *,
    vocab: int = 37000,
    post_norm: bool = True,
    source: str = VASWANI,
    tokens: int | None = None,
    lengths: tuple[int, int] = (32, 32),
) -> Network:
    """The transformer of 2017 with six blocks in each stack and one token table for all.

    Args:
        name: registered name.
        hidden: features of the residual stream; feed-forward networks have four times as many.
        heads: attention heads.
        vocab: shared byte-pair vocabulary; 37,000 for English-German.
        post_norm: normalises after the residual addition.
        source: paper or code.
        tokens: of a source sequence; None for ``lengths``.
        lengths: source and target tokens; about 25,000 of each in a batch (section 5.1), in sentences of 30.
    """
    both = _lengths(tokens, *lengths)
    config = EncoderDecoderConfig(
        name=name,
        source=source,
        encoder_layers=6,
        decoder_layers=6,
        hidden=hidden,
        heads=heads,
        head_size=hidden // heads,
        ffn=4 * hidden,
        vocab=vocab,
        gated=False,
        activation="relu",
        normalization="layernorm",
        post_norm=post_norm,
        final_norm=not post_norm,
        positions="sinusoidal",
        bias=True,
        tied=True,
        dropout=True,
        source_tokens=both[0],
        target_tokens=both[1],
    )
    return build_encoder_decoder(config)


def build_bart(name: str, layers: int, hidden: int, heads: int, *, tokens: int | None = None) -> Network:
    """A BART of these dimensions: learned positions with an offset of two, as released."""
    lengths = _lengths(tokens, 512, 512)
    config = EncoderDecoderConfig(
        name=name,
        source=BART,
        encoder_layers=layers,
        decoder_layers=layers,
        hidden=hidden,
        heads=heads,
        head_size=hidden // heads,
        ffn=4 * hidden,
        vocab=50265,
        gated=False,
        activation="gelu",
        normalization="layernorm",
        post_norm=True,
        final_norm=False,
        embedding_norm=True,
        positions="learned",
        max_positions=max(1024, *lengths) + 2,
        bias=True,
        tied=True,
        dropout=True,
        source_tokens=lengths[0],
        target_tokens=lengths[1],
    )
    return build_encoder_decoder(config)


NETWORKS: dict[str, Callable[..., Network]] = {
    "t5-small": partial(build_t5, "t5-small", 6, 512, 8, 2048),
    "t5-base": partial(build_t5, "t5-base", 12, 768, 12, 3072),
    "t5-large": partial(build_t5, "t5-large", 24, 1024, 16, 4096),
    "t5-3b": partial(build_t5, "t5-3b", 24, 1024, 32, 16384, head_size=128),
    "t5-11b": partial(build_t5, "t5-11b", 24, 1024, 128, 65536, head_size=128),
    "t5-v1.1-small": partial(build_t5, "t5-v1.1-small", 8, 512, 6, 1024, version="1.1"),
    "t5-v1.1-base": partial(build_t5, "t5-v1.1-base", 12, 768, 12, 2048, version="1.1"),
    "t5-v1.1-large": partial(build_t5, "t5-v1.1-large", 24, 1024, 16, 2816, version="1.1"),
    "t5-v1.1-xl": partial(build_t5, "t5-v1.1-xl", 24, 2048, 32, 5120, version="1.1"),
    "t5-v1.1-xxl": partial(build_t5, "t5-v1.1-xxl", 24, 4096, 64, 10240, version="1.1"),
    "transformer-base": partial(build_transformer, "transformer-base", 512, 8),
    "transformer-big": partial(build_transformer, "transformer-big", 1024, 16),
    "transformer-mt": partial(
        build_transformer,
        "transformer-mt",
        1024,
        16,
        vocab=33712,
        post_norm=False,
        source="NVIDIA DeepLearningExamples, PyTorch/Translation/Transformer: transformer_wmt_en_de_big_t2t, "
        "33,708 entries and four special tokens",
    ),
    "bart-base": partial(build_bart, "bart-base", 6, 768, 12),
    "bart-large": partial(build_bart, "bart-large", 12, 1024, 16),
}
