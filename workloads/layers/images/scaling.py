"""Scaling of maps by one factor a channel: a gate computed from the maps, or a trained vector; shifts alike.

Gate (Hu et al. 2018, arXiv:1709.01507, section 3.2): y = s x with one s for each channel and sample.
Backward: dx = s dy, and ds = sum of x dy over the map. Layer scale (Touvron et al. 2021, arXiv:2103.17239,
section 2): the same with trained factors that all samples share. Both keep their input.
"""

from workloads.errors import NetworkError
from workloads.layer import Layer, SavedActivation
from workloads.operators import Operator, OperatorKind
from workloads.tensors import Tensor


def channel_gate(name: str, maps: Tensor, gate: Tensor) -> Layer:
    """Each map times its gate, a (channels, 1, 1) tensor.

    Raises:
        NetworkError: the gate has another number of channels or an extent.
    """
    _one_a_channel(name, maps, gate, does="scales", what="factor")
    count, factors = maps.elements, gate.elements
    return Layer(
        name=name,
        kind="scaling",
        inputs=(maps.name, gate.name),
        output_shape=maps.shape,
        forward=(_elementwise("scale", count, reads=count + factors, writes=count),),
        input_gradient=(
            _elementwise("scale gradient", count, reads=count + factors, writes=count),
            _sums("gate gradient", 2 * count, reads=2 * count, writes=factors),
        ),
        saved=(SavedActivation(name="input", elements=count),),
        attributes={"by": "gate"},
    )


def _one_a_channel(name: str, maps: Tensor, given: Tensor, *, does: str, what: str) -> None:
    if given.elements != maps.shape[0]:
        found = f"{does} maps of shape {maps.shape} by {given.name!r} of shape {given.shape}"
        raise NetworkError([f"{name}: {found}; expected one {what} for each channel"])


def channel_shift(name: str, maps: Tensor, shift: Tensor) -> Layer:
    """Each map plus its number, of which a sample has one for each channel; ds = sum of dy over the map.

    Raises:
        NetworkError: there is not one number for each channel.
    """
    _one_a_channel(name, maps, shift, does="shifts", what="number")
    count, numbers = maps.elements, shift.elements
    return Layer(
        name=name,
        kind="scaling",
        inputs=(maps.name, shift.name),
        output_shape=maps.shape,
        forward=(_elementwise("shift", count, reads=count + numbers, writes=count),),
        input_gradient=(_sums("shift gradient", count, reads=count, writes=numbers),),
        attributes={"by": "shift"},
    )


def layer_scale(name: str, source: Tensor, *, axis: int = 0) -> Layer:
    """Elements times trained factors, one for each position of ``axis``."""
    count, factors = source.elements, source.shape[axis]
    return Layer(
        name=name,
        kind="scaling",
        inputs=(source.name,),
        output_shape=source.shape,
        parameters=factors,
        forward=(_elementwise("scale", count, reads=count, writes=count, weights=factors),),
        input_gradient=(_elementwise("scale gradient", count, reads=count, writes=count, weights=factors),),
        weight_gradient=(_sums("factor gradient", 2 * count, reads=2 * count, writes=0, weights=factors),),
        saved=(SavedActivation(name="input", elements=count),),
        attributes={"by": "vector", "axis": axis},
    )


def _elementwise(name: str, work: int, *, reads: int, writes: int, weights: int = 0) -> Operator:
    return Operator(
        name=name,
        kind=OperatorKind.ELEMENTWISE,
        flops=work,
        reads=reads,
        writes=writes,
        weights=weights,
    )


def _sums(name: str, work: int, *, reads: int, writes: int, weights: int = 0) -> Operator:
    return Operator(
        name=name, kind=OperatorKind.REDUCTION, flops=work, reads=reads, writes=writes, weights=weights
    )
