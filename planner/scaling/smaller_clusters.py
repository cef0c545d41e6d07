"""What fewer nodes could do: on every smaller cluster the least time of a step with a strategy that fits.

Bounds, not simulations: on few devices a step has so many microbatches that simulating it would take
minutes. The bound of :mod:`planner.bounds.estimate` is the least that a simulated step can take.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from planner.bounds.estimate import estimate_bounds
from planner.console.format import format_strategy
from planner.questions.question import Question
from planner.scaling.curves import node_counts
from planner.search.plan import stack_limits
from planner.space.candidates import enumerate_space
from simdl.step.simulate import price


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterBound:
    """One number of nodes.

    Attributes:
        nodes, devices: of the cluster.
        bound: [s] that a step takes at least.
        memory: [bytes] of a device at the peak, of the strategy with this bound.
        strategy: that strategy, in words.
    """

    nodes: int
    devices: int
    bound: float
    memory: float
    strategy: str


def smaller_clusters(question: Question) -> tuple[ClusterBound, ...]:
    """The cluster and its halvings, fewest nodes first; without those that nothing fits on."""
    return tuple(_bounds(question))


def _bounds(question: Question) -> Iterator[ClusterBound]:
    limits = stack_limits(question.stack)
    for nodes in node_counts(1, question.cluster.count):
        cluster = replace(question.cluster, count=nodes)
        space = enumerate_space(question.workload, cluster, limits=limits)
        if not len(space):
            continue
        bounds = estimate_bounds(
            space, question.workload, price(question.workload, cluster, stack=question.stack)
        )
        best, least = next(bounds.in_order(np.arange(len(space))), (-1, 0.0))
        if best < 0:
            continue
        yield ClusterBound(
            nodes=nodes,
            devices=cluster.devices,
            bound=least,
            memory=float(bounds.memory_of(np.array([best]))[0]),
            strategy=format_strategy(space.strategy(best)),
        )
