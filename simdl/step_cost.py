"""Everything one step costs, before it is put in order: stages, transfers, collectives.

The lowering turns it into tasks, the memory model into bytes and the planner's bound into arrays, so all
three agree by construction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hardware.cluster import Cluster
from simdl.block_cost import block_costs
from simdl.collectives import Group, Hop, Operation, collective_time, find_hop, hop_time
from simdl.kernel import Kernel
from simdl.pipelines import Pipeline, pipeline
from simdl.pipelines.passes import PassKind
from simdl.pricing import Pricing
from simdl.sharding import Shard
from simdl.stack import Amount, Stack
from simdl.stage import PassCost, StageCost, pass_cost, stage_blocks, stage_cost, stage_works
from simdl.strategy import Strategy, unsupported, without_effect
from workloads.network import Network
from workloads.operators import OperatorKind
from workloads.workload import Workload

Call = tuple[Operation, float, Group, str]
"""A collective: operation, [bytes] of the message, ranks, algorithm."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepCost:
    """One step of one strategy, unordered.

    Attributes:
        strategy, workload, pricing: the question and its prices.
        microbatches: per replica.
        stages: virtual stages in chain order, once more for every further copy of the schedule.
        transfer: [s] per virtual stage of sending one microbatch's output on (0 for the last).
        optimizer: [s] per pipeline rank.
        tied: [s] of the all-reduce of a tied embedding between first and last stage.
        warnings: assumptions and extrapolations behind the prices.
    """

    strategy: Strategy
    workload: Workload
    pricing: Pricing
    microbatches: int
    stages: tuple[StageCost, ...]
    transfer: tuple[float, ...]
    optimizer: tuple[float, ...]
    tied: float
    warnings: tuple[str, ...] = ()

    @property
    def stack(self) -> Stack:
        """The software the step runs on."""
        return self.pricing.stack

    @property
    def pipeline(self) -> Pipeline:
        """The schedule."""
        return pipeline(self.strategy.schedule)

    @property
    def chain(self) -> int:
        """Virtual stages that a microbatch runs through."""
        return self.strategy.pp * self.strategy.virtual_stages

    def place(self, stage: int) -> int:
        """Pipeline rank of a virtual stage."""
        return self.pipeline.place(stage, self.strategy.pp, self.strategy.virtual_stages)

    def rank_stages(self, rank: int) -> tuple[StageCost, ...]:
        """Virtual stages of one pipeline rank."""
        return tuple(stage for index, stage in enumerate(self.stages) if self.place(index) == rank)

    def pass_cost(self, passes: Sequence[tuple[PassKind, int]]) -> PassCost:
        """A pass of one kind over a stage, or several that run interleaved as one."""
        works = [
            work for kind, stage in passes for work in stage_works(self.stages[stage].blocks, kind.phases)
        ]
        return pass_cost(works, self.stack, overlapped=len(passes) > 1)


def shard_of(strategy: Strategy) -> Shard:
    """The part of a microbatch one rank works on."""
    return Shard(
        tp=strategy.tp,
        cp=strategy.cp,
        sequence_parallel=strategy.sequence_parallel,
        micro_batch=strategy.micro_batch,
        pipelined=strategy.pp > 1,
    )


def cut_step_cost(workload: Workload, strategy: Strategy, pricing: Pricing, cut: Sequence[int]) -> StepCost:
    """Price one step with so many blocks per virtual stage."""
    costs = block_costs(pricing, shard_of(strategy), strategy.recompute)
    chain = tuple(
        stage_cost(tuple(costs[index] for index in blocks)) for blocks in stage_blocks(workload.network, cut)
    )
    stages = chain * pipeline(strategy.schedule).copies
    return StepCost(
        strategy=strategy,
        workload=workload,
        pricing=pricing,
        microbatches=strategy.microbatches(workload.global_batch),
        stages=stages,
        transfer=tuple(_transfers(stages, strategy, pricing)),
        optimizer=tuple(
            optimizer_time(parameters, workload, strategy, pricing)
            for parameters in _rank_parameters(stages, strategy)
        ),
        tied=tied_time(workload, strategy, pricing),
        warnings=(
            *without_effect(strategy, workload),
            *(
                f"{problem}; the stack's numbers are assumed to hold"
                for problem in unsupported(strategy, pricing.stack)
            ),
        ),
    )


