"""Everything one step costs, before it is put in order: stages, transfers, collectives.

The lowering turns it into tasks, the memory model into bytes and the planner's bound into arrays, so all
three agree by construction.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

from hardware.cluster import Cluster
from simdl.communication import Group, Hop, Operation, collective_seconds, find_hop, hop_time
from simdl.kernels.pricing import Pricing
from simdl.kernels.sharding import Shard
from simdl.kernels.vocabulary import padded_vocabulary, vocabularies
from simdl.pipelines import pipeline
from simdl.pipelines.passes import PassKind
from simdl.pipelines.pipeline import Pipeline
from simdl.pipelines.remembered import remembered
from simdl.software.stack import Stack
from simdl.splits.block_costs import split_block_costs
from simdl.step.costs.block_cost import BlockCost, block_costs
from simdl.step.costs.gradients import (
    Collective,
    GradientShare,
    Sharing,
    gradient_bytes,
    merged_shares,
    share_shards,
)
from simdl.step.costs.pass_contents import Division
from simdl.step.costs.saved_blocks import modes_of, saved_stage, saves, stage_rows
from simdl.step.costs.stage import PassCost, StageCost, pass_cost, stage_cost, stage_pass, stage_works
from simdl.step.costs.update import update_time
from simdl.step.strategy import Strategy, arrangement_of
from simdl.step.strategy_notes import unsupported, without_effect
from workloads.amounts import choose, some
from workloads.network import Network
from workloads.workload import Workload


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

    def __repr__(self) -> str:
        return f"<StepCost of {self.strategy!r}: {self.microbatches:,} microbatches>"

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
        strategy = self.strategy
        places = _places(strategy.schedule, strategy.pp, strategy.virtual_stages, len(self.stages))
        return tuple(self.stages[index] for index in places[rank])

    def pass_cost(self, passes: Sequence[tuple[PassKind, int]]) -> PassCost:
        """A pass of one kind over a stage, or several that run interleaved as one."""
        parts = [(self.stages[stage].blocks, kind.phases) for kind, stage in passes]
        if len(parts) == 1:
            return stage_pass(*parts[0], self.stack)
        works = [work for blocks, phases in parts for work in stage_works(blocks, phases)]
        return pass_cost(works, self.stack, overlapped=True)

    def rank_gradients(self, rank: int) -> tuple[GradientShare, ...]:
        """Parameters of one pipeline rank before ZeRO, by the ranks that hold the same ones."""
        return merged_shares(share for stage in self.rank_stages(rank) for share in stage.gradients)


@remembered(256)
def _places(schedule: str, ranks: int, virtual_stages: int, stages: int) -> tuple[tuple[int, ...], ...]:
    """Virtual stages of every pipeline rank."""
    found = pipeline(schedule)
    places = [found.place(stage, ranks, virtual_stages) for stage in range(stages)]
    return tuple(tuple(stage for stage, place in enumerate(places) if place == rank) for rank in range(ranks))


def shard_of(strategy: Strategy) -> Shard:
    """The part of a microbatch one rank works on."""
    return Shard(
        tp=strategy.tp,
        cp=strategy.cp,
        ep=strategy.ep,
        etp=strategy.expert_tensor,
        sequence_parallel=strategy.sequence_parallel,
        micro_batch=strategy.micro_batch,
        pipelined=strategy.pp > 1,
    )


def division_of(strategy: Strategy) -> Division:
    """How the ranks of one replica and stage divide a microbatch; tied parameters aside."""
    if strategy.split_degree > 1:
        return arrangement_of(strategy)
    return replace(shard_of(strategy), pipelined=False)


def cut_step_cost(workload: Workload, strategy: Strategy, pricing: Pricing, cut: Sequence[int]) -> StepCost:
    """Price one step with so many blocks per virtual stage."""
    if strategy.ep > 1 and strategy.microbatches(workload.global_batch) == 1:
        pricing = _alone(pricing)
    stages = tuple(_chain_stages(strategy, pricing, cut)) * pipeline(strategy.schedule).copies
    return StepCost(
        strategy=strategy,
        workload=workload,
        pricing=pricing,
        microbatches=strategy.microbatches(workload.global_batch),
        stages=stages,
        transfer=tuple(_transfers(stages, strategy, pricing)),
        optimizer=tuple(
            update_time(owned, workload, pricing, tp=strategy.tp)
            for owned in _owned_by_rank(stages, strategy)
        ),
        tied=tied_time(workload, strategy, pricing),
        warnings=(
            *workload.network.notes,
            *_padding(strategy, workload.network, pricing.stack),
            *without_effect(strategy, workload),
            *(
                f"{problem}; the stack's numbers are assumed to hold"
                for problem in unsupported(strategy, workload.network, pricing.stack)
            ),
        ),
    )


@lru_cache(maxsize=64)
def _alone(pricing: Pricing) -> Pricing:
    """Prices of a microbatch without another whose kernels could hide its tokens on their way to experts."""
    if not pricing.stack.dispatch_overlap:
        return pricing
    return replace(pricing, stack=replace(pricing.stack, dispatch_overlap=0.0))


def _padding(strategy: Strategy, network: Network, stack: Stack) -> Iterator[str]:
    """What a stack does to vocabularies that its ranks do not share evenly."""
    multiple = int(stack.vocabulary_multiple)
    for vocab in dict.fromkeys(vocabularies(network)):
        padded = padded_vocabulary(vocab, multiple, strategy.tp)
        if padded > vocab and multiple > 1:
            yield (
                f"vocabulary of {vocab:,}: padded to {padded:,}, a multiple of {multiple} "
                f"x tp {strategy.tp}, as {stack.name} does; parameters and model flops are counted without"
            )


def _chain_stages(strategy: Strategy, pricing: Pricing, cut: Sequence[int]) -> Iterator[StageCost]:
    """Costs of the virtual stages of one copy, in chain order; stages of the same blocks are one object."""
    firsts = [end - size for size, end in zip(cut, accumulate(cut), strict=True)]
    if saves(strategy):
        plain = replace(strategy, savers="", recompute_layers=0)
        modes = modes_of(strategy, pricing.network)
        costs = {mode: chain_costs(replace(plain, recompute=mode), pricing) for mode in modes}
        for row, first in zip(stage_rows(strategy, pricing.network, cut), firsts, strict=True):
            yield saved_stage(row, costs, first)
        return
    blocks = chain_costs(strategy, pricing)
    found: dict[tuple[int, ...], StageCost] = {}
    for first, size in zip(firsts, cut, strict=True):
        own = blocks[first : first + size]
        alike = tuple(map(id, own))
        if alike not in found:
            found[alike] = stage_cost(own)
        yield found[alike]


def chain_costs(strategy: Strategy, pricing: Pricing) -> tuple[BlockCost, ...]:
    """Costs of every block in the chain of a network, divided alike or layer by layer."""
    if strategy.split_degree > 1:
        return split_block_costs(pricing, arrangement_of(strategy), strategy.recompute)
    costs = block_costs(pricing, shard_of(strategy), strategy.recompute)
    return tuple(costs[index] for index in pricing.network.places)


def _owned_by_rank(stages: tuple[StageCost, ...], strategy: Strategy) -> Iterator[float]:
    """Parameters that every pipeline rank updates."""
    place = pipeline(strategy.schedule).place
    held: list[list[StageCost]] = [[] for _ in range(strategy.pp)]
    for index, stage in enumerate(stages):
        held[place(index, strategy.pp, strategy.virtual_stages)].append(stage)
    return (_owned(own, strategy) for own in held)


def _owned(stages: Iterable[StageCost], strategy: Strategy) -> float:
    """Parameters that one rank updates on its device."""
    shares = merged_shares(
        share
        for stage in stages
        for block in stage.blocks
        if not block.saver.optimizer
        for share in block.gradients
    )
    return sum(share.parameters / share_shards(share.group, strategy) for share in shares)


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
    return rank_hop(first, second, strategy.tp * strategy.replicas, cluster)


@lru_cache(maxsize=65536)
def rank_hop(one: int, other: int, width: int, cluster: Cluster) -> Hop | None:
    """Hop between two pipeline ranks, each ``width`` ranks of the cluster wide; None from one to itself."""
    if one == other:
        return None
    first, last = min(one, other), max(one, other)
    return find_hop(first * width, last * width + width - 1, senders=width, cluster=cluster)


def transfer_time(nbytes: float, hop: Hop, strategy: Strategy, pricing: Pricing) -> float:
    """[s] to send one microbatch's activations (or their gradient) over a hop to the neighbouring stage.

    Without sequence parallelism every tensor-parallel rank holds the whole boundary; with scatter-gather
    each sends 1/t of it and the receivers gather it inside the node (Narayanan et al. 2021, section 4.1).
    """
    library = pricing.stack.library
    if not (pricing.stack.scatter_gather and strategy.tp > 1 and not strategy.sequence_parallel):
        return hop_time(nbytes, hop, pricing.cluster, library=library)
    gather = collective_seconds(
        Operation.ALL_GATHER, nbytes, Group(size=strategy.tp, stride=1), pricing.cluster, library=library
    )
    return hop_time(nbytes / strategy.tp, hop, pricing.cluster, library=library) + gather


def copies_sum(
    shares: Iterable[GradientShare], rank: int, strategy: Strategy, pricing: Pricing
) -> Collective:
    """The sum of the gradients of stages that a schedule holds on two pipeline ranks, mirrored."""
    distance = abs(strategy.pp - 1 - 2 * rank) * strategy.tp * strategy.replicas
    owned = sum(share.parameters / share_shards(share.group, strategy) for share in shares)
    nbytes, group = gradient_bytes(owned, pricing), Group(size=2, stride=distance)
    operation, library = Operation.ALL_REDUCE, pricing.stack.library
    seconds = collective_seconds(operation, nbytes, group, pricing.cluster, library=library)
    return Collective(operation, group, nbytes, seconds)


def tied_time(workload: Workload, strategy: Sharing, pricing: Pricing) -> float:
    """[s] to add up the gradients of an embedding that first and last stage share."""
    stride = strategy.tp * strategy.replicas * (strategy.pp - 1)
    nbytes = tied_bytes(workload.network, strategy, pricing)
    if not some((stride > 0) & (nbytes > 0)):
        return 0.0
    group, library = Group(size=choose(stride > 0, 2, 1), stride=stride), pricing.stack.library
    return collective_seconds(Operation.ALL_REDUCE, nbytes, group, pricing.cluster, library=library)


def tied_bytes(network: Network, strategy: Sharing, pricing: Pricing) -> float:
    """[bytes] of one rank's gradient of an embedding that first and last stage share."""
    return gradient_bytes(_tied_parameters(network) / strategy.tp, pricing)


@lru_cache(maxsize=256)
def _tied_parameters(network: Network) -> int:
    tied = {layer.tied for block in network.blocks for layer in block.layers if layer.tied}
    return sum(
        layer.parameters
        for block in network.blocks
        for layer in block.layers
        if f"{block.name}/{layer.name}" in tied
    )
