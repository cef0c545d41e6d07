"""Switch transformers: T5 with experts of which every token takes one (Fedus et al. 2021, arXiv:2101.03961).

Table 9 of the paper has the dimensions. Switch-Base, -Large and -XXL have experts in every other layer of
both stacks, Switch-C in all. Experts compute a fixed capacity, 1.25 times the mean (section 2.2: the factor
that the paper's larger models train with is not printed, so it is taken for all). The table prints 64
experts for Switch-XXL, which make 202 billion parameters; 128 make the 395 billion that it prints too, and
the released checkpoint has 128, so they are taken here.
"""

from collections.abc import Callable
from functools import partial

from workloads.network import Network
from workloads.zoo.language.decoder.parts import Experts
from workloads.zoo.language.encoder_decoder import EncoderDecoderConfig, build_encoder_decoder

SWITCH = "Fedus et al. 2021 (arXiv:2101.03961), table 9"
CAPACITY = 1.25
ALTERNATE = (False, True)
SOURCE_TOKENS, TARGET_TOKENS = 512, 128  # as T5


def build_switch(  # noqa: PLR0917 - dimensions in the order of the paper's table
    name: str,
    layers: int,
    hidden: int,
    heads: int,
    ffn: int,
    experts: int,
    *,
    sparse: tuple[bool, ...] = ALTERNATE,
    gated: bool = True,
    tokens: int | None = None,
) -> Network:
    """A Switch transformer of these dimensions.

    Args:
        name: registered name.
        layers: of each stack.
        hidden: features of the residual stream.
        heads: attention heads of 64 features.
        ffn: features inside dense networks and experts.
        experts: of a layer that has them.
        sparse: whether layers have experts, taking turns.
        gated: GEGLU instead of ReLU.
        tokens: of a source sequence; None for 512. The target keeps its quarter.
    """
    source = SOURCE_TOKENS if tokens is None else tokens
    config = EncoderDecoderConfig(
        name=name,
        source=SWITCH,
        encoder_layers=layers,
        decoder_layers=layers,
        hidden=hidden,
        heads=heads,
        head_size=64,
        ffn=ffn,
        vocab=32128,
        gated=gated,
        activation="gelu" if gated else "relu",
        normalization="rmsnorm",
        post_norm=False,
        final_norm=True,
        positions="relative",
        bias=False,
        tied=True,
        dropout=True,
        source_tokens=source,
        target_tokens=max(1, source * TARGET_TOKENS // SOURCE_TOKENS),
        experts=Experts(count=experts, chosen=1, ffn=ffn, sparse=sparse, capacity=CAPACITY),
    )
    return build_encoder_decoder(config)


NETWORKS: dict[str, Callable[..., Network]] = {
    "switch-base": partial(build_switch, "switch-base", 12, 768, 12, 2048, 128),
    "switch-large": partial(build_switch, "switch-large", 24, 1024, 16, 2816, 128),
    "switch-xxl": partial(build_switch, "switch-xxl", 24, 4096, 64, 10240, 128),
    "switch-c": partial(build_switch, "switch-c", 15, 2080, 32, 6144, 2048, sparse=(True,), gated=False),
}
