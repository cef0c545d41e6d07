"""Seconds of messages between replicas and of updates, where every layer is divided the same way."""

from simdl.kernels.pricing import Pricing
from simdl.step.costs.gradients import GradientShare, gathers, reductions, total_seconds, uniform_group
from simdl.step.costs.update import update_time
from simdl.step.strategy import Strategy
from workloads.workload import Workload


def reduce_time(parameters: float, strategy: Strategy, pricing: Pricing) -> float:
    """[s] to reduce the gradient of parameters that all replicas hold alike."""
    share = GradientShare(uniform_group(strategy), parameters)
    return total_seconds(reductions((share,), strategy, pricing))


def gather_time(parameters: float, strategy: Strategy, pricing: Pricing) -> float:
    """[s] to gather the parameters that ZeRO shards, where all replicas hold them alike."""
    share = GradientShare(uniform_group(strategy), parameters)
    return total_seconds(gathers((share,), strategy, pricing))


def optimizer_time(parameters: float, workload: Workload, strategy: Strategy, pricing: Pricing) -> float:
    """[s] of the update of one rank's share of parameters that all replicas hold alike."""
    return update_time(parameters / strategy.shards, workload, pricing, tp=strategy.tp)
