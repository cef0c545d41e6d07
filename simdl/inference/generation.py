"""Networks of a language model in use: one that reads a prompt, one that adds a token to it.

The prompt is read in one forward pass, of which the head scores the last token only. Each further token is a
forward pass over one token, whose queries meet the keys and values of all before it in a cache: as many
elements per token and layer as key-value heads have features (Shazeer 2019, arXiv:1911.02150; fewer heads:
Ainslie et al. 2023, arXiv:2305.13245), or with latent attention the narrow vector and the shared rotary key,
which all heads then read as they are (DeepSeek-AI 2024, arXiv:2405.04434, section 2.1.2). Layers with a
window keep its last keys.

Few tokens choose few experts. Of E experts, n tokens that each choose k of them at random meet

    E (1 - (1 - k / E)^n)

of which alone weights are read.
"""

from collections.abc import Iterator
from dataclasses import replace

from simdl.errors import SimdlError
from workloads.layer import Layer
from workloads.network import Block, Network
from workloads.operators import AttentionShape, ExpertSplit, MatmulShape, Operator

HEAD, PREDICTOR = "head", "predictor"
LATENT, LATENT_NORM = "kv_down", "kv_norm"
"""Layers of latent attention that make the narrow vector with the shared key, and the narrow vector alone."""
WITHOUT_ATTENTION = frozenset({"state_space"})


def generates(network: Network) -> bool:
    """Whether a network writes one token after another: all its attention looks back only."""
    cores = [layer.core for block in network.blocks for layer in block.layers if layer.core is not None]
    walking = any(layer.kind in WITHOUT_ATTENTION for block in network.blocks for layer in block.layers)
    if network.sample != "sequence" or not (cores or walking):
        return False
    return all(core.causal and not core.crossed for core in cores)


def reading(prompt: Network, token: Network) -> Network:
    """The network that reads a prompt: its head scores the last token.

    Args:
        prompt: of the prompt's tokens.
        token: the same network of one token.
    """
    if prompt.blocks[-1].name != HEAD:
        return prompt
    return replace(prompt, blocks=(*prompt.blocks[:-1], token.blocks[-1]))


def without_predictors(network: Network) -> Network:
    """The network without modules that predict further tokens, which serve training (and speculation)."""
    dropped = {number for number, block in enumerate(network.blocks) if block.name == PREDICTOR}
    if not dropped:
        return network
    kept = [number for number in range(len(network.blocks)) if number not in dropped]
    order = tuple(kept.index(number) for number in network.order if number not in dropped)
    return replace(network, blocks=tuple(network.blocks[number] for number in kept), order=order)


def writing(token: Network, *, context: int, sequences: int, ep: int = 1) -> Network:
    """The network that adds a token to each sequence of a batch.

    Args:
        token: of one token.
        context: tokens before it, whose keys and values are cached.
        sequences: that a replica serves together.
        ep: ranks that share the experts of a layer.
    """
    return replace(
        token,
        blocks=tuple(
            replace(
                block, layers=tuple(_writing(block, layer, context, sequences, ep) for layer in block.layers)
            )
            for block in token.blocks
        ),
    )


def _writing(block: Block, layer: Layer, context: int, sequences: int, ep: int) -> Layer:
    if layer.core is not None:
        core = cached_core(block, layer.core, context)
        return replace(layer, core=core, fused_core=True)
    if isinstance(layer.parameter_split, ExpertSplit):
        forward = tuple(_met(operator, sequences, ep) for operator in layer.forward)
        return replace(layer, forward=forward)
    return layer


def cached_core(block: Block, core: AttentionShape, context: int) -> AttentionShape:
    """The attention of one query over cached keys and its own."""
    keys = min(context + 1, core.window) if core.window else context + 1
    plain = replace(core, query_tokens=1, key_tokens=keys, causal=False, window=0, chunked=False)
    narrow = _latent_widths(block)
    if narrow is None:
        return replace(plain, cached=core.head_size + core.value_features)
    width, rank = narrow
    return replace(plain, kv_heads=1, head_size=width, value_size=rank, cached=width)


def _latent_widths(block: Block) -> tuple[int, int] | None:
    """Features of the cached vector and of the part that values are read from; None without latents."""
    found = {layer.name: layer.output_shape[-1] for layer in block.layers}
    if LATENT not in found or LATENT_NORM not in found:
        return None
    return found[LATENT], found[LATENT_NORM]


def _met(operator: Operator, sequences: int, ep: int) -> Operator:
    """A product of experts over those alone that some token has chosen."""
    shape, split = operator.shape, operator.split
    if not isinstance(shape, MatmulShape) or not isinstance(split, ExpertSplit):
        return operator
    met = met_experts(split.routing.experts, split.routing.chosen, sequences)
    products = min(shape.products, max(1, round(met / ep)) * ep)
    weights = operator.weights * products // shape.products
    return replace(operator, shape=replace(shape, products=products), weights=weights)


def met_experts(experts: int, chosen: int, tokens: int) -> float:
    """Mean number of experts that some of the tokens choose.

    Example:
        >>> met_experts(8, 2, 1), met_experts(8, 8, 3)
        (2.0, 8.0)
    """
    return experts * (1.0 - (1.0 - chosen / experts) ** tokens)


def cache_bytes(network: Network, *, tokens: int, tp: int, element: float) -> float:
    """[bytes] of keys and values of one sequence that a rank keeps, over all layers.

    Args:
        network: of any number of tokens.
        tokens: of the sequence so far.
        tp: ranks that share the heads of a layer; each keeps one key-value head at least.
        element: [bytes] of the precision.
    """
    return sum(block.count * _block_elements(block, tokens, tp, element) for block in network.blocks)


def _block_elements(block: Block, tokens: int, tp: int, element: float) -> float:
    return sum(each for each in _layer_elements(block, tokens, tp, element))


def _layer_elements(block: Block, tokens: int, tp: int, element: float) -> Iterator[float]:
    for layer in block.layers:
        if layer.core is None:
            continue
        core = cached_core(block, layer.core, tokens - 1)
        size = min(element, layer.activation_bits / 8) if layer.activation_bits else element
        yield core.key_tokens * -(-core.kv_heads // tp) * core.cached * size


def check_generates(network: Network, generated: int) -> None:
    """Refuse tokens to be generated by what generates none.

    Raises:
        SimdlError: such a network.
    """
    if generated and not generates(network):
        raise SimdlError(
            f"--generate {generated}: network {network.name} writes no tokens one after another; expected a "
            "decoder, whose attention looks back only"
        )
