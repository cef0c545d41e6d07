"""Transfers of a step: messages between stages, gathers of parameters and reductions of gradients.

Each has the seconds that it takes alone (:mod:`simdl.step.costs.step_cost`) and what it loads of the ports on
its way (:mod:`simdl.communication.ports`). The ports of a domain are one channel for all ranks behind them,
whatever stage they belong to.
"""

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from simdl.communication import Group, Operation, collective_seconds
from simdl.communication.footprint import footprint
from simdl.communication.library import load_library
from simdl.communication.ports import (
    PortLoad,
    collective_loads,
    hop_loads,
    sent_bytes,
)
from simdl.program.action import Cause, Load, Parts, Purpose, Transfer
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel
from simdl.rank_names import name_ranks
from simdl.step.costs.gradients import Collective, gathers
from simdl.step.costs.step_cost import StepCost, copies_sum, stage_hop, tied_bytes
from simdl.step.costs.update import update_collectives
from workloads.layers.tokens.experts import ALL_GATHER

MEMORY_PASSES = {
    Operation.ALL_REDUCE: 4.0,  # reads two operands and writes one, then reads or writes the result once more
    Operation.REDUCE_SCATTER: 3.0,
    Operation.ALL_GATHER: 2.0,
    Operation.ALL_TO_ALL: 2.0,
}
"""Bytes of device memory that a kernel moves per byte of its message."""


EXCHANGES = {Cause.TENSOR: Cause.TENSOR, Cause.RESHARDING: Cause.TENSOR, Cause.CONTEXT: Cause.CONTEXT}
"""Messages inside passes, by the cause that stands for them."""
ZERO_PARAMETERS = 3  # the stage of ZeRO that gathers parameters beside passes


class Inside(NamedTuple):
    """Messages inside work: their loads, and the share of its seconds in which they are under way."""

    loads: tuple[Load, ...] = ()
    busy: float = 0.0


