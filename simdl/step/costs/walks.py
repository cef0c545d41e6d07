"""Walks: passes over recurrent layers opened up into their steps, each of which waits for the one before.

A pass is one task. Where a block holds recurrent layers it is a chain instead: what comes before a layer's
walk, one task per step, what comes after it. The chain lasts as long as the one task would; steps of long
walks go several together, so that a step of training has ``TASKS`` such tasks at most.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from simdl.kernels.block_kernels import NamedKernel
from simdl.kernels.kernel import Recurrence
from simdl.kernels.pricing import Pricing, priced
from workloads.network import Block
from workloads.operators import Pass

TASKS = 20_000
LEAST = 4  # tasks of a pass, below which it stays one


@dataclass(frozen=True, slots=True)
class Walk:
    """Kernels of a pass that follow one another.

    Attributes:
        name: recurrent layer; ``""`` for kernels that do not walk.
        steps: of the walk; 1 for other kernels.
        seconds: [s] of all of it on the device.
    """

    name: str
    steps: int
    seconds: float


@lru_cache(maxsize=4096)
def walks_of(block: Block) -> bool:
    """Whether a block holds a layer that walks through the steps of a sequence."""
    return any(
        operator.steps > 1 for layer in block.layers for which in Pass for operator in layer.operators(which)
    )


def kernel_walks(pricing: Pricing, kernels: Sequence[NamedKernel]) -> tuple[Walk, ...]:
    """Kernels in launch order; those of one layer's walk together, as those between walks."""
    found: list[Walk] = []
    for layer, kernel in kernels:
        seconds = priced(pricing, [kernel]).device
        walking = isinstance(kernel.shape, Recurrence)
        steps = kernel.shape.steps if isinstance(kernel.shape, Recurrence) else 1
        name = layer if walking else ""
        if found and found[-1].name == name:
            last = found.pop()
            steps, seconds = max(steps, last.steps), seconds + last.seconds
        found.append(Walk(name, steps, seconds))
    return tuple(found)


def unrolled(walks: Sequence[Walk], *, tasks: int) -> Iterator[tuple[str, float]]:
    """Label and share of every task of a pass, ``tasks`` at most; nothing where it stays one.

    Args:
        walks: of the pass, in order.
        tasks: that it may become.
    """
    plain = sum(walk.steps == 1 for walk in walks)
    steps = sum(walk.steps for walk in walks) - plain
    total = sum(walk.seconds for walk in walks)
    room = tasks - plain
    if not steps or room < LEAST or total <= 0:
        return
    together = max(1, -(-steps // max(1, room - (len(walks) - plain))))
    for walk in walks:
        for first in range(0, walk.steps, together):
            last = min(first + together, walk.steps)
            yield _label(walk, first, last), walk.seconds / total * (last - first) / walk.steps


def _label(walk: Walk, first: int, last: int) -> str:
    if walk.steps == 1:
        return ""
    which = f"step {last}" if last == first + 1 else f"steps {first + 1} to {last}"
    return f"{walk.name} {which}"
