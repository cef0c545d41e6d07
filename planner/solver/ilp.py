"""Integer linear programs as data, solved by HiGHS in process through PuLP.

The only file that knows PuLP, imported where a program is solved and not before, because that takes as long
as a small plan. Written for versions 3.3 and 4: variables are created by the problem, and what became of a
solve is read in one place. Single thread, fixed seed and a gap limit rather than a time limit, so that the
same program always has the same solution.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from planner.errors import InfeasibleError, SolverError
from planner.solver.background import in_background
from planner.solver.quiet_output import quiet_output

NODE_LIMIT, FEASIBLE = "kSolutionLimit", 2
"""HiGHS's status at the node limit, and of a solution that meets every constraint."""
Terms = Mapping[str, float]
"""Coefficients by name of the variable."""


class Status(StrEnum):
    """What became of a solve."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNSOLVED = "unsolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable between two bounds (``high`` None for no bound)."""

    name: str
    low: float = 0.0
    high: float | None = None
    integer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """sum of terms <= limit, or == limit.

    Attributes:
        name: unique; what an infeasible program is reported by.
        terms: coefficients.
        limit: right-hand side.
        equal: whether both sides are equal.
        elastic: a limit that might be raised, as opposed to what makes a solution one.
    """

    name: str
    terms: Terms
    limit: float
    equal: bool = False
    elastic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Minimise the objective over the variables under the constraints."""

    name: str
    objective: Terms
    variables: tuple[Variable, ...]
    constraints: tuple[Constraint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Values by variable and what is known of them.

    Attributes:
        values: by name of the variable.
        objective: attained.
        optimal: whether it is proven to be the least (within the gap).
        bound: least objective that the search has not excluded.
    """

    values: Mapping[str, float]
    objective: float
    optimal: bool
    bound: float


def solve_program(
    program: Program, *, gap: float = 1e-6, node_limit: int = 10_000, explain: bool = True
) -> Solution:
    """The best solution of a program.

    Args:
        program: what to solve.
        gap: relative distance from the optimum at which the search stops.
        node_limit: branch-and-bound nodes after which it settles for the best solution so far.
        explain: whether an error says which limits are too low; another program is solved for that.

    Raises:
        InfeasibleError: no solution; names the elastic limits that would have to be raised least.
        SolverError: no solution within the node limit.
    """
    solution, status = _solve(program, gap=gap, node_limit=node_limit)
    if solution is not None:
        return solution
    if status is Status.INFEASIBLE:
        missing = _binding(program, gap=gap, node_limit=node_limit) if explain else {}
        raise InfeasibleError(program.name, missing)
    raise SolverError(f"{program.name}: no solution within {node_limit} nodes")


def _binding(program: Program, *, gap: float, node_limit: int) -> dict[str, float]:
    """By how much each elastic limit must be raised if the sum of what is missing is to be least."""
    slack = {limit.name: f"missing {limit.name}" for limit in program.constraints if limit.elastic}
    relaxed = Program(
        name=f"{program.name}, limits relaxed",
        objective=dict.fromkeys(slack.values(), 1.0),
        variables=(*program.variables, *(Variable(name=name) for name in slack.values())),
        constraints=tuple(
            Constraint(
                name=limit.name,
                terms={**limit.terms, slack[limit.name]: -1.0} if limit.elastic else limit.terms,
                limit=limit.limit,
                equal=limit.equal,
            )
            for limit in program.constraints
        ),
    )
    solution, _ = _solve(relaxed, gap=gap, node_limit=node_limit)
    if solution is None:
        return {}
    missing = {name: solution.values[variable] for name, variable in slack.items()}
    return {name: amount for name, amount in missing.items() if amount > 1e-9}


def _solve(program: Program, *, gap: float, node_limit: int) -> tuple[Solution | None, Status]:
    import pulp  # noqa: PLC0415 - see the top of this file

    def total(terms: Terms) -> Any:  # noqa: ANN401 - a PuLP expression
        sum_of_terms = pulp.lpSum([])
        for name, factor in terms.items():  # a product of each and the sum of them take ten times as long
            sum_of_terms.addterm(variables[name], factor)
        return sum_of_terms

    problem = pulp.LpProblem("program", pulp.LpMinimize)
    variables = {
        variable.name: problem.add_variable(
            f"x{index}",
            lowBound=variable.low,
            upBound=variable.high,
            cat=pulp.LpInteger if variable.integer else pulp.LpContinuous,
        )
        for index, variable in enumerate(program.variables)
    }
    problem += total(program.objective)
    for index, constraint in enumerate(program.constraints):
        left = total(constraint.terms)
        problem += (left == constraint.limit if constraint.equal else left <= constraint.limit), f"c{index}"
    solver = pulp.HiGHS(msg=False, threads=1, gapRel=gap, random_seed=0, mip_max_nodes=node_limit)
    with quiet_output():
        status = _solved(problem, solver)
    if status not in {Status.OPTIMAL, Status.FEASIBLE}:
        return None, status
    values = {name: float(variable.value()) for name, variable in variables.items()}
    return _solution(program, values, problem, optimal=status is Status.OPTIMAL), status


def _solution(program: Program, values: Mapping[str, float], problem: Any, *, optimal: bool) -> Solution:  # noqa: ANN401 - PuLP has no types
    objective = sum(factor * values[name] for name, factor in program.objective.items())
    bound = _bound(problem, objective) if any(v.integer for v in program.variables) else objective
    return Solution(values=values, objective=objective, optimal=optimal, bound=bound)


def _solved(problem: Any, solver: Any) -> Status:  # noqa: ANN401 - PuLP has no types
    """Solve; PuLP 3.3 has no word for the node limit, which HiGHS calls a solution limit, and stumbles."""
    try:
        return _status(problem, in_background(lambda: problem.solve(solver)))
    except KeyError as error:
        if getattr(error.args[0], "name", "") != NODE_LIMIT:
            raise
    feasible = problem.solverModel.getInfo().primal_solution_status == FEASIBLE
    return Status.FEASIBLE if feasible else Status.UNSOLVED


def _bound(problem: Any, objective: float) -> float:  # noqa: ANN401 - PuLP has no types
    """The bound of the search, which rounding may put a last digit above the objective."""
    return min(float(problem.solverModel.getInfo().mip_dual_bound), objective)


def _status(problem: Any, outcome: Any) -> Status:  # noqa: ANN401 - differ between PuLP 3.3 and 4
    """PuLP 4 returns statistics with a named status; PuLP 3.3 an integer that calls any solution optimal."""
    if hasattr(outcome, "status"):
        name, stopped = outcome.status.name.lower(), Status.UNSOLVED
        if outcome.has_solution:  # found before a limit that has a name of its own
            stopped = Status.FEASIBLE
        return next((status for status in Status if name == status.value), stopped)
    known = {1: Status.OPTIMAL, 2: Status.FEASIBLE, -1: Status.INFEASIBLE}
    return known.get(problem.sol_status, Status.UNSOLVED)
