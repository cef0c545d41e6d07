"""Seconds of a forward pass alone: inference of one batch on one device."""

from itertools import chain

from hardware.cluster import Cluster
from simdl.errors import StrategyError
from simdl.kernels.sharding import Shard
from simdl.pipelines.passes import Phase
from simdl.software.stack import Stack
from simdl.step.block_cost import block_costs
from simdl.step.simulate import price
from simdl.step.stage import pass_cost, stage_works
from simdl.step.strategy import Recompute
from workloads.evaluation import evaluation
from workloads.workload import Workload


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
    network = evaluation(workload.network)
    pricing = price(
        Workload(
            network=network,
            optimizer=workload.optimizer,
            precision=workload.precision,
            global_batch=workload.global_batch,
        ),
        cluster,
        stack=stack,
    )
    costs = block_costs(pricing, Shard(micro_batch=workload.global_batch), Recompute.NONE)
    blocks = zip(costs, network.blocks, strict=True)
    every = tuple(chain.from_iterable((cost,) * block.count for cost, block in blocks))
    return pass_cost(stage_works(every, Phase.FORWARD), stack).duration
