"""One workspace divided among all passes: the 0/1 programme of mu-cuDNN (Oyama et al. 2018, workspace division).

    min  sum over passes k, configurations c of T[k, c] x[k, c]
    s.t. sum over c of x[k, c] = 1               for each pass k
         sum over k, c of W[k, c] x[k, c] <= W   the total workspace
         x[k, c] in {0, 1}

over the desirable configurations of each pass. The objective is in units of a millionth of the fastest time
without a limit, so that the solver's absolute tolerance (1e-6) is far below rounding; workspaces are in KiB,
so that it is below one byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from planner.ilp import Constraint, Program, Solution, Variable, solve_program
from planner.microbatch.configuration import Configuration

LIMIT = "the total workspace [KiB]"
"""Name of the limit in messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """One configuration per pass, in their order; ``bound`` [s] is the proven least time."""

    chosen: tuple[Configuration, ...]
    optimal: bool
    bound: float


def solve_division(passes: Sequence[Sequence[Configuration]], limit: float) -> Division:
    """The configurations of least total time whose workspaces together take at most ``limit`` [bytes].

    Args:
        passes: [passes][configurations], each with at least one.
        limit: [bytes] for all together.

    Raises:
        InfeasibleError: even the least workspaces take more; says by how much.
        SolverError: the solver gave up.
    """
    scale = sum(min(each.time for each in configurations) for configurations in passes) / 1e6
    solution = solve_program(division_program(passes, limit, scale), gap=0.0)
    chosen = tuple(_chosen(solution, k, configurations) for k, configurations in enumerate(passes))
    return Division(chosen=chosen, optimal=solution.optimal, bound=solution.bound * scale)


def _chosen(solution: Solution, index: int, configurations: Sequence[Configuration]) -> Configuration:
    """The configuration whose variable is one."""
    picked = max(range(len(configurations)), key=lambda c: solution.values[_name(index, c)])
    return configurations[picked]


def _name(index: int, configuration: int) -> str:
    return f"pass {index} runs configuration {configuration}"


def division_program(passes: Sequence[Sequence[Configuration]], limit: float, scale: float) -> Program:
    """The 0/1 programme; times in units of ``scale`` [s], workspaces in KiB."""
    cells = [(k, c, each) for k, configurations in enumerate(passes) for c, each in enumerate(configurations)]
    choices = [
        Constraint(
            name=f"one configuration of pass {k}",
            terms={_name(k, c): 1.0 for c in range(len(configurations))},
            limit=1.0,
            equal=True,
        )
        for k, configurations in enumerate(passes)
    ]
    total = Constraint(
        name=LIMIT,
        terms={_name(k, c): each.workspace / 1024 for k, c, each in cells if each.workspace},
        limit=limit / 1024,
        elastic=True,
    )
    return Program(
        name="dividing the workspace",
        objective={_name(k, c): each.time / scale for k, c, each in cells},
        variables=tuple(Variable(name=_name(k, c), high=1, integer=True) for k, c, _ in cells),
        constraints=(*choices, total),
    )
