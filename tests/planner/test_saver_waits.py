"""Waits of the programme of memory savers: two items that are copied have room on the device."""

from itertools import combinations
from math import inf

import pytest

from hardware.profiles import load_cluster
from planner.memory_savers.options import plain_of, rank_problems
from planner.memory_savers.pool import possible_kinds
from planner.memory_savers.program import MS, Builder
from planner.memory_savers.solve import solve_rank
from planner.solver.ilp import solve_program
from simdl.software.reader import load_stack
from simdl.step.simulate import price
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload


@pytest.mark.theory
def test_of_three_runs_that_copy_the_last_waits_for_the_first():
    """A third run computes after the store of the first; the first is fetched after the third's pass."""
    workload = Workload(
        network=load_network("vgg16"),
        optimizer=load_optimizer("momentum"),
        precision=load_precision("fp16"),
        global_batch=64,
    )
    pricing = price(workload, load_cluster("dgx-1-v100:1gpus"), stack=load_stack("pytorch-ngc"))
    plain = plain_of(Strategy(micro_batch=64), workload, pricing)
    (rank,) = rank_problems(plain, workload, pricing, possible_kinds(plain, workload, pricing))
    least = solve_rank(rank, 0.0, least_memory=True).nbytes
    values = solve_program(Builder(rank, inf).program(1.2 * least, least_memory=False), gap=0.05).values
    copying = [r for r in range(len(rank.runs)) if values[f"copies {r}"] > 0.5]
    assert len(copying) > 3
    for first, _, last in combinations(copying, 3):
        sizes = [nbytes for option in rank.runs[first].options for nbytes in option.copies]
        forward, copy = rank.runs[last].forward, rank.latency + min(sizes) / rank.rate
        assert values[f"computed {last}"] >= values[f"sent {first}"] + forward / MS - 1e-3
        assert values[f"fetched {first}"] >= values[f"returned {last}"] + copy / MS - 1e-3
