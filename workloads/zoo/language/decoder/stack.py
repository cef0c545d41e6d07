"""A transformer stack as a network: every kind of layer once, and where each stands."""

from collections.abc import Collection, Iterator, Sequence

from workloads.network import Block, Network
from workloads.zoo.language.decoder.config import DecoderConfig, LayerChoice, layer_choices
from workloads.zoo.language.decoder.ends import embedding_layers, head_layers
from workloads.zoo.language.decoder.layer import transformer_layers
from workloads.zoo.language.decoder.mixers import MIXERS
from workloads.zoo.language.decoder.predictor import predictor_block


def build_decoder(config: DecoderConfig) -> Network:
    """The network of these dimensions: blocks ``embedding``, ``decoder`` (repeated) and ``head``.

    Where layers differ, every kind is a block of its own and the network's order says which stands where.

    Args:
        config: checked dimensions.

    Returns:
        A network whose sample is one sequence of ``config.tokens`` tokens.
    """
    embedding = Block(name="embedding", layers=embedding_layers(config), recomputable=False)
    head = Block(name="head", layers=head_layers(config), recomputable=False)
    predictors = (predictor_block(config),) if config.predicted else ()
    return build_network(config, (embedding, *decoder_blocks(config), *predictors, head))


def decoder_blocks(config: DecoderConfig) -> tuple[Block, ...]:
    """Every kind of layer once, with how often it stands in the stack."""
    choices = layer_choices(config)
    kinds = dict.fromkeys(choices)
    return tuple(
        Block(
            name=f"decoder-{_choice_name(kind, kinds)}" if len(kinds) > 1 else "decoder",
            layers=transformer_layers(config, kind),
            count=choices.count(kind),
        )
        for kind in kinds
    )


def _choice_name(choice: LayerChoice, kinds: Collection[LayerChoice]) -> str:
    """What tells a kind of layer from the others."""
    parts = [MIXERS[type(choice.mixer)]] if any(kind.mixer for kind in kinds) else []
    if len({(kind.window, kind.full) for kind in kinds}) > 1:
        whole = "full" if choice.full or not any(kind.full for kind in kinds) else "local"
        parts.append(f"window{choice.window}" if choice.window else whole)
    if len({kind.rotated for kind in kinds}) > 1:
        parts.append("rotary" if choice.rotated else "unrotated")
    if len({kind.bare for kind in kinds}) > 1:
        parts.append("bare" if choice.bare else "normed")
    if len({kind.sparse for kind in kinds}) > 1:
        parts.append("experts" if choice.sparse else "dense")
    return "-".join(parts)


def build_network(config: DecoderConfig, blocks: tuple[Block, ...]) -> Network:
    """A network of these blocks with the identity of the configuration.

    Args:
        config: checked dimensions.
        blocks: embedding, every kind of layer, and what follows.
    """
    choices = layer_choices(config)
    kinds = list(dict.fromkeys(choices))
    after = [n for n in range(1 + len(kinds), len(blocks)) for _ in range(blocks[n].count)]
    order = (0, *(1 + kinds.index(choice) for choice in choices), *after) if len(kinds) > 1 else ()
    return Network(
        name=config.name,
        blocks=blocks,
        source=config.source,
        sample="sequence",
        tokens=config.tokens,
        tensor_divisors=(*_shared_heads(choices, config), *tensor_widths(config)),
        expert_divisors=(config.experts.ffn,) if config.experts else (),
        kv_heads=config.kv_heads,
        order=order,
        notes=tuple(_notes(config)),
    )


def _shared_heads(choices: Sequence[LayerChoice], config: DecoderConfig) -> Iterator[int]:
    """What tensor parallelism divides of attention and of what stands in its place."""
    if not all(choice.mixer for choice in choices):
        yield config.heads
    beside = (config.beside,) if config.beside else ()
    for mixer in dict.fromkeys((*(choice.mixer for choice in choices if choice.mixer), *beside)):
        yield from mixer.divisors


def tensor_widths(config: DecoderConfig) -> tuple[int, ...]:
    """Features that tensor parallelism divides, of dense networks and of those that all tokens take."""
    experts = config.experts
    if experts is None:
        return (config.ffn,)
    dense = experts.shortcut or any(not choice.sparse for choice in layer_choices(config))
    return tuple(width for width in (config.ffn if dense else 0, experts.shared, experts.behind) if width)


def _notes(config: DecoderConfig) -> Iterator[str]:
    longest = max(config.windows, default=0)
    if longest > config.tokens:
        yield (
            f"network {config.name}: windows: found {longest:,} tokens, more than the {config.tokens:,} of a "
            "sample; expected less: every query of these layers sees all earlier tokens"
        )
