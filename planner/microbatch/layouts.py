"""Layouts of tensors: what algorithms take, and what it costs to write in one and read in the other.

cuDNN's spectra, fused and explicit algorithms read NCHW only; its products on tensor cores read NHWC, and
copy what they read and write in NCHW (NVIDIA, cuDNN developer guide, legacy API, tensor transformations).
What is copied is read and written once, forward, and its gradient once more backward. Layers that are no
convolutions take either at the same price; the weights of fully connected ones may lie in any order.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from hardware.device import Device
from simdl.kernels.costs.convolution import AlgorithmCost
from simdl.kernels.costs.memory_bound import traffic_time
from simdl.kernels.cudnn import find_algorithm
from workloads.network import Network
from workloads.operators import Pass
from workloads.tensors import BLOCK_INPUT

PREFERRED = "NHWC"
"""Layout that tensor cores read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Border:
    """A tensor from one layer to another.

    Attributes:
        source, target: layers by the name that a repeated block's have, ``block/layer``.
        elements: per sample.
        count: how often it stands in the network.
    """

    source: str
    target: str
    elements: int
    count: int = 1


def in_layout(
    launches: Iterable[AlgorithmCost], which: Pass, layout: str, copied: float, device: Device
) -> Iterator[AlgorithmCost]:
    """The launches of a pass that take a layout, with what copying costs them.

    Args:
        launches: of every algorithm.
        which: pass.
        layout: of the tensors that are read and written.
        copied: [bytes] of these tensors where the arithmetic is that of matrix units, otherwise 0.
        device: where.
    """
    for cost in launches:
        known = find_algorithm(which, cost.algorithm)
        if known is None or layout not in known.layouts:
            if known is None:  # kernels for groups, which are written for both
                yield cost
            continue
        extra = copied if known.tensor_cores and layout != PREFERRED else 0.0
        time = cost.time + traffic_time(2 * extra, device)
        yield replace(cost, time=time, workspace=cost.workspace + extra)


def conversion_time(border: Border, batch: int, element_size: float, device: Device) -> float:
    """[s] to convert a tensor of ``batch`` samples and its gradient, each read and written once."""
    one = device.memory.latency + traffic_time(2 * batch * border.elements * element_size, device)
    return 2 * border.count * one


def network_borders(network: Network) -> tuple[Border, ...]:
    """Tensors of maps between layers of a network; vectors have no layout."""
    return tuple(_borders(network))


def _borders(network: Network) -> Iterator[Border]:
    entry: tuple[str, int] | None = None
    for block in network.blocks:
        made = {layer.name: layer for layer in block.layers if len(layer.output_shape) > 1}
        last = block.layers[-1]
        for layer in block.layers:
            target = f"{block.name}/{layer.name}"
            for name in layer.inputs:
                if name in made:
                    source, elements = f"{block.name}/{name}", made[name].output_elements
                    yield Border(source=source, target=target, elements=elements, count=block.count)
                if name == BLOCK_INPUT and entry is not None:
                    yield Border(source=entry[0], target=target, elements=entry[1])
                if name == BLOCK_INPUT and block.count > 1 and last.name in made:
                    source, again = f"{block.name}/{last.name}", block.count - 1
                    yield Border(source=source, target=target, elements=last.output_elements, count=again)
        entry = (f"{block.name}/{last.name}", last.output_elements) if last.name in made else None
