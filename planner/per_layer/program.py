"""The integer program of a per-layer choice, and its solution.

    x[n, o] = 1 if node n takes option o;  sum over o of x[n, o] = 1
    f[e, a, b] = 1 if tensor e leaves in layout a and is read in layout b:
        sum over b of f[e, a, b] = sum of x[source, o] with output a,  and likewise for what is read
    memory:  sum of bytes x + transient <= room

minimised over the step of :mod:`planner.per_layer.problem`. On chains the tensors are flows, whose linear
relaxation is integral but for memory, so branching is rare. Options that a dynamic programme shows to be
beyond a known answer (:mod:`planner.per_layer.pruning`) and layout changes that alone cost more than it has
to spare are left out before the solver sees them; the optimum stays. Where one choice is left there is
nothing to solve.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from planner.per_layer.objective import StepTerms, flow, take, time_variables
from planner.per_layer.problem import (
    Choice,
    Item,
    LayerProblem,
    Tensor,
    estimate_step,
    greedy_choice,
    needed_bytes,
    uniform_choices,
)
from planner.per_layer.pruning import SLACK, keep_options, least_time, options_within
from planner.solver.ilp import Constraint, Program, Solution, Variable, solve_program

GIB = 2.0**30


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSolution:
    """The best choice.

    Attributes:
        choice: option of each item.
        step: [s] as the problem counts it.
        optimal: proven to be the least.
        variables: of the program of what is not alone beyond a known answer.
    """

    choice: Choice
    step: float
    optimal: bool
    variables: int


def solve_layer_problem(problem: LayerProblem) -> LayerSolution:
    """The choice of least step time that fits.

    Raises:
        InfeasibleError: no choice fits in memory; says by how much.
        SolverError: the solver gave up.
    """
    known = {choice: estimate_step(problem, choice) for choice in first_answers(problem)}
    best = min(known, key=lambda choice: known[choice], default=None)
    limit = None if best is None else known[best]
    kept = keep_options(problem, limit)
    smaller = _only(problem, kept)
    spare = None if limit is None else limit - least_time(smaller)
    size = _size(smaller, spare)
    if best is not None and limit is not None:
        within = options_within(smaller, limit)
        if all(len(indices) == 1 for indices in within):
            return LayerSolution(choice=best, step=limit, optimal=True, variables=size)
        kept = [[own[index] for index in indices] for own, indices in zip(kept, within, strict=True)]
        smaller = _only(problem, kept)
        spare = limit - least_time(smaller)
    unit = limit or max(least_time(smaller), 1e-12)
    solution = solve_program(layer_program(smaller, unit=unit, spare=spare))
    choice = tuple(indices[_picked(solution, number, len(indices))] for number, indices in enumerate(kept))
    return LayerSolution(
        choice=choice, step=estimate_step(problem, choice), optimal=solution.optimal, variables=size
    )


def _only(problem: LayerProblem, kept: Sequence[Sequence[int]]) -> LayerProblem:
    """The problem with some options of each item."""
    return replace(
        problem,
        items=tuple(
            replace(item, options=tuple(item.options[index] for index in indices))
            for item, indices in zip(problem.items, kept, strict=True)
        ),
    )


def _size(problem: LayerProblem, spare: float | None) -> int:
    """Variables of the program of a problem."""
    options = sum(len(item.options) for item in problem.items)
    pairs = sum(1 for tensor in problem.tensors for _ in _pairs(problem, tensor, spare))
    return options + pairs + time_variables(problem)


def first_answers(problem: LayerProblem) -> list[Choice]:
    """Choices that are easily found and fit."""
    found = [greedy_choice(problem), *uniform_choices(problem)]
    return [choice for choice in found if needed_bytes(problem, choice) <= problem.room]


def _picked(solution: Solution, item: int, options: int) -> int:
    return max(range(options), key=lambda index: solution.values[take(item, index)])


def layer_program(problem: LayerProblem, *, unit: float, spare: float | None) -> Program:
    """The integer program, times in ``unit`` seconds and bytes in GiB.

    Args:
        problem: what to choose.
        unit: [s] by which times are scaled.
        spare: [s] that layout changes of one tensor may take at most; None for any.
    """
    taken = [
        Variable(name=take(number, index), high=1.0, integer=True)
        for number, item in enumerate(problem.items)
        for index in range(len(item.options))
    ]
    flows = [list(_pairs(problem, tensor, spare)) for tensor in problem.tensors]
    moved = [
        Variable(name=flow(number, a, b), high=1.0) for number, pairs in enumerate(flows) for a, b in pairs
    ]
    times = StepTerms(problem, flows, unit)
    return Program(
        name=f"{problem.name}: split per layer",
        objective=times.objective(),
        variables=(*taken, *moved, *times.variables),
        constraints=(
            *(_one(number, item) for number, item in enumerate(problem.items)),
            *(rule for number in range(len(flows)) for rule in _ends(problem, number, flows[number])),
            *_memory(problem),
            *times.constraints,
        ),
    )


def _pairs(problem: LayerProblem, tensor: Tensor, spare: float | None) -> Iterator[tuple[int, int]]:
    """Layout changes of one tensor that a best answer can contain."""
    sources = sorted({option.output for option in problem.items[tensor.source].options})
    targets = sorted({tensor.read_in(option) for option in problem.items[tensor.target].options})
    for a in sources:
        for b in targets:
            seconds = tensor.count * (tensor.forward[a][b] + tensor.backward[a][b])
            if spare is None or seconds <= spare * (1 + SLACK) or a == b:
                yield a, b


def _one(number: int, item: Item) -> Constraint:
    terms = {take(number, index): 1.0 for index in range(len(item.options))}
    return Constraint(name=f"{item.name} takes one split", terms=terms, limit=1.0, equal=True)


def _ends(problem: LayerProblem, number: int, pairs: Sequence[tuple[int, int]]) -> Iterator[Constraint]:
    """Both ends of a tensor agree with the options of its nodes."""
    tensor = problem.tensors[number]
    for end, item, place in (("leaves", tensor.source, 0), ("is read", tensor.target, 1)):
        options = problem.items[item].options
        layouts = [tensor.read_in(option) if place else option.output for option in options]
        for layout in sorted(set(layouts)):
            terms = {flow(number, *pair): 1.0 for pair in pairs if pair[place] == layout}
            for index, own in enumerate(layouts):
                if own == layout:
                    terms[take(item, index)] = terms.get(take(item, index), 0.0) - 1.0
            yield Constraint(name=f"tensor {number} {end} in {layout}", terms=terms, limit=0.0, equal=True)


def _memory(problem: LayerProblem) -> Iterator[Constraint]:
    terms = {"transient": 1.0}
    for number, item in enumerate(problem.items):
        brief = {"transient": -1.0}
        for index, option in enumerate(item.options):
            terms[take(number, index)] = item.count * option.nbytes / GIB
            brief[take(number, index)] = option.transient / GIB
        yield Constraint(name=f"transient of {item.name}", terms=brief, limit=0.0)
    yield Constraint(name="memory of a device [GiB]", terms=terms, limit=problem.room / GIB, elastic=True)
