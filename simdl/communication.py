"""What a rank sends in a step, by collective: how often, how much, how long, whether hidden or not.

Messages between passes are tasks of the schedule; the collectives of tensor parallelism and the ring of
context parallelism run within passes and are counted from what every pass runs.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from simdl.activations import recomputed_layers
from simdl.block_kernels import context_transfers
from simdl.collectives import Operation
from simdl.layer_splits.arrangement import Arrangement
from simdl.layer_splits.block_costs import reshard_messages
from simdl.operator_times import blocks_by_stage
from simdl.pass_contents import Division, phase_messages
from simdl.step_cost import StepCost, division_of
from simdl.strategy import Recompute, Strategy
from simdl.timeline import Timeline
from workloads.network import Block

POINT_TO_POINT = "point_to_point"
Amount = tuple[str, str, float, float, float]  # purpose, collective, count, [bytes], [s]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageUse:
    """All messages of a step with one purpose, on the mean pipeline rank.

    Attributes:
        purpose: such as ``"reduce gradients"``.
        collective: operation of the library, such as ``"reduce_scatter"``.
        count: messages.
        nbytes: [bytes] of all of them.
        seconds: [s] that they take, hidden or not.
    """

    purpose: str
    collective: str
    count: float
    nbytes: float
    seconds: float


def message_uses(step: StepCost, timeline: Timeline) -> tuple[MessageUse, ...]:
    """By purpose and collective, those that take longest first."""
    found: dict[tuple[str, str], list[float]] = {}
    for purpose, collective, *amounts in (*_tasks(step, timeline), *_passes(step)):
        total = found.setdefault((purpose, collective), [0.0, 0.0, 0.0])
        for place, amount in enumerate(amounts):
            total[place] += amount
    uses = [
        MessageUse(purpose=purpose, collective=collective, count=count, nbytes=nbytes, seconds=seconds)
        for (purpose, collective), (count, nbytes, seconds) in found.items()
    ]
    return tuple(sorted(uses, key=lambda use: -use.seconds))


def _tasks(step: StepCost, timeline: Timeline) -> Iterator[Amount]:
    """Messages of the schedule, added up by name, mean over ranks."""
    found: dict[str, list[float]] = {}
    for task in timeline.schedule.tasks:
        if task.nbytes:
            total = found.setdefault(task.name, [0.0, 0.0, 0.0])
            shares = len(task.streams)  # a rendezvous counts on each of its ranks
            total[0] += shares
            total[1] += shares * task.nbytes
            total[2] += shares * task.duration
    ranks = len({stream.rank for stream in timeline.schedule.streams})
    for name, (count, nbytes, seconds) in found.items():
        yield name, collective_of(name, step.strategy), count / ranks, nbytes / ranks, seconds / ranks


def collective_of(task: str, strategy: Strategy) -> str:
    """Operation behind a message of the schedule; the first where hybrid sharding takes two."""
    if task.startswith("send"):
        return POINT_TO_POINT
    if task == "gather parameters":
        return Operation.ALL_GATHER.value
    sharded = task == "reduce gradients" and strategy.zero and strategy.shards > 1
    return (Operation.REDUCE_SCATTER if sharded else Operation.ALL_REDUCE).value


def _passes(step: StepCost) -> Iterator[Amount]:
    """Messages within passes, mean over pipeline ranks."""
    division = division_of(step.strategy)
    counts = Counter(index for indices in blocks_by_stage(step) for index in indices)
    for index, count in counts.items():
        times = count * step.microbatches / step.strategy.pp
        for purpose, collective, messages, nbytes, seconds in _block(step, division, index):
            sent = times * messages
            yield purpose, collective, sent, sent * nbytes, sent * seconds


def _block(step: StepCost, division: Division, index: int) -> Iterator[Amount]:
    """Messages of one block for one microbatch: forward, backward, and what runs again before that."""
    pricing, block = step.pricing, step.workload.network.blocks[index]
    mode = step.strategy.recompute if block.recomputable else Recompute.NONE
    again = recomputed_layers(block, mode, pricing.stack)
    phases = ("forward", "backward", *(("recompute",) if again == block.layers else ()))
    purpose = "layer splits" if isinstance(division, Arrangement) else "tensor parallelism"
    for phase in phases:
        for _, operation, nbytes, seconds in phase_messages(pricing, division, block, phase):
            yield purpose, operation, 1, nbytes, seconds
    if isinstance(division, Arrangement):
        yield from _resharding(step, division, block, phases)
        return
    for layers, backward in ((block.layers, False), (block.layers, True), (again, False)):
        for _, nbytes, seconds in context_transfers(pricing, division, layers, backward=backward):
            yield "context parallelism", POINT_TO_POINT, division.cp - 1, nbytes, seconds


def _resharding(
    step: StepCost, division: Arrangement, block: Block, phases: tuple[str, ...]
) -> Iterator[Amount]:
    """Layout changes of one block, mean over its copies, of which the first reads another block."""
    for first, copies in ((True, 1), (False, block.count - 1)):
        for phase in phases if copies else ():
            for _, operation, nbytes, seconds in reshard_messages(
                step.pricing, division, block, first=first, backward=phase == "backward"
            ):
                yield "resharding", operation, copies / block.count, nbytes, seconds
