"""Which layers a transform changes, and networks with some of their layers changed.

Layers are named ``block/layer`` as `simdl models` prints them, or by the last part alone; ``*`` and ``?``
stand for letters. Equal blocks that repeat are changed together.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.network import Block, Network
from workloads.operators import PRODUCTS

Change = Callable[[str, Layer], Sequence[Layer]]
"""From a layer's full name and the layer to the layers that take its place; the last one keeps its name."""

NEAR = 3


def has_product_weights(layer: Layer) -> bool:
    """Whether the layer multiplies by weights of its own."""
    return layer.product_weights > 0


def has_stored_weights(layer: Layer) -> bool:
    """Whether the layer has weights that may be stored in a format of their own, as tables of rows have."""
    return layer.stored_weights > 0


def single_product(layer: Layer) -> bool:
    """Whether all the layer computes is one product with weights, and a bias perhaps."""
    products = [operator for operator in layer.forward if operator.kind in PRODUCTS]
    return len(products) == 1 and layer.product_weights > 0


def chosen_layers(
    network: Network,
    patterns: Sequence[str],
    accepts: Callable[[Layer], bool],
    *,
    what: str,
    expected: str,
) -> frozenset[str]:
    """Full names of the layers that the patterns mean; of all that are accepted where there are none.

    Args:
        network: whose layers.
        patterns: names with ``*`` and ``?``.
        accepts: which layers can be changed so.
        what: the transform, for messages.
        expected: which layers those are, in words.

    Raises:
        NetworkError: a pattern means no layer, or none that can be changed so; one line per fault.
    """
    named = dict(_named(network))
    accepted = {name for name, layer in named.items() if accepts(layer)}
    if not patterns:
        if not accepted:
            raise NetworkError([f"{what}: network {network.name} has no layer for it; expected {expected}"])
        return frozenset(accepted)
    found: set[str] = set()
    faults: list[str] = []
    for pattern in patterns:
        meant = {name for name in named if _means(pattern, name)}
        if not meant:
            faults.append(f"{what}: unknown layer {pattern!r} of {network.name}; {_near(pattern, named)}")
        elif not meant & accepted:
            kinds = ", ".join(sorted({named[name].kind for name in meant}))
            faults.append(f"{what}: layer {pattern!r} is a {kinds} layer; expected {expected}")
        found |= meant & accepted
    if faults:
        raise NetworkError(faults)
    return frozenset(found)


def change_layers(network: Network, names: frozenset[str], change: Change) -> Network:
    """The network with what a change makes of these layers in their places.

    Raises:
        NetworkError: what the change raises, of all layers together.
    """
    blocks: list[Block] = []
    faults: list[str] = []
    for block in network.blocks:
        layers: list[Layer] = []
        for layer in block.layers:
            name = f"{block.name}/{layer.name}"
            try:
                layers += change(name, layer) if name in names else (layer,)
            except NetworkError as error:
                faults += error.faults
        blocks.append(replace(block, layers=tuple(layers)))
    if faults:
        raise NetworkError(faults)
    return replace(network, blocks=tuple(blocks))


def _named(network: Network) -> Iterator[tuple[str, Layer]]:
    for block in network.blocks:
        for layer in block.layers:
            yield f"{block.name}/{layer.name}", layer


def _means(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name.rpartition("/")[2], pattern)


def _near(pattern: str, names: dict[str, Layer]) -> str:
    lasts = {name.rpartition("/")[2]: name for name in names}
    near = get_close_matches(pattern, [*lasts, *names], n=NEAR)
    if near:
        return f"did you mean {', '.join(near)}?"
    shown = ", ".join([*lasts][:NEAR])
    return f"expected a name that `simdl models` prints, such as {shown}"
