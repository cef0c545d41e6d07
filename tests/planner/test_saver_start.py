"""The choice that long programmes of memory savers start from, held to the solver's own."""

from math import inf

import numpy as np
import pytest
from saver_problems import image_problem

from planner.errors import SolverError
from planner.memory_savers import solve
from planner.memory_savers.program import GAP, GB, Builder
from planner.memory_savers.start import Implied, start
from planner.solver.ilp import Constraint, Program, Variable, solve_program


@pytest.fixture(scope="module")
def rank():
    return image_problem("vgg16", "dgx-1-v100:1gpus", batch=64)


@pytest.fixture(scope="module")
def room(rank):
    """[bytes] in which it has to copy."""
    return 1.2 * solve.solve_rank(rank, 0.0, least_memory=True).nbytes


@pytest.mark.theory
def test_choices_imply_what_the_solver_says_they_take(rank, room):
    program = Builder(rank, inf).program(room, least_memory=False)
    solved = solve_program(program, gap=0.05)
    implied = Implied(program)
    names = [implied.names[at] for at in implied.chosen]
    seconds, missing = implied.judged(np.array([[float(round(solved.values[name]))] for name in names]))
    assert seconds[0] == pytest.approx(solved.objective, rel=1e-6)
    assert missing[0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.theory
def test_a_choice_that_keeps_all_lacks_room(rank, room):
    program = Builder(rank, inf).program(room, least_memory=False)
    implied = Implied(program)
    names = [implied.names[at] for at in implied.chosen]
    kept = {f"items {r} 0": run.count // run.options[0].blocks for r, run in enumerate(rank.runs)}
    _, missing = implied.judged(np.array([[float(kept.get(name, 0))] for name in names]))
    assert missing[0] > 0


@pytest.mark.theory
def test_the_optimum_is_the_same_with_and_without_a_start(rank, room, monkeypatch):
    program = Builder(rank, inf).program(room, least_memory=False)
    assert len(program.constraints) >= solve.LONG
    found = start(rank, program, room / GB)
    with_start = solve.solve_rank(rank, room)
    monkeypatch.setattr(solve, "LONG", inf)
    without = solve.solve_rank(rank, room)
    assert with_start.optimal
    assert without.optimal
    assert with_start.seconds == pytest.approx(without.seconds, rel=2 * GAP)
    assert 1 - GAP <= found.objective / 1e3 / without.seconds < 1.2


@pytest.mark.theory
def test_variables_that_follow_from_each_other_are_refused():
    program = Program(
        name="circle",
        objective={"one": 1.0},
        variables=(Variable(name="one"), Variable(name="other")),
        constraints=(
            Constraint(name="first", terms={"one": 1.0, "other": -1.0}, limit=0.0),
            Constraint(name="second", terms={"other": 1.0, "one": -1.0}, limit=0.0),
        ),
    )
    with pytest.raises(SolverError, match="in a circle: one, other"):
        Implied(program)
