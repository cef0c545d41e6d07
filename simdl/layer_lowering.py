"""From a per-layer plan to a schedule: one rank, for all do the same at the same time.

Three streams: kernels, exchanges of layers (halos, gathers, resharding), and gradient sums, which libraries
run on a communicator of their own. Consecutive nodes whose gradients go to the same ranks fill buckets that
are added up beside the rest of the backward pass.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from simdl.collectives import Group
from simdl.layer_cost import Beat, NodeCost, reduce_gradient_time
from simdl.layer_step import LayerStep, edge_times
from simdl.step_cost import gradient_bytes
from simdl.task import Schedule, Stream, Task

COMPUTE, EXCHANGE, COLLECTIVE = 0, 1, 2
LANES = ("compute", "exchange", "collective")
Place = tuple[int, int]  # node, copy of its block
Ends = tuple[int, ...]
Parts = tuple[tuple[str, float], ...]


@dataclass(slots=True)
class _Build:
    """Tasks so far, and those that end each node's passes."""

    step: LayerStep
    tasks: list[Task] = field(default_factory=list)
    ends: dict[Place, Ends] = field(default_factory=dict)

    def add(self, task: Task) -> int:
        self.tasks.append(task)
        return len(self.tasks) - 1


@dataclass(frozen=True, slots=True)
class _Link:
    """A tensor between two places, with the seconds to reshard it and its gradient."""

    source: Place
    target: Place
    forward: float
    backward: float


def lower_layers(step: LayerStep) -> Schedule:
    """The schedule of one step on one rank, three streams."""
    build = _Build(step)
    order = list(_places(step))
    links = list(_links(step))
    _forward(build, order, links)
    _idle(build, 0, order)
    buckets = _backward(build, order, links)
    _idle(build, 1, order)
    buckets.flush()
    update, overhead = step.update_time, step.pricing.stack.step_overhead
    parts = (("optimizer", update), ("overhead", overhead))
    build.add(Task("optimizer", (COMPUTE,), update + overhead, tuple(buckets.sums), parts=parts))
    return Schedule(streams=tuple(Stream(0, lane) for lane in LANES), tasks=tuple(build.tasks))


def _places(step: LayerStep) -> Iterator[Place]:
    """Every node of every copy of every block, in the order of the network."""
    nodes = step.graph.nodes
    first = 0
    while first < len(nodes):
        last = next(
            (index for index in range(first, len(nodes)) if nodes[index].block != nodes[first].block),
            len(nodes),
        )
        for copy in range(nodes[first].count):
            for node in range(first, last):
                yield node, copy
        first = last


def _links(step: LayerStep) -> Iterator[_Link]:
    nodes = step.graph.nodes
    for edge in step.graph.edges:
        forward, backward = edge_times(step, edge)
        count = nodes[edge.target].count
        if edge.back:
            places = [((edge.source, copy - 1), (edge.target, copy)) for copy in range(1, count)]
        elif nodes[edge.source].block == nodes[edge.target].block:
            places = [((edge.source, copy), (edge.target, copy)) for copy in range(count)]
        else:
            places = [((edge.source, nodes[edge.source].count - 1), (edge.target, 0))]
        for source, target in places:
            yield _Link(source, target, forward, backward)


def _forward(build: _Build, order: Sequence[Place], links: Sequence[_Link]) -> None:
    incoming: dict[Place, list[_Link]] = {}
    for link in links:
        incoming.setdefault(link.target, []).append(link)
    for place in order:
        after: Ends = ()
        for link in incoming.get(place, ()):
            after += _reshard(build, build.ends[link.source], link.forward)
        cost = build.step.costs[place[0]]
        build.ends[place] = _beats(build, "forward", cost.forward, after, memory=cost.saved)


def _backward(build: _Build, order: Sequence[Place], links: Sequence[_Link]) -> "_Buckets":
    """Backward passes in reverse order; gradients that still wait to be added up."""
    outgoing: dict[Place, list[_Link]] = {}
    for link in links:
        outgoing.setdefault(link.source, []).append(link)
    buckets = _Buckets(build)
    slow = contention_share(build.step)
    forward = dict(build.ends)
    for place in reversed(order):
        after: Ends = () if place in outgoing else forward[place]
        for link in outgoing.get(place, ()):
            after += _reshard(build, build.ends[link.target], link.backward)
        cost = build.step.costs[place[0]]
        ends = _beats(build, "backward", cost.backward, after, memory=cost.saved, slow=slow)
        build.ends[place] = ends
        buckets.add(cost, ends)
    return buckets


