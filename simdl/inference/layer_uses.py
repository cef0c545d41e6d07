"""A forward pass layer by layer: flops, bytes, seconds and energy, and what each layer waits for.

Kernels that a stack or a compiler fuses stand with the first layer of the kernel.

Energy comes from one of two models. Where a device names a process, every operation and every access to
memory has its energy (Han et al. 2015, arXiv:1506.02626, table 1). A multiply-add is a multiplication, an
addition and accesses of registers: two operands as wide as they are, and a 32-bit sum; other flops are
additions. Weights are read from DRAM, each once a pass, unless all of a network's fit into the last-level
cache; activations go through DRAM where those of a layer are larger than that cache; and whatever a kernel
moves passes SRAM once. All
other devices draw power over the time that they take (`simdl.power`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from hardware.device import Device
from hardware.operation_energy import WORD, OperationEnergy, operation_energy
from simdl.kernels.block_kernels import forward_kernels
from simdl.kernels.costs.matmul import ELEMENT_SIZE
from simdl.kernels.kernel import Kernel
from simdl.kernels.pricing import Pricing, priced
from simdl.kernels.sharding import Shard
from simdl.power.device_power import PowerModel, device_power_model
from simdl.report.kernel_uses import is_memory_bound
from workloads.layer import Layer
from workloads.network import Block
from workloads.operators import PRODUCTS

OPERANDS = 2
"""Registers that a multiply-add reads, beside the 32-bit one that it adds to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerUse:
    """What one layer does in a forward pass on one rank; equal layers of repeated blocks are added up.

    Attributes:
        name: ``block/layer``.
        kind: of the layer.
        count: how often it stands in the network.
        launches: kernels.
        flops: of all that are computed, zeros that kernels leave out aside.
        nbytes: [bytes] that kernels move.
        weight_bytes: [bytes] of weights among them.
        seconds: [s] of device time.
        bound: what most of the time goes to: ``arithmetic``, ``memory`` or ``latency``.
        energy: [J] by what takes it: ``arithmetic``, ``registers``, ``sram`` and ``dram``, or where energy is
            power over time, what is drawn ``idle`` and above it by kernels bound by ``arithmetic`` and by
            ``memory``.
    """

    name: str
    kind: str
    count: int
    launches: int
    flops: float
    nbytes: float
    weight_bytes: float
    seconds: float
    bound: str
    energy: Mapping[str, float]


def layer_uses(pricing: Pricing, shard: Shard) -> tuple[LayerUse, ...]:
    """Every distinct layer that launches a kernel.

    Args:
        pricing: of the network as it runs forward only.
        shard: one rank's part.

    """
    blocks = pricing.network.blocks
    held = sum(_held(layer, pricing, shard) * block.count for block in blocks for layer in block.layers)
    resident = held <= pricing.cluster.device.cache
    return tuple(
        _layer_use(pricing, shard, block, (name, [kernel for _, kernel in kernels]), resident=resident)
        for block in pricing.network.blocks
        for name, kernels in groupby(forward_kernels(pricing, shard, block), key=lambda each: each[0])
    )


def kind_seconds(pricing: Pricing, shard: Shard) -> dict[str, float]:
    """[s] of a forward pass by kind of kernel."""
    found: dict[str, float] = {}
    for block in pricing.network.blocks:
        for _, kernel in forward_kernels(pricing, shard, block):
            seconds = priced(pricing, [kernel]).device * block.count
            found[kernel.kind.value] = found.get(kernel.kind.value, 0.0) + seconds
    return found


def energy_model(device: Device) -> OperationEnergy | PowerModel | None:
    """What says how much energy work on a device takes; None where nothing does."""
    if device.energy:
        return operation_energy(device.energy)
    return device_power_model(device) if device.power else None


