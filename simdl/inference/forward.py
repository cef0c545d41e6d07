"""A forward pass alone: the network as it runs outside training, priced like a pass of a training step."""

from dataclasses import replace

from hardware.cluster import Cluster
from simdl.errors import StrategyError
from simdl.kernels.pricing import Pricing
from simdl.kernels.sharding import Shard
from simdl.pipelines.passes import Phase
from simdl.software.stack import Stack
from simdl.step.costs.block_cost import block_costs
from simdl.step.costs.stage import PassCost, stage_pass
from simdl.step.simulate import price
from simdl.step.strategy import Recompute
from workloads.evaluation import Kernels, evaluation
from workloads.workload import Workload


def forward_pricing(workload: Workload, cluster: Cluster, *, stack: Stack) -> Pricing:
    """What prices a network outside training: tensors as narrow and sparse as the device has kernels for."""
    device = cluster.device
    kernels = Kernels(arithmetic=frozenset(device.peak_flop_rate), patterns=frozenset(device.sparsity))
    used = evaluation(workload.network, workload.precision, kernels)
    return price(replace(workload, network=used), cluster, stack=stack)


def forward_cost(pricing: Pricing, shard: Shard) -> PassCost:
    """Seconds of one pass of a shard's batch, kernels back to back or at the host's pace."""
    costs = block_costs(pricing, shard, Recompute.NONE)
    blocks = tuple(costs[place] for place in pricing.network.places)
    return stage_pass(blocks, Phase.FORWARD, pricing.stack)


def forward_seconds(workload: Workload, cluster: Cluster, *, stack: Stack) -> float:
    """[s] of one forward pass over the workload's batch, all of it on one device.

    Args:
        workload: the network and its batch.
        cluster: of one device.
        stack: the software.

    Raises:
        StrategyError: more than one device; how a batch is divided over them is not said.
    """
    if cluster.devices != 1:
        raise StrategyError((f"a forward pass alone: found {cluster.devices} devices; expected 1",))
    pricing = forward_pricing(workload, cluster, stack=stack)
    return forward_cost(pricing, Shard(micro_batch=workload.global_batch)).duration
