"""Numbers by name, and stacks and clusters with other values of them.

A number is named ``stack.field`` or ``device.sustained`` (the first device of its fit stands for all). Stacks
that inherit a number from a patched file change with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from hardware.cluster import Cluster
from hardware.profiles import load_device
from hardware.sustained import sustained_by_power
from simdl.software.reader import load_stack, stack_lineage
from simdl.software.stack import Stack
from validation.published.fits import Fit, load_fits


@dataclass(frozen=True, slots=True, order=True)
class Number:
    """One fitted number: the stack or the device that holds it, and its field."""

    holder: str
    field: str

    def __str__(self) -> str:
        return f"{self.holder}.{self.field}"


Values = Mapping[Number, float]


def numbers_of(fit: Fit) -> tuple[Number, ...]:
    """The numbers that a fit's objective fixes."""
    return tuple(Number(holder_of(fit), field) for field in fit.fields)


def holder_of(fit: Fit) -> str:
    """The stack, or the first of the devices, that a fit's numbers are named by."""
    return fit.stack or fit.devices[0]


def shipped() -> dict[Number, float]:
    """Every fitted number as its file has it."""
    found = {}
    for fit in load_fits():
        for number in numbers_of(fit):
            held = load_stack(fit.stack) if fit.stack else load_device(fit.devices[0])
            value = getattr(held, number.field)
            found[number] = 0.0 if value is None else float(value)
    return found


@lru_cache(maxsize=1024)
def used_numbers(stack: str, device: str) -> tuple[Number, ...]:
    """The fitted numbers that a prediction on a stack and a device uses."""
    known, lineage = shipped_numbers(), stack_lineage(stack)
    owners = ((next((name for name, keys in lineage if field in keys), ""), field) for field in _fields())
    found = [Number(*owner) for owner in owners if Number(*owner) in known]
    found += [Number(holder, "sustained") for holder, devices in boards().items() if device in devices]
    return tuple(found)


@lru_cache(maxsize=1)
def shipped_numbers() -> frozenset[Number]:
    """Names of all fitted numbers."""
    return frozenset(number for fit in load_fits() for number in numbers_of(fit))


@lru_cache(maxsize=1)
def boards() -> Mapping[str, tuple[str, ...]]:
    """Devices of one architecture, whose numbers follow from that of the one that stands for them."""
    return {fit.devices[0]: fit.devices for fit in load_fits() if fit.devices and fit.fields}


@lru_cache(maxsize=1)
def _fields() -> tuple[str, ...]:
    return tuple(sorted({number.field for number in shipped_numbers() if number.holder not in boards()}))


def patched_stack(name: str, values: Values) -> Stack:
    """A stack with other values of the numbers it uses; the registered one where none is given."""
    changes = {number.field: values[number] for number in used_numbers(name, "") if number in values}
    stack = load_stack(name)
    return replace(stack, **changes) if changes else stack  # type: ignore[arg-type]


def patched_cluster(cluster: Cluster, values: Values) -> Cluster:
    """A cluster whose devices have the values of their board, by power from the one that stands for it."""
    device = cluster.device
    for holder, devices in boards().items():
        number = Number(holder, "sustained")
        if device.name in devices and number in values:
            return _slowed(cluster, sustained_by_power(device, load_device(holder), values[number]))
    return cluster


@lru_cache(maxsize=4096)
def _slowed(cluster: Cluster, sustained: float) -> Cluster:
    if sustained == cluster.device.sustained:
        return cluster
    return replace(cluster, node=replace(cluster.node, device=replace(cluster.device, sustained=sustained)))
