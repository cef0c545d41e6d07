"""Memory-saving problems of registered networks on one device."""

from hardware.profiles import load_cluster
from planner.memory_savers.options import RankProblem, plain_of, rank_problems
from planner.memory_savers.pool import possible_kinds
from simdl.software.reader import load_stack
from simdl.step.simulate import price
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload


def image_problem(network: str, cluster: str, *, batch: int) -> RankProblem:
    """That of a network of images in FP16 whose device has the whole batch at once."""
    workload = Workload(
        network=load_network(network),
        optimizer=load_optimizer("momentum"),
        precision=load_precision("fp16"),
        global_batch=batch,
    )
    pricing = price(workload, load_cluster(cluster), stack=load_stack("pytorch-ngc"))
    plain = plain_of(Strategy(micro_batch=batch), workload, pricing)
    (rank,) = rank_problems(plain, workload, pricing, possible_kinds(plain, workload, pricing))
    return rank