class StepTransfers:
    """Makes the transfers of one step, and the channels that they load."""

    def __init__(self, step: StepCost, builder: ProgramBuilder) -> None:
        self._step = step
        self._builder = builder
        self._width = step.strategy.tp * step.strategy.replicas
        self._loads: dict[tuple[PortLoad, int], Load] = {}
        self._exchanged: dict[tuple[Cause, float, int], tuple[Load, ...]] = {}
        self._taken: dict[tuple[str, Collective, int], tuple[tuple[Load, ...], float]] = {}

    def send(self, stage: int, *, forward: bool) -> Transfer | None:
        """Result of a pass of a stage to the next one, or gradient to the one before; None if not sent."""
        step = self._step
        boundary = stage if forward else stage - 1
        outside = not forward and stage % step.chain == 0
        seconds = 0.0 if outside else step.transfer[boundary]
        if seconds <= 0:
            return None
        ends = (step.place(boundary), step.place(boundary + 1))[:: 1 if forward else -1]
        nbytes = step.stages[boundary].boundary
        hop = stage_hop(boundary, step.strategy, step.pricing.cluster)
        assert hop is not None  # noqa: S101 - what takes time is sent
        divided = step.stack.scatter_gather and not step.strategy.sequence_parallel
        sent, received = hop_loads(
            nbytes / (step.strategy.tp if divided else 1), hop, step.pricing.cluster, seconds=seconds
        )
        return Transfer(
            purpose=Purpose.SEND_ACTIVATION if forward else Purpose.SEND_GRADIENT,
            cause=Cause.PIPELINE,
            operation=None,
            ranks=2,
            nbytes=nbytes,
            duration=seconds,
            loads=(
                *(self._load(load, ends[0]) for load in sent),
                *(self._load(load, ends[1]) for load in received),
            ),
            stage=stage,
        )

    def inside(self, rank: int, stage: int, parts: Parts) -> Inside:
        """What the messages inside a pass load, where transfers can run beside it."""
        return self.messages_inside(rank, stage, parts) if self._overlaps else Inside()

    def messages_inside(self, rank: int, stage: int, parts: Parts) -> Inside:
        """What the messages inside a pass load.

        The collectives of tensor parallelism, the messages of split layers or the ring of context
        parallelism, whichever take longer, stand for all of them.
        """
        seconds: defaultdict[Cause, float] = defaultdict(float)
        for cause, time in parts:
            seconds[EXCHANGES.get(cause, Cause.BUBBLE)] += time
        cause = max((Cause.TENSOR, Cause.CONTEXT), key=lambda each: seconds[each])
        if not seconds[cause]:
            return Inside()
        nbytes = self._step.stages[stage].boundary
        key = cause, nbytes, rank
        if key not in self._exchanged:
            self._exchanged[key] = self._exchange_loads(*key)
        loads = self._exchanged[key]
        return Inside(loads, seconds[cause] / sum(seconds.values())) if loads else Inside()

    def expert_messages(self, rank: int, stage: int, parts: Parts) -> Inside:
        """What tokens on their way to experts and back load, hidden behind computation or not.

        Their seconds are those that the pass shows, divided by the share that is not hidden. Links are loaded
        as by an all-to-all, or a gather, of the ranks among which experts are divided.
        """
        strategy, stack = self._step.strategy, self._step.stack
        shown = sum(time for cause, time in parts if cause is Cause.EXPERT)
        if not shown or stack.dispatch_overlap >= 1:
            return Inside()
        key = Cause.EXPERT, self._step.stages[stage].boundary, rank
        if key not in self._exchanged:
            operation, group = Operation.ALL_TO_ALL, Group(size=strategy.ep, stride=strategy.expert_tensor)
            if stack.dispatch == ALL_GATHER or strategy.ep == 1:
                operation, group = Operation.ALL_GATHER, Group(size=strategy.ep * strategy.expert_tensor)
            self._exchanged[key] = self._group_loads(operation, key[1], group, rank)
        share = shown / (1 - stack.dispatch_overlap) / sum(time for _, time in parts)
        return Inside(self._exchanged[key], share)

    @cached_property
    def _overlaps(self) -> bool:
        """Whether transfers of this step run beside passes."""
        strategy, stack = self._step.strategy, self._step.stack
        summed = stack.gradient_overlap or stack.parameter_overlap or strategy.zero == ZERO_PARAMETERS
        return (strategy.replicas > 1 and summed) or (strategy.pp > 1 and stack.pipeline_overlap)

    def _exchange_loads(self, cause: Cause, nbytes: float, rank: int) -> tuple[Load, ...]:
        strategy = self._step.strategy
        whole = strategy.tp if strategy.tp > 1 else strategy.split_degree
        group, operation = Group(size=whole), Operation.ALL_REDUCE
        if cause is Cause.CONTEXT:
            group, operation = Group(size=strategy.cp, stride=strategy.tp), Operation.ALL_GATHER
        return self._group_loads(operation, nbytes, group, rank)

    def _group_loads(self, operation: Operation, nbytes: float, group: Group, rank: int) -> tuple[Load, ...]:
        """What a collective of a group loads while it is under way; nothing for one rank or no bytes."""
        cluster, library = self._step.pricing.cluster, self._step.stack.library
        if group.size == 1 or nbytes <= 0:
            return ()
        loads = collective_loads(
            operation,
            nbytes,
            group,
            cluster,
            library=library,
            seconds=collective_seconds(operation, nbytes, group, cluster, library=library),
            width=self._width,
            first=rank * self._width,
        )
        return tuple(self._load(load, rank) for load in loads)

    def gather(self, rank: int, gathered: Collective, stage: int = -1) -> Transfer:
        """A gather of parameters that ZeRO shards."""
        return self._collective(Purpose.GATHER_PARAMETERS, rank, gathered, stage)

    def reduce(self, rank: int, reduced: Collective, stage: int = -1) -> Transfer:
        """A reduction of gradients."""
        return self._collective(Purpose.REDUCE_GRADIENTS, rank, reduced, stage)

    def gather_all(self, rank: int) -> list[Transfer]:
        """Gathers of all parameters of a rank at once."""
        step = self._step
        found = gathers(step.rank_gradients(rank), step.strategy, step.pricing)
        return [self.gather(rank, each) for each in found]

    def reduce_tied(self, rank: int) -> Transfer:
        """Sum of the gradients of an embedding that first and last stage share."""
        step, strategy = self._step, self._step.strategy
        nbytes = tied_bytes(step.workload.network, strategy, step.pricing)
        group = Group(size=2, stride=self._width * (strategy.pp - 1))
        both = Collective(Operation.ALL_REDUCE, group, nbytes, step.tied)
        return self._collective(Purpose.REDUCE_TIED, rank, both, -1)

    def exchange(self, rank: int) -> list[Transfer]:
        """What the update of a rank exchanges: norms, factors, whole matrices."""
        step = self._step
        parameters = sum(share.parameters for share in step.rank_gradients(rank))
        found = update_collectives(parameters, step.strategy, step.workload, step.pricing)
        return [self._collective(Purpose.EXCHANGE_UPDATE, rank, each, -1) for each in found]

    def reduce_copies(self, rank: int) -> Transfer:
        """Sum of the gradients of stages that two pipeline ranks hold."""
        step = self._step
        both = copies_sum(step.rank_gradients(rank), rank, step.strategy, step.pricing)
        return self._collective(Purpose.REDUCE_COPIES, rank, both, -1)

    def sums(self, rank: int) -> Iterator[Transfer]:
        """Sums of gradients that pipeline ranks hold together: a tied embedding, copies of stages."""
        step = self._step
        if step.pipeline.copies > 1:
            yield self.reduce_copies(rank)
        if step.tied > 0 and rank in {0, step.strategy.pp - 1}:
            yield self.reduce_tied(rank)

    def _collective(self, purpose: Purpose, rank: int, made: Collective, stage: int) -> Transfer:
        loads, share = self._taking(self._algorithm(purpose, made), made, rank)
        return Transfer(
            purpose=purpose,
            cause=Cause.DATA,
            operation=made.operation,
            ranks=made.group.size,
            nbytes=made.nbytes,
            duration=made.seconds,
            loads=loads,
            footprint=share,
            stage=stage,
        )

    def _taking(self, algorithm: str, made: Collective, rank: int) -> tuple[tuple[Load, ...], float]:
        """What a collective takes of links and of its devices, which many tasks ask."""
        key = algorithm, made, rank
        if key not in self._taken:
            loads = self._port_loads(algorithm, made, rank) if made.seconds > 0 else ()
            taken = tuple(self._load(load, rank) for load in loads)
            self._taken[key] = taken, self._footprint(algorithm, made)
        return self._taken[key]

    def _algorithm(self, purpose: Purpose, made: Collective) -> str:
        """The stack's own algorithm of gradients, else the library's choice."""
        of_gradients = purpose is Purpose.REDUCE_GRADIENTS and made.operation is Operation.ALL_REDUCE
        return self._step.stack.gradient_algorithm if of_gradients else "auto"

    def _footprint(self, algorithm: str, made: Collective) -> float:
        """What the kernels of a transfer take of its devices: as the stack's rows say, or as they are."""
        stack, cluster = self._step.stack, self._step.pricing.cluster
        inner = cluster.levels[0]
        if inner.link.occupancy and made.group.stride < inner.size:
            return inner.link.occupancy
        if stack.contention is not None or made.seconds <= 0:
            return stack.contention or 0.0
        sent = sent_bytes(
            made.operation,
            made.nbytes,
            made.group,
            cluster,
            library=stack.library,
            algorithm=algorithm,
        )
        traffic, sending = MEMORY_PASSES[made.operation] * made.nbytes, made.seconds - made.copying
        if sending <= 0:
            return 1.0
        share = footprint(
            load_library(stack.library),
            cluster.device,
            rate=sent / sending,
            traffic=traffic / sending,
        )
        return (share * sending + made.copying) / made.seconds

    def _port_loads(self, algorithm: str, made: Collective, rank: int) -> tuple[PortLoad, ...]:
        """What a collective loads of each level."""
        pricing = self._step.pricing
        return collective_loads(
            made.operation,
            made.nbytes,
            made.group,
            pricing.cluster,
            library=pricing.stack.library,
            algorithm=algorithm,
            seconds=made.seconds,
            width=self._width,
            first=rank * self._width,
        )

    def _load(self, load: PortLoad, rank: int) -> Load:
        """The load on the links of the first domain of a pipeline rank."""
        if (load, rank) not in self._loads:
            self._loads[load, rank] = self._channel_load(load, rank)
        return self._loads[load, rank]

    def _channel_load(self, load: PortLoad, rank: int) -> Load:
        port, first = load.port, rank * self._width
        low = first // port.ranks * port.ranks
        direction = "out" if port.outward else "in"
        channel = Channel(
            name=f"{port.label} of {name_ranks(low, port.ranks)}, {direction}",
            bandwidth=port.bandwidth,
            level=port.level,
            reach=port.ranks,
            outward=port.outward,
            first=low,
        )
        return Load(self._builder.channel(channel), load.share, first, load.members)
