"""Solves the programme of a pipeline rank, to its optimum or to its least memory."""

from dataclasses import replace
from math import ceil, inf

from planner.memory_savers.options import RankProblem
from planner.memory_savers.program import GAP, GB, Builder
from planner.memory_savers.rank_choice import RankChoice
from planner.memory_savers.start import start
from planner.solver.ilp import Program, Solution, solve_program

NODES, NODE_WORK = 5_000, 1_000_000_000
"""Nodes of branch and bound, at most, and nodes times the square of constraints, which is what a node takes:
programmes of ResNet-152 have 340 to 450 constraints."""

LONG = 300
"""Constraints from which on a choice is looked for before a programme that copies is solved, taking 1 s."""


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
    builder = Builder(problem, most)
    if most == inf and problem.rate and not least_memory:
        program = builder.program(room, least_memory=False)
        known = start(problem, program, room / GB) if len(program.constraints) >= LONG and room > 0 else None
        if known is not None:
            builder = Builder(problem, builder.choice(known).seconds)
    return builder.choice(_solved(builder.program(room, least_memory=least_memory), gap, explain=explain))


def _solved(program: Program, gap: float, *, explain: bool) -> Solution:
    """The program's best solution.

    Raises:
        InfeasibleError: it has none.
        SolverError: none was found within the nodes that a program of its length gets.
    """
    nodes = min(NODES, ceil(NODE_WORK / len(program.constraints) ** 2))
    return solve_program(program, gap=gap, node_limit=nodes, explain=explain)


def memory_floor(problem: RankProblem) -> float:
    """[bytes] that no choice goes below, by the programme's own count: numbers of blocks need not be whole.

    Raises:
        InfeasibleError: no choice has room in host memory.
    """
    program = Builder(problem, inf, floor=True).program(0.0, least_memory=True)
    parts = tuple(replace(variable, integer=False) for variable in program.variables)
    return solve_program(replace(program, variables=parts), explain=False).values["bytes"] * GB
