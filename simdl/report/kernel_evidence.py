"""Which kernels of an answer no table of their device tells, and what their numbers are taken from instead.

Achieved fractions of a device stand in its profile, each with its source. Where no kernel table timed the
device they come from the nearest device of its architecture's family, or are assumed, and a note of the
profile says which. Numbers of an architecture (``hardware.architecture``) say so in the same way.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from hardware.architecture import architecture_named
from hardware.citation import CitedNumber
from hardware.device import Device
from simdl.software.stack import Stack
from workloads.dtypes import Precision
from workloads.network import Network
from workloads.operators import OperatorKind

UNTOLD = frozenset({"derived", "assumed"})
"""Kinds of sources that are no table of the very device."""
RECURRENT = frozenset({"recurrent", "stepped_recurrent"})
"""Kinds of layers whose steps are launches one after another."""
LEAST = 0.01
"""Share of the kernels' seconds below which a kind goes unsaid."""
_STREAMING = "other kernels"
_KINDS: Mapping[str, str] = {
    OperatorKind.MATMUL.value: "products",
    OperatorKind.ATTENTION.value: "attention",
    OperatorKind.CONVOLUTION.value: "convolutions",
}


def untold_kernels(
    device: Device, kernels: Mapping[str, float], *, precision: Precision, network: Network, stack: Stack
) -> tuple[str, ...]:
    """A sentence for each source that stands in for a missing kernel table; none where tables tell all.

    Args:
        device: whose profile is meant.
        kernels: [s] by kind of kernel.
        precision: of the training.
        network: what is trained.
        stack: whose attention runs.
    """
    if device.kernels:
        return ()
    by_reason: dict[str, list[str]] = {}
    for kind, number in _numbers(device, kernels, precision, network, stack):
        reason = _reason(number)
        if reason:
            by_reason.setdefault(reason, []).append(kind)
    return tuple(
        f"{' and '.join(kinds)}: no table of {device.name} itself; {reason}"
        for reason, kinds in by_reason.items()
    )


def _reason(number: CitedNumber) -> str:
    """What a number rests on that no table of the very device gave; "" where one did."""
    if number.inherited:
        base = PurePosixPath(number.inherited).stem
        return f"those of {base}, its base, {number.citation.kind}{_said(number)}"
    return f"{number.citation.kind}{_said(number)}" if number.citation.kind in UNTOLD else ""


def _said(number: CitedNumber) -> str:
    return f", {number.note}" if number.note else ""


def _numbers(
    device: Device, kernels: Mapping[str, float], precision: Precision, network: Network, stack: Stack
) -> Iterator[tuple[str, CitedNumber]]:
    """The number that counts most of each kind of kernel that takes time, with the kind's name."""
    whole = sum(kernels.values()) or 1.0
    taken: dict[str, float] = {}
    for kind, seconds in kernels.items():
        name = _KINDS.get(kind, _STREAMING)
        taken[name] = taken.get(name, 0.0) + seconds
    paths = {
        "products": f"efficiency.matmul.fraction.{precision.matmul}",
        "attention": "efficiency.attention.forward",
        "convolutions": "efficiency.convolution.fraction.",
        _STREAMING: "efficiency.memory.fraction",
    }
    if stack.attention_algorithm in device.attention_kernels:
        del paths["attention"]  # hardware/data/attention_kernels.toml tells it
    for name, path in paths.items():
        found = _number_at(path, device.numbers) if taken.get(name, 0.0) > LEAST * whole else None
        if found is not None:
            yield name, found
    if any(layer.kind in RECURRENT for block in network.blocks for layer in block.layers):
        found = _number_at("step_latency", architecture_named(device.generation).numbers)
        if found is not None:
            yield "steps of recurrent layers", found


def _number_at(path: str, numbers: Iterable[CitedNumber]) -> CitedNumber | None:
    """The number at a path; of a table (a path with a dot at its end) the largest."""
    if not path.endswith("."):
        return next((number for number in numbers if number.path == path), None)
    below = [number for number in numbers if number.path.startswith(path)]
    return max(below, key=lambda number: number.value, default=None)
