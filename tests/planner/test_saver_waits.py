"""Waits of the programme of memory savers: two items that are copied have room on the device."""

from itertools import combinations
from math import inf

import pytest
from saver_problems import image_problem

from planner.memory_savers.program import MS, Builder
from planner.memory_savers.solve import solve_rank
from planner.solver.ilp import solve_program


@pytest.mark.theory
def test_of_three_runs_that_copy_the_last_waits_for_the_first():
    """A third run computes after the store of the first; the first is fetched after the third's pass."""
    rank = image_problem("vgg16", "dgx-1-v100:1gpus", batch=64)
    least = solve_rank(rank, 0.0, least_memory=True).nbytes
    values = solve_program(Builder(rank, inf).program(1.2 * least, least_memory=False), gap=0.05).values
    copying = [r for r in range(len(rank.runs)) if values[f"copies {r}"] > 0.5]
    assert len(copying) > 3
    for first, _, last in combinations(copying, 3):
        sizes = [nbytes for option in rank.runs[first].options for nbytes in option.copies]
        forward, copy = rank.runs[last].forward, rank.latency + min(sizes) / rank.rate
        assert values[f"computed {last}"] >= values[f"sent {first}"] + forward / MS - 1e-3
        assert values[f"fetched {first}"] >= values[f"returned {last}"] + copy / MS - 1e-3
