"""What a rank sends in a step, by collective: how often, how much, how long, whether hidden or not.

Messages between passes are tasks of the schedule; the collectives of tensor parallelism and the ring of
context parallelism run within passes and are counted from what every pass runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simdl.engine.timeline import Timeline
from simdl.kernels.block_kernels import context_transfers, expert_exchanges, layer_exchanges
from simdl.kernels.sharding import ring_hops
from simdl.memory.activations import recomputed_layers
from simdl.program.action import Cause, Transfer
from simdl.report.operator_times import block_counts
from simdl.splits.arrangement import Arrangement
from simdl.splits.block_costs import reshard_messages
from simdl.step.costs.pass_contents import Division, phase_messages
from simdl.step.costs.step_cost import StepCost, division_of
from simdl.step.strategy import Recompute
from workloads.layer import Layer
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
    for purpose, collective, *amounts in (*_tasks(timeline), *_passes(step)):
        total = found.setdefault((purpose, collective), [0.0, 0.0, 0.0])
        for place, amount in enumerate(amounts):
            total[place] += amount
    uses = [
        MessageUse(purpose=purpose, collective=collective, count=count, nbytes=nbytes, seconds=seconds)
        for (purpose, collective), (count, nbytes, seconds) in found.items()
    ]
    return tuple(sorted(uses, key=lambda use: -use.seconds))


def _tasks(timeline: Timeline) -> Iterator[Amount]:
    """Messages of the program, added up by action, mean over ranks of one step."""
    program = timeline.program
    sends = np.array(
        [isinstance(each, Transfer) and each.cause is not Cause.INPUT for each in program.actions], dtype=bool
    )
    action = np.frombuffer(program.action, dtype=np.intc)
    sent = np.flatnonzero(sends[action])
    shares = np.ones(len(program))  # a rendezvous counts on each of its ranks
    for index, streams in program.held.items():
        shares[index] = len(streams)
    seconds = np.frombuffer(timeline.end)[sent] - np.frombuffer(timeline.start)[sent]
    total, lasting = (
        np.bincount(action[sent], weights=each, minlength=len(program.actions))
        for each in (shares[sent], shares[sent] * seconds)
    )
    numbers, first = np.unique(action[sent], return_index=True)
    counts = {
        int(number): (float(total[number]), float(lasting[number])) for number in numbers[np.argsort(first)]
    }
    ranks = len({stream.rank for stream in program.streams}) * timeline.steps
    for number, (count, time) in counts.items():
        message = program.actions[number]
        assert isinstance(message, Transfer)  # noqa: S101 - counted above
        collective = POINT_TO_POINT if message.operation is None else message.operation.value
        yield message.purpose.value, collective, count / ranks, count * message.nbytes / ranks, time / ranks


def _passes(step: StepCost) -> Iterator[Amount]:
    """Messages within passes, mean over pipeline ranks."""
    division = division_of(step.strategy)
    for (index, (mode, again)), count in block_counts(step).items():
        times = count * step.microbatches / step.pipeline.copies / step.strategy.pp
        for purpose, collective, messages, nbytes, seconds in _block(step, division, index, mode, again):
            sent = times * messages
            yield purpose, collective, sent, sent * nbytes, sent * seconds


def _block(step: StepCost, division: Division, index: int, mode: Recompute, again: int) -> Iterator[Amount]:
    """Messages of one block for one microbatch: forward, backward, and what runs again before that."""
    block = step.pricing.network.blocks[index]
    redone = recomputed_layers(block, mode, step.stack)
    for phase, layers in (
        ("forward", block.layers),
        ("backward", block.layers),
        ("recompute", redone),
        *(("recompute", block.layers),) * again,
    ):
        yield from _phase(step, division, block, phase, layers)


def _phase(
    step: StepCost, division: Division, block: Block, phase: str, layers: tuple[Layer, ...]
) -> Iterator[Amount]:
    """Messages of one phase over some layers of a block, products of which are divided if all run."""
    pricing, backward = step.pricing, phase == "backward"
    if layers == block.layers:
        purpose = "layer splits" if isinstance(division, Arrangement) else "tensor parallelism"
        for _, operation, nbytes, seconds in phase_messages(pricing, division, block, phase):
            yield purpose, operation, 1, nbytes, seconds
    if isinstance(division, Arrangement):
        yield from _resharding(step, division, block, (phase,) if layers else ())
        return
    for layer, nbytes, seconds in context_transfers(pricing, division, layers, backward=backward):
        assert layer.core is not None  # noqa: S101 - what has transfers has a core
        hops = ring_hops(layer.core, division.cp)
        yield "context parallelism", POINT_TO_POINT, hops, nbytes, seconds
    for _, operation, nbytes, seconds in layer_exchanges(pricing, division, layers, backward=backward):
        yield "exchange between parts", operation.value, 1, nbytes, seconds
    for _, operation, nbytes, seconds in expert_exchanges(pricing, division, layers, backward=backward):
        yield "tokens to experts and back", operation.value, 1, nbytes, seconds


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