def _rank_parameters(stages: tuple[StageCost, ...], strategy: Strategy) -> list[float]:
    """Elements that each pipeline rank keeps before ZeRO."""
    place = pipeline(strategy.schedule).place
    held = [0.0] * strategy.pp
    for index, stage in enumerate(stages):
        held[place(index, strategy.pp, strategy.virtual_stages)] += stage.parameters
    return held


def _transfers(stages: tuple[StageCost, ...], strategy: Strategy, pricing: Pricing) -> Iterator[float]:
    chain = strategy.pp * strategy.virtual_stages
    for boundary, stage in enumerate(stages):
        hop = stage_hop(boundary, strategy, pricing.cluster) if (boundary + 1) % chain else None
        yield 0.0 if hop is None else transfer_time(stage.boundary, hop, strategy, pricing)


def stage_hop(boundary: int, strategy: Strategy, cluster: Cluster) -> Hop | None:
    """Hop from virtual stage ``boundary`` to the next, or back, by all ranks of the stage at once.

    None where both are on one pipeline rank.
    """
    place = pipeline(strategy.schedule).place
    first, second = (place(s, strategy.pp, strategy.virtual_stages) for s in (boundary, boundary + 1))
    if first == second:
        return None
    return _rank_hop(min(first, second), max(first, second), strategy.tp * strategy.replicas, cluster)


@lru_cache(maxsize=65536)
def _rank_hop(first: int, second: int, width: int, cluster: Cluster) -> Hop:
    """Hop between two pipeline ranks, each ``width`` ranks of the cluster wide."""
    return find_hop(first * width, second * width + width - 1, senders=width, cluster=cluster)


def transfer_time(nbytes: float, hop: Hop, strategy: Strategy, pricing: Pricing) -> float:
    """[s] to send one microbatch's activations (or their gradient) over a hop to the neighbouring stage.

    Without sequence parallelism every tensor-parallel rank holds the whole boundary; with scatter-gather
    each sends 1/t of it and the receivers gather it inside the node (Narayanan et al. 2021, section 4.1).
    """
    library = pricing.stack.library
    if not (pricing.stack.scatter_gather and strategy.tp > 1 and not strategy.sequence_parallel):
        return hop_time(nbytes, hop, pricing.cluster, library=library)
    gather = collective_time(
        Operation.ALL_GATHER, nbytes, Group(size=strategy.tp, stride=1), pricing.cluster, library=library
    )
    return hop_time(nbytes / strategy.tp, hop, pricing.cluster, library=library) + gather.time


def gradient_bytes(parameters: Amount, pricing: Pricing) -> Amount:
    """[bytes] of the gradient that is reduced; never in fewer than the backward pass writes."""
    return parameters * max(pricing.stack.gradient_size, pricing.precision.gradient)


def reduce_time(parameters: float, strategy: Strategy, pricing: Pricing) -> float:
    """[s] to reduce the gradient of some parameters over all replicas.

    Without ZeRO an all-reduce; with it a reduce-scatter over the shards and, where several sharded copies
    exist, an all-reduce of each shard across them (Rajbhandari et al. 2020).
    """
    if strategy.replicas == 1:
        return 0.0
    nbytes = gradient_bytes(parameters, pricing)
    if strategy.zero == 0:
        return gradient_sum_time(nbytes, Group(size=strategy.replicas, stride=strategy.tp), pricing)
    shards = strategy.shards
    scatter = _over_replicas(Operation.REDUCE_SCATTER, nbytes, shards, strategy.tp, pricing)
    return scatter / pricing.stack.reduction_speed + copies_time(nbytes / shards, strategy, pricing)