def contention_share(step: LayerStep) -> float:
    """Share by which backward kernels take longer beside gradient sums."""
    stack = step.pricing.stack
    pairs = list(zip(step.graph.nodes, step.costs, strict=True))
    whole = sum(node.count * beat.compute for node, cost in pairs for beat in cost.backward)
    sums = sum(node.count * cost.reduce for node, cost in pairs)
    return stack.contention * min(sums, whole) / whole if stack.gradient_overlap and whole else 0.0


def _beats(
    build: _Build, name: str, beats: Sequence[Beat], after: Ends, *, memory: float, slow: float = 0.0
) -> Ends:
    """The tasks of one pass of a node; those that end it.

    Args:
        build: tasks so far.
        name: ``"forward"``, whose end acquires ``memory`` [bytes], or ``"backward"``, which releases it.
        beats: of the pass.
        after: tasks it waits for.
        memory: [bytes].
        slow: share by which kernels take longer.
    """
    ends = after
    for beat in beats:
        together = []
        if beat.exchange > 0:
            parts: Parts = (("tensor_communication", beat.exchange),)
            together.append(build.add(Task(name, (EXCHANGE,), beat.exchange, ends, parts=parts)))
        if beat.compute > 0:
            extra = beat.compute * slow
            parts = ((name, beat.compute), ("contention", extra)) if extra else ((name, beat.compute),)
            together.append(build.add(Task(name, (COMPUTE,), beat.compute + extra, ends, parts=parts)))
        ends = tuple(together)
    if beats:
        last = build.tasks[ends[-1]]
        held = last._replace(acquire=memory) if name == "forward" else last._replace(release=memory)
        build.tasks[ends[-1]] = held
    return ends


def _reshard(build: _Build, after: Ends, seconds: float) -> Ends:
    if seconds <= 0:
        return after
    parts = (("resharding", seconds),)
    return (build.add(Task("reshard", (EXCHANGE,), seconds, after, parts=parts)),)


def _idle(build: _Build, which: int, order: Sequence[Place]) -> None:
    """What the host takes longer to launch a pass (0 forward, 1 backward) than the device to run it."""
    costs = [build.step.costs[node] for node, _ in order]
    busy = sum(cost.backward_time if which else cost.forward_time for cost in costs)
    starved = max(0.0, sum(cost.host[which] for cost in costs) - busy)
    overhead = build.step.pricing.stack.microbatch_overhead
    parts = tuple((name, s) for name, s in (("launch", starved), ("overhead", overhead)) if s > 0)
    if parts:
        after = build.ends[order[0] if which else order[-1]]
        build.add(Task("launch", (COMPUTE,), starved + overhead, after, parts=parts))


class _Buckets:
    """Gradients by the ranks that hold the same parameters, until as many wait as fill a bucket."""

    def __init__(self, build: _Build) -> None:
        stack = build.step.pricing.stack
        self._build = build
        self._limit = stack.bucket if stack.gradient_overlap else inf
        self._waiting: dict[Group, tuple[int, Ends]] = {}
        self.sums: list[int] = []

    def add(self, cost: NodeCost, ends: Ends) -> None:
        for size in cost.gradients if cost.replicas.size > 1 else ():
            parameters = self._waiting.pop(cost.replicas, (0, ()))[0] + size
            self._waiting[cost.replicas] = (parameters, ends)
            if gradient_bytes(float(parameters), self._build.step.pricing) >= self._limit:
                self._send(cost.replicas)

    def flush(self) -> None:
        for replicas in list(self._waiting):
            self._send(replicas)

    def _send(self, replicas: Group) -> None:
        parameters, ends = self._waiting.pop(replicas)
        pricing = self._build.step.pricing
        seconds = reduce_gradient_time(parameters, replicas, pricing)
        parts = (("data_communication", seconds),)
        after = ends if self._limit < inf else (*ends, len(self._build.tasks) - 1)
        nbytes = gradient_bytes(float(parameters), pricing)
        task = Task("sum gradients", (COLLECTIVE,), seconds, after, parts=parts, nbytes=nbytes)
        self.sums.append(self._build.add(task))
