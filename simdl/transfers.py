"""Transfers of a step: messages between stages, gathers of parameters and reductions of gradients.

Each has the seconds that it takes alone (:mod:`simdl.step_cost`) and what it loads of the ports on its way
(:mod:`simdl.collectives.ports`). The ports of a domain are one channel for all ranks behind them, whatever
stage they belong to.
"""

from collections.abc import Iterable, Iterator, Sequence

from simdl.collectives import Group, Operation
from simdl.collectives.footprint import footprint
from simdl.collectives.library import load_library
from simdl.collectives.ports import (
    PortLoad,
    collective_loads,
    hop_loads,
    port_bandwidth,
    reach,
    sent_bytes,
)
from simdl.program.action import Purpose, Cause, Load, Transfer
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel
from simdl.step_cost import (
    Call,
    StepCost,
    copies_sum,
    copies_sum_time,
    gather_time,
    gradient_bytes,
    reduce_time,
    stage_hop,
    tied_bytes,
)

MEMORY_PASSES = {
    Operation.ALL_REDUCE: 4.0,  # reads two operands and writes one, then reads or writes the result once more
    Operation.REDUCE_SCATTER: 3.0,
    Operation.ALL_GATHER: 2.0,
}
"""Bytes of device memory that a kernel moves per byte of its message."""