def copies_time(nbytes: float, strategy: Strategy, pricing: Pricing) -> float:
    """[s] to all-reduce one shard across the sharded copies of a hybrid-sharded model."""
    copies = strategy.replicas // strategy.shards
    return gradient_sum_time(nbytes, Group(size=copies, stride=strategy.tp * strategy.shards), pricing)


def gradient_sum_time(nbytes: float, group: Group, pricing: Pricing) -> float:
    """[s] to all-reduce ``nbytes`` of gradients, by the stack's algorithm and at its speed.

    Raises:
        CollectiveError: the algorithm does not apply to the group.
    """
    stack = pricing.stack
    cost = collective_time(
        Operation.ALL_REDUCE, nbytes, group, pricing.cluster, stack.library, stack.gradient_algorithm
    )
    return cost.time / stack.reduction_speed


def gather_time(parameters: float, strategy: Strategy, pricing: Pricing) -> float:
    """[s] to gather the parameters that ZeRO shards."""
    nbytes = parameters * pricing.precision.parameter
    return _over_replicas(Operation.ALL_GATHER, nbytes, strategy.shards, strategy.tp, pricing)


def _over_replicas(operation: Operation, nbytes: float, size: int, stride: int, pricing: Pricing) -> float:
    if size == 1 or nbytes <= 0:
        return 0.0
    group = Group(size=size, stride=stride)
    return collective_time(operation, nbytes, group, pricing.cluster, library=pricing.stack.library).time


def optimizer_time(parameters: float, workload: Workload, strategy: Strategy, pricing: Pricing) -> float:
    """[s] of the update of one rank's share: gradient, master and state words stream through memory once."""
    owned = parameters / strategy.shards
    precision, optimizer = workload.precision, workload.optimizer
    kept = optimizer.moments * precision.moment + (precision.master or precision.parameter)
    words = 2 * kept + gradient_bytes(1, pricing)
    copies = precision.parameter if precision.master else 0
    nbytes = owned * (words + copies + pricing.stack.optimizer_traffic)
    name = f"{optimizer.name} update"
    update = Kernel(name, OperatorKind.ELEMENTWISE, owned * optimizer.flops, nbytes, precision.matmul)
    return pricing.cost_model.kernel_time(update)


def copies_sum(parameters: float, rank: int, strategy: Strategy, pricing: Pricing) -> Call:
    """The sum of the gradients of stages that a schedule holds on two pipeline ranks, mirrored."""
    distance = abs(strategy.pp - 1 - 2 * rank) * strategy.tp * strategy.replicas
    nbytes = gradient_bytes(parameters, pricing) / strategy.shards
    return Operation.ALL_REDUCE, nbytes, Group(size=2, stride=distance), "auto"


def copies_sum_time(parameters: float, rank: int, strategy: Strategy, pricing: Pricing) -> float:
    """[s] of :func:`copies_sum`; 0 where the schedule holds every stage once."""
    if pipeline(strategy.schedule).copies == 1:
        return 0.0
    operation, nbytes, group, _ = copies_sum(parameters, rank, strategy, pricing)
    return _over_replicas(operation, nbytes, group.size, group.stride, pricing)


def tied_time(workload: Workload, strategy: Strategy, pricing: Pricing) -> float:
    """[s] to add up the gradients of an embedding that first and last stage share."""
    if strategy.pp == 1:
        return 0.0
    stride = strategy.tp * strategy.replicas * (strategy.pp - 1)
    nbytes = tied_bytes(workload.network, strategy, pricing)
    return _over_replicas(Operation.ALL_REDUCE, nbytes, 2, stride, pricing)


def tied_bytes(network: Network, strategy: Strategy, pricing: Pricing) -> float:
    """[bytes] of one rank's gradient of an embedding that first and last stage share."""
    tied = {layer.tied for block in network.blocks for layer in block.layers if layer.tied}
    parameters = sum(
        layer.parameters
        for block in network.blocks
        for layer in block.layers
        if f"{block.name}/{layer.name}" in tied
    )
    return gradient_bytes(parameters / strategy.tp, pricing)
