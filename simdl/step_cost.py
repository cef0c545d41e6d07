"""Everything one step costs, before it is put in order: stages, transfers, collectives.

The lowering turns it into tasks, the memory model into bytes and the planner's bound into arrays, so all
three agree by construction.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

from hardware.cluster import Cluster
from simdl.block_cost import BlockCost, block_costs
from simdl.collectives import Group, Hop, Operation, collective_time, find_hop, hop_time
from simdl.gradients import (
    GradientShare,
    gathers,
    gradient_bytes,
    merged_shares,
    reductions,
    share_shards,
    total_seconds,
    uniform_share,
)
from simdl.kernel import Kernel
from simdl.layer_splits.block_costs import split_block_costs
from simdl.pass_contents import Division
from simdl.pricing import Pricing, Work
from simdl.sharding import Shard
from simdl.stack import Stack
from simdl.stage import StageCost, split_network, stage_cost
from simdl.strategy import Strategy, arrangement_of, unsupported, without_effect
from workloads.network import Network
from workloads.operators import OperatorKind
from workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepCost:
    """One step of one strategy, unordered.

    Attributes:
        strategy, workload, pricing: the question and its prices.
        microbatches: per replica.
        stages: virtual stages in chain order; stage s is on pipeline rank s mod pp.
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

    def rank_stages(self, rank: int) -> tuple[StageCost, ...]:
        """Virtual stages of one pipeline rank."""
        return self.stages[rank :: self.strategy.pp]

    def rank_gradients(self, rank: int) -> tuple[GradientShare, ...]:
        """Parameters of one pipeline rank before ZeRO, by the ranks that hold the same ones."""
        return merged_shares(share for stage in self.rank_stages(rank) for share in stage.gradients)


def shard_of(strategy: Strategy) -> Shard:
    """The part of a microbatch one rank works on."""
    return Shard(
        tp=strategy.tp,
        cp=strategy.cp,
        sequence_parallel=strategy.sequence_parallel,
        micro_batch=strategy.micro_batch,
        pipelined=strategy.pp > 1,
    )


def division_of(strategy: Strategy) -> Division:
    """How the ranks of one replica and stage divide a microbatch; tied parameters aside."""
    if strategy.split_degree > 1:
        return arrangement_of(strategy)
    return replace(shard_of(strategy), pipelined=False)