def _layer_use(
    pricing: Pricing,
    shard: Shard,
    block: Block,
    named: tuple[str, list[Kernel]],
    *,
    resident: bool,
) -> LayerUse:
    name, kernels = named
    device = pricing.cluster.device
    model = energy_model(device)
    layer = next(each for each in block.layers if each.name == name)
    times = [priced(pricing, [kernel]).device for kernel in kernels]
    seconds, nbytes = sum(times), sum(kernel.nbytes for kernel in kernels)
    weights = min(nbytes, _held(layer, pricing, shard))
    pairs = zip(kernels, times, strict=True)
    bounds = [(time, _bound(kernel, time, device)) for kernel, time in pairs]
    if isinstance(model, OperationEnergy):
        read = 0.0 if resident else weights
        beyond = nbytes - weights if nbytes - weights > device.cache else 0.0
        joules = operation_joules(kernels, nbytes, read + beyond, model)
    else:
        joules = power_joules(bounds, model) if model is not None else {}
    return LayerUse(
        name=f"{block.name}/{name}",
        kind=layer.kind,
        count=block.count,
        launches=len(kernels) * block.count,
        flops=sum(kernel.flops * kernel.density for kernel in kernels) * block.count,
        nbytes=nbytes * block.count,
        weight_bytes=weights * block.count,
        seconds=seconds * block.count,
        bound=_longest(bounds),
        energy={part: each * block.count for part, each in joules.items()},
    )


def _held(layer: Layer, pricing: Pricing, shard: Shard) -> float:
    """[bytes] of weights that a rank's kernels read in this layer."""
    share = shard.parameter_share(layer.parameter_split)
    return sum(
        operator.weights * operator.steps * share * (operator.weight_size or pricing.precision.parameter)
        for operator in layer.forward
    )


def _bound(kernel: Kernel, seconds: float, device: Device) -> str:
    latency = device.memory.latency if kernel.kind not in PRODUCTS else device.matmul.latency
    if latency > seconds / 2:
        return "latency"
    return "memory" if is_memory_bound(kernel, device) else "arithmetic"


def _longest(bounds: list[tuple[float, str]]) -> str:
    totals: dict[str, float] = {}
    for seconds, bound in bounds:
        totals[bound] = totals.get(bound, 0.0) + seconds
    return max(totals, key=lambda bound: totals[bound])


def power_joules(bounds: Iterable[tuple[float, str]], model: PowerModel) -> dict[str, float]:
    """[J] of kernels by the device's power.

    Args:
        bounds: [s] of each kernel, and what bounds it.
        model: of the device.
    """
    seconds = {"arithmetic": 0.0, "memory": 0.0}
    for time, bound in bounds:
        seconds["arithmetic" if bound == "arithmetic" else "memory"] += time
    above = {
        "arithmetic": model.device(compute=1.0, memory=0.0) - model.idle,
        "memory": model.device(compute=0.0, memory=1.0) - model.idle,
    }
    parts = {part: time * above[part] for part, time in seconds.items()}
    return {"idle": model.idle * sum(seconds.values()), **parts}


def operation_joules(
    kernels: Sequence[Kernel], nbytes: float, off_chip: float, energy: OperationEnergy
) -> dict[str, float]:
    """[J] of kernels operation by operation.

    Args:
        kernels: that run.
        nbytes: [bytes] that they move.
        off_chip: [bytes] of these that come from or go to DRAM.
        energy: of the process.
    """
    arithmetic, registers = 0.0, 0.0
    for kernel in kernels:
        flops = kernel.flops * kernel.density
        if kernel.kind in PRODUCTS:
            arithmetic += flops / 2 * (energy.multiply(kernel.dtype) + energy.add(kernel.dtype))
            registers += flops / 2 * (OPERANDS * ELEMENT_SIZE[kernel.dtype] / WORD + 1) * energy.register
        else:
            arithmetic += flops * energy.add(kernel.dtype)
    return {
        "arithmetic": arithmetic,
        "registers": registers,
        "sram": nbytes / WORD * energy.sram,
        "dram": off_chip / WORD * energy.dram,
    }
