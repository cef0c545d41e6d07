"""Seconds of every layer, forward and backward, in steps of their own.

Forward: a clock before and after each module. Backward: autograd nodes that a module made are found from its
output, and a clock runs around each of them, so layers that work in place are measured as they are. The
engine's own work between nodes (adding up gradients of forked tensors) belongs to no layer.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from statistics import median

import torch
from torch.autograd.graph import Node

from validation.reference_trainer.case import LayerTime
from validation.reference_trainer.devices import synchronize
from validation.reference_trainer.trainer import Trainer

STEPS = 5
"""Instrumented steps whose median counts, after one that warms up."""


class Clock:
    """Adds up the seconds of named places in the current step."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._started: dict[object, float] = {}
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def start(self, key: object) -> None:
        """Note the time."""
        synchronize(self._device)
        self._started[key] = time.perf_counter()

    def stop(self, key: object, place: str) -> None:
        """Add what passed since the start to a place."""
        synchronize(self._device)
        self.seconds[place] += time.perf_counter() - self._started.pop(key)


def measure_layers(trainer: Trainer, device: torch.device, *, steps: int = STEPS) -> tuple[LayerTime, ...]:
    """Median seconds of every layer of this rank over a few steps."""
    forward, backward = Clock(device), Clock(device)
    layers = [entry for stage in trainer.stages for entry in stage.layer_modules()]
    handles = [handle for name, _, module in layers for handle in _watch(name, module, forward, backward)]
    taken: list[tuple[dict[str, float], dict[str, float]]] = []
    try:
        for _ in range(steps + 1):
            forward.seconds.clear()
            backward.seconds.clear()
            trainer.step()
            taken.append((dict(forward.seconds), dict(backward.seconds)))
    finally:
        for handle in handles:
            handle.remove()
    return tuple(
        LayerTime(
            name=name,
            kind=kind,
            forward=median(seconds.get(name, 0.0) for seconds, _ in taken[1:]),
            backward=median(seconds.get(name, 0.0) for _, seconds in taken[1:]),
        )
        for name, kind, _ in layers
    )


def _watch(
    name: str, module: torch.nn.Module, forward: Clock, backward: Clock
) -> Iterator[torch.utils.hooks.RemovableHandle]:
    known: set[Node | None] = set()  # taken before the module runs, which may write over its input

    def before(_: torch.nn.Module, inputs: object) -> None:
        known.clear()
        known.update(tensor.grad_fn for tensor in _tensors(inputs))
        forward.start(name)

    def after(_: torch.nn.Module, __: object, output: object) -> None:
        forward.stop(name, name)
        for node in _nodes(output, known):
            _time_node(node, name, backward)

    yield module.register_forward_pre_hook(before)
    yield module.register_forward_hook(after)


def _time_node(node: Node, name: str, clock: Clock) -> None:
    key = object()
    node.register_prehook(lambda _: clock.start(key))
    node.register_hook(lambda _, __: clock.stop(key, name))


def _nodes(output: object, known: set[Node | None]) -> Iterator[Node]:
    """Autograd nodes between an output and what was known before, with the accumulation into parameters."""
    waiting = [tensor.grad_fn for tensor in _tensors(output)]
    seen = {None, *known}
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            yield node
            waiting.extend(following for following, _ in node.next_functions)


def _tensors(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors(item)