class StepTransfers:
    """Makes the transfers of one step, and the channels that they load."""

    def __init__(self, step: StepCost, builder: ProgramBuilder) -> None:
        self._step = step
        self._builder = builder
        self._width = step.strategy.tp * step.strategy.replicas

    def send(self, stage: int, *, forward: bool) -> Transfer | None:
        """Result of a pass of a stage to the next one, or gradient to the one before; None if none is sent."""
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
        load = hop_loads(
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
                self._load(load, ends[0], outward=True),
                self._load(load, ends[1], outward=False),
            ),
            stage=stage,
        )

    def gather(self, rank: int, parameters: float, stage: int = -1) -> Transfer:
        """Gather of the parameters that ZeRO shards."""
        strategy, pricing = self._step.strategy, self._step.pricing
        nbytes = parameters * pricing.precision.parameter
        seconds = gather_time(parameters, strategy, pricing)
        call: Call = (
            Operation.ALL_GATHER,
            nbytes,
            Group(size=strategy.shards, stride=strategy.tp),
            "auto",
        )
        return self._collective(Purpose.GATHER_PARAMETERS, rank, (call,), nbytes, seconds, stage)

    def reduce(self, rank: int, parameters: float, seconds: float, stage: int = -1) -> Transfer:
        """Reduction of a gradient, which takes ``seconds`` [s] alone."""
        nbytes = gradient_bytes(parameters, self._step.pricing)
        calls = self._reductions(nbytes)
        return self._collective(Purpose.REDUCE_GRADIENTS, rank, calls, nbytes, seconds, stage)

    def reduce_all(self, rank: int) -> Transfer:
        """Reduction of a rank's whole gradient at once."""
        parameters = sum(stage.parameters for stage in self._step.rank_stages(rank))
        seconds = reduce_time(parameters, self._step.strategy, self._step.pricing)
        return self.reduce(rank, parameters, seconds)

    def reduce_tied(self, rank: int) -> Transfer:
        """Sum of the gradients of an embedding that first and last stage share."""
        step, strategy = self._step, self._step.strategy
        nbytes = tied_bytes(step.workload.network, strategy, step.pricing)
        group = Group(size=2, stride=self._width * (strategy.pp - 1))
        call: Call = (Operation.ALL_REDUCE, nbytes, group, "auto")
        return self._collective(Purpose.REDUCE_TIED, rank, (call,), nbytes, step.tied, -1)

    def reduce_copies(self, rank: int) -> Transfer:
        """Sum of the gradients of stages that two pipeline ranks hold."""
        step, strategy = self._step, self._step.strategy
        parameters = sum(stage.parameters for stage in step.rank_stages(rank))
        call = copies_sum(parameters, rank, strategy, step.pricing)
        seconds = copies_sum_time(parameters, rank, strategy, step.pricing)
        return self._collective(Purpose.REDUCE_COPIES, rank, (call,), call[1], seconds, -1)

    def _reductions(self, nbytes: float) -> tuple[Call, ...]:
        """What :func:`simdl.step_cost.reduce_time` adds up."""
        strategy, algorithm = self._step.strategy, self._step.stack.gradient_algorithm
        if strategy.zero == 0:
            group = Group(size=strategy.replicas, stride=strategy.tp)
            return ((Operation.ALL_REDUCE, nbytes, group, algorithm),)
        shards = strategy.shards
        inner = Group(size=shards, stride=strategy.tp)
        outer = Group(size=strategy.replicas // shards, stride=strategy.tp * shards)
        return (
            (Operation.REDUCE_SCATTER, nbytes, inner, "auto"),
            (Operation.ALL_REDUCE, nbytes / shards, outer, algorithm),
        )

    def _collective(
        self,
        purpose: Purpose,
        rank: int,
        calls: tuple[Call, ...],
        nbytes: float,
        seconds: float,
        stage: int,
    ) -> Transfer:
        real = [call for call in calls if call[2].size > 1]
        return Transfer(
            purpose=purpose,
            cause=Cause.DATA,
            operation=real[0][0] if real else None,
            ranks=max((call[2].size for call in real), default=1),
            nbytes=nbytes,
            duration=seconds,
            loads=tuple(self._both_ways(self._port_loads(real, seconds), rank)) if seconds > 0 else (),
            footprint=self._footprint(real, seconds),
            stage=stage,
        )

    def _footprint(self, calls: Sequence[Call], seconds: float) -> float:
        """What the kernels of a transfer take of its devices: as the stack's rows say, or as they are."""
        stack, cluster = self._step.stack, self._step.pricing.cluster
        if stack.contention is not None or seconds <= 0:
            return stack.contention or 0.0
        library = load_library(stack.library)
        rate = sum(sent_bytes(*call[:3], cluster, library=stack.library, algorithm=call[3]) for call in calls)
        traffic = sum(MEMORY_PASSES[call[0]] * call[1] for call in calls)
        return footprint(library, cluster.device, rate=rate / seconds, traffic=traffic / seconds)

    def _port_loads(self, calls: Iterable[Call], seconds: float) -> Iterator[PortLoad]:
        """What the calls of one transfer load of each level, all in ``seconds`` [s]."""
        pricing = self._step.pricing
        found: dict[int, PortLoad] = {}
        for operation, nbytes, group, algorithm in calls:
            for load in collective_loads(
                operation,
                nbytes,
                group,
                pricing.cluster,
                library=pricing.stack.library,
                algorithm=algorithm,
                seconds=seconds,
                width=self._width,
            ):
                before = found.get(load.level)
                share = min(1.0, load.share + (before.share if before else 0.0))
                found[load.level] = PortLoad(load.level, share, load.members)
        yield from found.values()

    def _both_ways(self, loads: Iterable[PortLoad], rank: int) -> Iterator[Load]:
        for load in loads:
            yield self._load(load, rank, outward=True)
            yield self._load(load, rank, outward=False)

    def _load(self, load: PortLoad, rank: int, *, outward: bool) -> Load:
        """The load on the ports of the first domain of a pipeline rank."""
        cluster, first = self._step.pricing.cluster, rank * self._width
        behind = reach(load.level, cluster)
        level = cluster.levels[load.level]
        low = first // behind * behind
        direction = "out" if outward else "in"
        channel = Channel(
            name=f"{level.link.name} of ranks {low} to {low + behind - 1}, {direction}",
            bandwidth=port_bandwidth(load.level, cluster),
            level=load.level,
            reach=behind,
            outward=outward,
        )
        return Load(self._builder.channel(channel), load.share, first, load.members)