def step_cost(workload: Workload, strategy: Strategy, pricing: Pricing) -> StepCost:
    """Price one step."""
    chain = chain_costs(strategy, pricing)
    cut = strategy.stages or split_network(
        workload.network, strategy.pp * strategy.virtual_stages, _weights(chain, workload.network)
    )
    stages = tuple(
        stage_cost(chain[end - size : end], pricing.stack)
        for size, end in zip(cut, accumulate(cut), strict=True)
    )
    return StepCost(
        strategy=strategy,
        workload=workload,
        pricing=pricing,
        microbatches=strategy.microbatches(workload.global_batch),
        stages=stages,
        transfer=tuple(_transfers(stages, strategy, pricing)),
        optimizer=tuple(
            update_time(_owned(stages[rank :: strategy.pp], strategy), workload, pricing)
            for rank in range(strategy.pp)
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


def chain_costs(strategy: Strategy, pricing: Pricing) -> tuple[BlockCost, ...]:
    """Costs of every block in the chain of a network, divided alike or layer by layer."""
    if strategy.split_degree > 1:
        return split_block_costs(pricing, arrangement_of(strategy), strategy.recompute)
    costs = block_costs(pricing, shard_of(strategy), strategy.recompute)
    counted = zip(costs, pricing.network.blocks, strict=True)
    return tuple(cost for cost, block in counted for _ in range(block.count))


def _weights(chain: tuple[BlockCost, ...], network: Network) -> list[float]:
    """[s] per distinct block by which the default cut balances stages, of its last copy."""
    return [split_weight(chain[end - 1]) for end in accumulate(block.count for block in network.blocks)]


def split_weight(cost: BlockCost) -> float:
    """[s] by which the default cut balances stages."""
    total: Work = cost.forward + cost.backward + cost.recompute
    return total.busy


def _owned(stages: Iterable[StageCost], strategy: Strategy) -> float:
    """Parameters that one rank updates."""
    shares = merged_shares(share for stage in stages for share in stage.gradients)
    return sum(share.parameters / share_shards(share.group, strategy) for share in shares)


def _transfers(stages: tuple[StageCost, ...], strategy: Strategy, pricing: Pricing) -> Iterator[float]:
    for boundary, stage in enumerate(stages[:-1]):
        hop = stage_hop(boundary, strategy, pricing.cluster)
        yield transfer_time(stage.boundary, hop, strategy, pricing)
    yield 0.0


def stage_hop(boundary: int, strategy: Strategy, cluster: Cluster) -> Hop:
    """Hop from virtual stage ``boundary`` to the next, or back, by all ranks of the stage at once.

    Interleaved stages also go from the last pipeline rank to the first.
    """
    return _rank_hop(boundary % strategy.pp, strategy.pp, strategy.tp * strategy.replicas, cluster)


@lru_cache(maxsize=65536)
def _rank_hop(rank: int, pp: int, width: int, cluster: Cluster) -> Hop:
    """Hop between a pipeline rank and the next, each ``width`` ranks of the cluster wide."""
    ends = rank * width, (rank + 1) % pp * width
    return find_hop(min(ends), max(ends) + width - 1, senders=width, cluster=cluster)


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


def reduce_time(
    parameters: float, strategy: Strategy, pricing: Pricing, *, copies: bool = True, tensors: int = 1
) -> float:
    """[s] to reduce the gradient of parameters that all replicas hold alike.

    Args:
        parameters: elements of a rank before ZeRO.
        strategy: with its replicas and ZeRO stage.
        pricing: what prices it.
        copies: across the sharded copies of a hybrid-sharded model too.
        tensors: variables that they belong to.
    """
    share = uniform_share(parameters, strategy, tensors=tensors)
    return total_seconds(reductions((share,), strategy, pricing, copies=copies))


def gather_time(parameters: float, strategy: Strategy, pricing: Pricing) -> float:
    """[s] to gather the parameters that ZeRO shards, where all replicas hold them alike."""
    return total_seconds(gathers((uniform_share(parameters, strategy),), strategy, pricing))


def optimizer_time(parameters: float, workload: Workload, strategy: Strategy, pricing: Pricing) -> float:
    """[s] of the update of one rank's share of parameters that all replicas hold alike."""
    return update_time(parameters / strategy.shards, workload, pricing)


def update_time(owned: float, workload: Workload, pricing: Pricing) -> float:
    """[s] of the update of parameters: gradient, master and state words stream through memory once."""
    precision, optimizer = workload.precision, workload.optimizer
    kept = optimizer.moments * precision.moment + (precision.master or precision.parameter)
    words = 2 * kept + gradient_bytes(1, pricing)
    copies = precision.parameter if precision.master else 0
    nbytes = owned * (words + copies + pricing.stack.optimizer_traffic)
    name = f"{optimizer.name} update"
    update = Kernel(name, OperatorKind.ELEMENTWISE, owned * optimizer.flops, nbytes, precision.matmul)
    return pricing.cost_model.kernel_time(update)


def tied_time(workload: Workload, strategy: Strategy, pricing: Pricing) -> float:
    """[s] to add up the gradients of an embedding that first and last stage share."""
    if strategy.pp == 1:
        return 0.0
    stride = strategy.tp * strategy.replicas * (strategy.pp - 1)
    nbytes = tied_bytes(workload.network, strategy, pricing)
    if nbytes <= 0:
        return 0.0
    group, library = Group(size=2, stride=stride), pricing.stack.library
    return collective_time(Operation.ALL_REDUCE, nbytes, group, pricing.cluster, library=library).time


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
