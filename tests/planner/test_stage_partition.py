"""Stage partition and the integer programs under it."""

import random

import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from planner.cuts import stage_partition
from planner.cuts.recut import recut
from planner.cuts.stage_partition import solve_stage_partition
from planner.cuts.stage_program import Row
from planner.errors import InfeasibleError, SolverError
from planner.questions.question import Options, load_question
from planner.solver.ilp import Constraint, Program, Variable, solve_program
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy

GIB = 2.0**30


def chain(times, nbytes=0.0, stages=2):
    return [Row(name=str(i), count=1, time=time, nbytes=(nbytes,) * stages) for i, time in enumerate(times)]


def test_slowest_stage_is_as_fast_as_possible():
    assert solve_stage_partition(chain([1, 1, 1, 3]), [GIB, GIB]) == (3, 1)


def test_repeated_blocks_make_room_for_a_heavy_head():
    rows = [
        Row(name="layers", count=12, time=1.0, nbytes=(0.0,) * 4),
        Row(name="head", count=1, time=2.0, nbytes=(0.0,) * 4),
    ]
    cut = solve_stage_partition(rows, [GIB] * 4)
    assert sum(cut) == 13
    assert max(*cut[:3], cut[3] - 1 + 2) == 4


def test_memory_moves_the_cut():
    assert solve_stage_partition(chain([1, 1, 1, 1], nbytes=GIB), [GIB, 3 * GIB]) == (1, 3)


def test_what_cannot_fit_names_rank_and_shortfall():
    with pytest.raises(InfeasibleError) as caught:
        solve_stage_partition(chain([1, 1, 1, 1], nbytes=GIB), [GIB, 2 * GIB])
    assert sum(caught.value.binding.values()) == pytest.approx(1.0)
    assert all(name.startswith("memory of rank") for name in caught.value.binding)
    assert "short of memory of rank" in str(caught.value)


def test_virtual_stages_of_a_rank_share_its_memory():
    rows = chain([1, 1, 1, 1], nbytes=GIB, stages=4)
    assert solve_stage_partition(rows, [2 * GIB, 2 * GIB], virtual_stages=2) == (1, 1, 1, 1)
    with pytest.raises(InfeasibleError):
        solve_stage_partition(rows, [GIB, 3 * GIB], virtual_stages=2)


def test_more_stages_than_blocks_is_excluded_by_the_constraints():
    with pytest.raises(InfeasibleError) as caught:
        solve_stage_partition(chain([1], stages=2), [GIB, GIB])
    assert caught.value.binding == {}


def test_gap_of_an_integer_program():
    program = Program(
        name="knapsack",
        objective={"a": -5.0, "b": -4.0, "c": -3.0},
        variables=tuple(Variable(name=name, high=1, integer=True) for name in "abc"),
        constraints=(Constraint(name="weight", terms={"a": 2, "b": 3, "c": 1}, limit=5),),
    )
    solution = solve_program(program)
    assert solution.optimal
    assert solution.objective == pytest.approx(-9.0)
    assert solution.values == pytest.approx({"a": 1.0, "b": 1.0, "c": 0.0})


def knapsacks(items=30, sacks=8):
    """A program that takes many nodes: items that each fill all of several sacks."""
    draw = random.Random(1)  # noqa: S311 - numbers for a test
    names = [f"item {index}" for index in range(items)]
    limits = (
        Constraint(name=f"sack {sack}", terms={name: draw.randint(10, 99) for name in names}, limit=700)
        for sack in range(sacks)
    )
    return Program(
        name="knapsacks",
        constraints=tuple(limits),
        objective={name: -draw.randint(10, 99) for name in names},
        variables=tuple(Variable(name=name, high=1, integer=True) for name in names),
    )


def test_at_the_node_limit_the_best_solution_so_far_is_not_called_optimal():
    best, early = solve_program(knapsacks()), solve_program(knapsacks(), node_limit=1)
    assert best.optimal
    assert not early.optimal
    assert early.bound < best.objective <= early.objective


def test_no_solution_within_the_node_limit_is_a_solver_error():
    with pytest.raises(SolverError, match="no solution within 0 nodes"):
        solve_program(knapsacks(), node_limit=0)


def test_unbounded_program_is_a_solver_error():
    program = Program(name="down", objective={"x": -1.0}, variables=(Variable(name="x"),), constraints=())
    with pytest.raises(SolverError, match="down"):
        solve_program(program)


def test_recut_beats_the_even_cut_where_the_head_is_heavy():
    workload = build_workload(build_network(8, vocab=60_000), global_batch=16)
    cluster, stack = build_cluster(1), build_stack()
    pricing = price(workload, cluster, stack=stack)
    even = Strategy(dp=1, pp=4)
    cut = recut(even, workload, pricing)
    assert cut is not None
    assert len(cut.stages) == 4
    assert sum(cut.stages) == workload.network.depth
    times = [simulate(workload, cluster, s, stack=stack).report.step_time for s in (even, cut)]
    assert times[1] < times[0]


def test_recut_gives_up_where_nothing_fits():
    workload, stack = build_workload(), build_stack()
    cluster = build_cluster(1, memory_capacity=1.7e9)
    assert recut(Strategy(dp=2, pp=2), workload, price(workload, cluster, stack=stack)) is None


def refuse(program, **_):
    raise AssertionError(f"solver called for {program.name}")


@pytest.mark.parametrize("stages", [8, 16, 32])
def test_a_network_of_many_distinct_blocks_takes_no_solver(monkeypatch, stages):
    """DenseNet-121: as an integer program alone, 6 s for 32 stages."""
    monkeypatch.setattr(stage_partition, "solve_program", refuse)
    question = load_question(Options(model="densenet121", cluster="dgx-a100:8", global_batch=512))
    pricing = price(question.workload, question.cluster, stack=question.stack)
    cut = recut(Strategy(dp=64 // stages, pp=stages), question.workload, pricing)
    assert len(cut.stages) == stages


def test_no_solver_decides_what_equal_parts_of_a_rank_prove(monkeypatch):
    monkeypatch.setattr(stage_partition, "solve_program", refuse)
    rows = chain([1, 1, 1, 1, 1, 1, 1, 1], nbytes=GIB, stages=4)
    assert solve_stage_partition(rows, [4 * GIB] * 2, virtual_stages=2) == (2, 2, 2, 2)


def test_no_solver_tells_that_more_is_needed_than_there_is(monkeypatch):
    monkeypatch.setattr(stage_partition, "solve_program", refuse)
    with pytest.raises(InfeasibleError) as caught:
        solve_stage_partition(chain([1] * 8, nbytes=GIB, stages=4), [3 * GIB] * 2, virtual_stages=2)
    assert sum(caught.value.binding.values()) == pytest.approx(2.0)


def test_the_solver_stays_between_what_the_dynamic_programmes_know(monkeypatch):
    """One rank has 3 of the 4 GiB, so neither the balanced cut fits nor one of equal parts."""
    seen = []

    def solve(program):
        seen.append(next(v for v in program.variables if v.name == "slowest"))
        return solve_program(program)

    monkeypatch.setattr(stage_partition, "solve_program", solve)
    rows = chain([1, 1, 1, 1, 1, 1], nbytes=GIB, stages=4)
    cut = solve_stage_partition(rows, [3 * GIB, 3 * GIB], virtual_stages=2)
    assert sum(cut[::2]) == sum(cut[1::2]) == 3
    assert all(slowest.low * 6 <= max(cut) for slowest in seen)
