"""What a trace says of the run that it was taken of, and where that differs from a plan.

Kineto writes ``distributedInfo`` (world size) and ``deviceProperties`` (names of the devices); a training
program may add ``model`` by ``profiler.add_metadata``. With ``record_shapes`` products carry ``Input Dims``,
which a network of other dimensions does not have.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planner.kineto.kinds import operator_kind
from workloads.network import Network
from workloads.operators import MatmulShape, OperatorKind

PRODUCTS = frozenset({"matmul", "convolution"})
ABOUT = frozenset({"distributedInfo", "deviceProperties", "model", "model_name"})
"""Keys beside the events of a trace that say something of its run."""
WORDS = re.compile(r"[a-z]+\d+[a-z]*|\d+[a-z]+|\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFacts:
    """What a trace says of its run; None or empty where it says nothing.

    Attributes:
        world_size: processes.
        device: name of the first device.
        model: what the training program called it.
        extents: dimensions of what products read.
    """

    world_size: int | None = None
    device: str = ""
    model: str = ""
    extents: frozenset[int] = frozenset()


def trace_facts(about: Mapping[str, Any], extents: frozenset[int]) -> TraceFacts:
    """The facts of a trace.

    Args:
        about: what stands beside its events, of the keys in ``ABOUT``.
        extents: dimensions of what products read.
    """
    run = about.get("distributedInfo")
    world = run.get("world_size") if isinstance(run, dict) else None
    devices = about.get("deviceProperties")
    first = devices[0] if isinstance(devices, list) and devices and isinstance(devices[0], dict) else {}
    model = about.get("model") or about.get("model_name")
    return TraceFacts(
        world_size=world if isinstance(world, int) and not isinstance(world, bool) else None,
        device=str(first.get("name", "")),
        model=model if isinstance(model, str) else "",
        extents=extents,
    )


def product_extents(event: Mapping[str, Any]) -> Iterator[int]:
    """Dimensions of what a product reads; nothing for other events."""
    args = event.get("args")
    dims = args.get("Input Dims") if isinstance(args, dict) else None
    if isinstance(dims, list) and operator_kind(str(event.get("name", ""))) in PRODUCTS:
        for shape in dims:
            yield from (size for size in shape if isinstance(size, int)) if isinstance(shape, list) else ()


def differences(
    facts: TraceFacts, *, devices: int, device: str, network: Network, tensor: int = 1
) -> Iterator[str]:
    """Where a trace and a plan are of different runs, one sentence each.

    Args:
        facts: of the trace.
        devices: of the plan.
        device: what the plan runs on, by its profile's name.
        network: that the plan trains.
        tensor: tensor-parallel degree, which divides dimensions.
    """
    if facts.world_size is not None and facts.world_size != devices:
        yield f"world size: the trace is of {facts.world_size:,} processes, the plan of {devices:,} devices"
    if facts.device and device and not _same_device(facts.device, device):
        yield f"device: the trace is of {facts.device}, the plan of {device}"
    if facts.model and not _same_words(facts.model, network.name):
        yield f"model: the trace is of {facts.model}, the plan of {network.name}"
    if facts.extents and not _has_extents(facts.extents, network, tensor):
        yield f"model: no product of the trace has dimensions of {network.name}, the plan's"


def _same_device(said: str, profile: str) -> bool:
    """Whether a name like ``NVIDIA A100-SXM4-80GB`` is that of a profile like ``a100-sxm-80gb``."""
    found, expected = (set(WORDS.findall(name.lower())) for name in (said, profile))
    models = [word for word in WORDS.findall(profile.lower()) if not word.endswith("gb")]
    sizes = [{word for word in words if word.endswith("gb")} for words in (found, expected)]
    return (not models or models[0] in found) and not (all(sizes) and sizes[0].isdisjoint(sizes[1]))


def _same_words(said: str, name: str) -> bool:
    plain = [re.sub(r"[^a-z0-9]", "", text.lower()) for text in (said.rsplit("/", 1)[-1], name)]
    return plain[0] in plain[1] or plain[1] in plain[0]


def _has_extents(extents: frozenset[int], network: Network, tensor: int) -> bool:
    widths = [
        {operator.shape.columns, operator.shape.depth}
        for block in network.blocks
        for layer in block.layers
        for operator in layer.forward
        if operator.kind is OperatorKind.MATMUL
        and isinstance(operator.shape, MatmulShape)
        and operator.weights
    ]
    if not widths:
        return True
    return any(
        all(width in extents or (width % tensor == 0 and width // tensor in extents) for width in pair)
        for pair in widths
    )


def said(facts: TraceFacts) -> Mapping[str, Any]:
    """The facts for JSON."""
    return {"world_size": facts.world_size, "device_name": facts.device or None, "model": facts.model or None}
