"""Solves the programme of a pipeline rank, to its optimum or to its least memory."""

from dataclasses import replace
from math import ceil, inf

from planner.memory_savers.options import RankProblem
from planner.memory_savers.program import GAP, GB, Builder
from planner.memory_savers.rank_choice import RankChoice, copying_runs
from planner.solver.ilp import solve_program

TRIPLES = 8
"""Runs up to which all waits between three of them are constraints: with more, those of the runs that copy in
the answer are added to the programme, which is solved again."""
PASSES = 2
"""Times that a programme is solved, at most."""
MANY = 16
"""Copying runs up to which that is done: the waits of more make a programme that takes minutes."""
NODES, NODE_ROWS = 5_000, 200_000
"""Nodes of branch and bound, at most, and nodes times constraints, of which long programmes have many."""


def solve_rank(
    problem: RankProblem,
    room: float,
    *,
    most: float = inf,
    least_memory: bool = False,
    explain: bool = True,
    gap: float = GAP,
) -> RankChoice:
    """The choice of the shortest step within ``room`` [bytes], or of least memory however long.

    Args:
        problem: of the rank.
        room: [bytes].
        most: [s] of a step that is known to be possible; a longer one is no answer.
        least_memory: whether bytes are minimised instead; then nothing is said of seconds.
        explain: whether an error says what is missing, for which another programme is solved.
        gap: relative distance from the optimum that counts as none.

    Raises:
        InfeasibleError: nothing fits, or nothing that does is as fast as ``most``.
        SolverError: the solver gave up.
    """
    every = len(problem.runs) <= TRIPLES or not problem.rate or least_memory
    waiting = frozenset(range(len(problem.runs))) if every else frozenset[int]()
    for last in (False,) * (PASSES - 1) + (True,):
        builder = Builder(problem, most, waiting=waiting)
        program = builder.program(room, least_memory=least_memory)
        nodes = min(NODES, ceil(NODE_ROWS / len(program.constraints)))
        choice = builder.choice(solve_program(program, gap=gap, node_limit=nodes, explain=explain))
        copying = frozenset(copying_runs(problem, choice))
        if last or copying <= waiting or len(copying) > MANY:
            break
        waiting |= copying
    return choice


def memory_floor(problem: RankProblem) -> float:
    """[bytes] that no choice goes below, by the programme's own count: numbers of blocks need not be whole.

    Raises:
        InfeasibleError: no choice has room in host memory.
    """
    program = Builder(problem, inf, floor=True).program(0.0, least_memory=True)
    parts = tuple(replace(variable, integer=False) for variable in program.variables)
    return solve_program(replace(program, variables=parts), explain=False).values["bytes"] * GB
