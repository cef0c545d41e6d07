"""Networks whose routers choose unevenly: the busiest expert-parallel rank has more tokens than the mean.

Fedus et al. 2021 (arXiv:2101.03961), section 2.2, on what routers do to the load of experts. One number
says it: tokens of the busiest rank over the mean, whatever layers a network is made of and whoever described
them. Where experts compute a fixed capacity the number changes nothing, so it is refused.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from workloads.errors import WorkloadError
from workloads.layer import Layer
from workloads.network import Network
from workloads.operators import Division, ExpertSplit, Operator, Routing


@lru_cache(maxsize=64)
def with_imbalance(network: Network, imbalance: float) -> Network:
    """The network with experts whose load is so uneven; the same object for the same question.

    Args:
        network: a mixture of experts.
        imbalance: tokens of the busiest expert-parallel rank over the mean, at least 1.

    Raises:
        WorkloadError: no experts, experts of a fixed capacity, or a number below 1 or above their count.
    """
    routings = [routing for block in network.blocks for layer in block.layers for routing in _routings(layer)]
    if not routings:
        raise _refused(imbalance, f"with {network.name}, which has no experts", "a mixture of experts")
    if capacity := next((each.capacity for each in routings if each.capacity), 0.0):
        computed = f"whose experts compute {capacity:g} times the mean whatever comes"
        raise _refused(imbalance, f"with {network.name}, {computed}", "it without a capacity")
    most = min(each.experts for each in routings)
    if not 1 <= imbalance <= most:
        raise _refused(imbalance, "", f"1 (even) to {most} (all tokens at one of {most} experts)")
    blocks = (
        replace(block, layers=tuple(_uneven(layer, imbalance) for layer in block.layers))
        for block in network.blocks
    )
    return replace(network, blocks=tuple(blocks))


def _refused(imbalance: float, where: str, expected: str) -> WorkloadError:
    return WorkloadError(f"--imbalance: found {imbalance:g}{' ' * bool(where)}{where}; expected {expected}")


def _routings(layer: Layer) -> Iterator[Routing]:
    if isinstance(layer.parameter_split, ExpertSplit):
        yield layer.parameter_split.routing
    if layer.token_exchange is not None:
        yield layer.token_exchange.routing


def _uneven(layer: Layer, imbalance: float) -> Layer:
    if next(_routings(layer), None) is None and not any(
        isinstance(operator.split, ExpertSplit) for operator in layer.forward
    ):
        return layer
    exchange = layer.token_exchange
    return replace(
        layer,
        parameter_split=_loaded(layer.parameter_split, imbalance),
        forward=_operators(layer.forward, imbalance),
        input_gradient=_operators(layer.input_gradient, imbalance),
        weight_gradient=_operators(layer.weight_gradient, imbalance),
        saved=tuple(replace(each, split=_loaded(each.split, imbalance)) for each in layer.saved),
        token_exchange=exchange and replace(exchange, routing=replace(exchange.routing, load=imbalance)),
    )


def _operators(operators: tuple[Operator, ...], imbalance: float) -> tuple[Operator, ...]:
    return tuple(replace(each, split=_loaded(each.split, imbalance)) for each in operators)


def _loaded(split: Division, imbalance: float) -> Division:
    if not isinstance(split, ExpertSplit):
        return split
    return replace(split, routing=replace(split.routing, load=imbalance))
