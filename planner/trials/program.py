"""The packing as integer linear programs: a bound for any number of jobs, the exact one for few.

The bound chooses widths so that neither the devices' time nor the longest job exceeds the makespan (the
allotment of Turek, Wolf and Yu 1992). The exact program adds the order: y[i, j] says that i ends before j
starts, and devices flow from jobs to those that start after them (resource flow of Artigues, Michelon and
Reusser 2003), node by node, so that a job gets its devices from jobs that are over.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations

from planner.solver.ilp import Constraint, Program, Solution, Variable, solve_program
from planner.trials.packing import Jobs, Shelf, Width

NODES = 4_000
"""Branch-and-bound nodes of the exact program, after which its bound and the best packing stand."""
SOURCE = -1  # of devices that nobody has had yet


def allotment(jobs: Jobs, shelf: Shelf, most: float) -> float:
    """[s] that no packing undercuts.

    Args:
        jobs: widths of each.
        shelf: what they are packed into.
        most: [s] of a packing that is known.
    """
    solution = solve_program(
        Program(
            name="allotment of trials",
            objective={"makespan": 1.0},
            variables=(Variable(name="makespan", high=1.0), *_choices(jobs)),
            constraints=(*_one_width(jobs), *_area(jobs, shelf, most), *_longest(jobs, most)),
        )
    )
    return solution.bound * most


def exact_packing(jobs: Jobs, shelf: Shelf, *, least: float, most: float) -> Solution:
    """The best packing of few jobs, times in units of ``most``.

    Raises:
        SolverError: the solver gave up without a packing.
    """
    pairs = list(permutations(range(len(jobs)), 2))
    variables = [Variable(name="makespan", low=min(1.0, least / most), high=1.0), *_choices(jobs)]
    variables += [Variable(name=f"start {job}", high=1.0) for job in range(len(jobs))]
    variables += [Variable(name=f"before {i} {j}", high=1.0, integer=True) for i, j in pairs]
    for node in range(shelf.nodes):
        for job in range(len(jobs)):
            variables.append(Variable(name=f"on {job} {node}", high=1.0, integer=True))
            variables.append(Variable(name=f"held {job} {node}", high=float(shelf.devices)))
            variables += [
                Variable(name=f"flow {other} {job} {node}", high=float(shelf.devices))
                for other in (SOURCE, *range(len(jobs)))
                if other != job
            ]
    constraints = (
        *_one_width(jobs),
        *_area(jobs, shelf, most),
        *_ends(jobs, most),
        *_orders(jobs, pairs, most),
        *_places(jobs, shelf),
        *_flows(jobs, shelf),
        *_alike(jobs),
    )
    program = Program(
        name="packing of trials",
        objective={"makespan": 1.0},
        variables=tuple(variables),
        constraints=constraints,
    )
    return solve_program(program, node_limit=NODES)


def chosen(solution: Solution, jobs: Jobs) -> list[Width]:
    """The width of every job in a solution."""
    return [
        max(enumerate(widths), key=lambda each: solution.values[f"width {job} {each[0]}"])[1]
        for job, widths in enumerate(jobs)
    ]


def _choices(jobs: Jobs) -> Iterator[Variable]:
    for job, widths in enumerate(jobs):
        for number in range(len(widths)):
            yield Variable(name=f"width {job} {number}", high=1.0, integer=True)


def _of(job: int, amounts: Sequence[float], factor: float = 1.0) -> dict[str, float]:
    """A sum over the widths of a job."""
    return {f"width {job} {number}": factor * amount for number, amount in enumerate(amounts)}


def _one_width(jobs: Jobs) -> Iterator[Constraint]:
    for job, widths in enumerate(jobs):
        yield Constraint(name=f"one width {job}", terms=_of(job, [1.0] * len(widths)), limit=1.0, equal=True)


def _area(jobs: Jobs, shelf: Shelf, most: float) -> Iterator[Constraint]:
    whole = float(shelf.nodes * shelf.devices)
    terms = {"makespan": -1.0}
    for job, widths in enumerate(jobs):
        terms |= _of(job, [width.area / most / whole for width in widths])
    yield Constraint(name="area", terms=terms, limit=0.0)


def _longest(jobs: Jobs, most: float) -> Iterator[Constraint]:
    for job, widths in enumerate(jobs):
        terms = {"makespan": -1.0, **_of(job, [width.time / most for width in widths])}
        yield Constraint(name=f"longest {job}", terms=terms, limit=0.0)


def _ends(jobs: Jobs, most: float) -> Iterator[Constraint]:
    for job, widths in enumerate(jobs):
        terms = {"makespan": -1.0, f"start {job}": 1.0, **_of(job, [width.time / most for width in widths])}
        yield Constraint(name=f"ends {job}", terms=terms, limit=0.0)


def _orders(jobs: Jobs, pairs: Sequence[tuple[int, int]], most: float) -> Iterator[Constraint]:
    for i, j in pairs:
        times = _of(i, [width.time / most for width in jobs[i]])
        terms = {f"start {i}": 1.0, f"start {j}": -1.0, f"before {i} {j}": 1.0, **times}
        yield Constraint(name=f"order {i} {j}", terms=terms, limit=1.0)
        if i < j:
            both = {f"before {i} {j}": 1.0, f"before {j} {i}": 1.0}
            yield Constraint(name=f"one order {i} {j}", terms=both, limit=1.0)


def _places(jobs: Jobs, shelf: Shelf) -> Iterator[Constraint]:
    for job, widths in enumerate(jobs):
        on = {f"on {job} {node}": 1.0 for node in range(shelf.nodes)}
        nodes = _of(job, [width.nodes for width in widths], -1.0)
        yield Constraint(name=f"nodes {job}", terms={**on, **nodes}, limit=0.0, equal=True)
        held = {f"held {job} {node}": 1.0 for node in range(shelf.nodes)}
        devices = _of(job, [width.nodes * width.devices for width in widths], -1.0)
        yield Constraint(name=f"devices {job}", terms={**held, **devices}, limit=0.0, equal=True)
        for node in range(shelf.nodes):
            terms = {f"held {job} {node}": 1.0, f"on {job} {node}": -float(shelf.devices)}
            yield Constraint(name=f"held {job} {node}", terms=terms, limit=0.0)


def _flows(jobs: Jobs, shelf: Shelf) -> Iterator[Constraint]:
    every = range(len(jobs))
    for node in range(shelf.nodes):
        first = {f"flow {SOURCE} {job} {node}": 1.0 for job in every}
        yield Constraint(name=f"source {node}", terms=first, limit=float(shelf.devices))
        for job in every:
            others = [other for other in every if other != job]
            into = {f"flow {other} {job} {node}": 1.0 for other in (SOURCE, *others)}
            terms = {**into, f"held {job} {node}": -1.0}
            yield Constraint(name=f"into {job} {node}", terms=terms, limit=0.0, equal=True)
            out = {f"flow {job} {other} {node}": 1.0 for other in others}
            yield Constraint(name=f"out {job} {node}", terms={**out, f"held {job} {node}": -1.0}, limit=0.0)
            for other in others:
                terms = {f"flow {job} {other} {node}": 1.0, f"before {job} {other}": -float(shelf.devices)}
                yield Constraint(name=f"flow {job} {other} {node}", terms=terms, limit=0.0)


def _alike(jobs: Jobs) -> Iterator[Constraint]:
    """Jobs that are alike start in their order, and the first one takes the first node: nothing is lost."""
    for i, j in zip(range(len(jobs)), range(1, len(jobs)), strict=False):
        if list(jobs[i]) == list(jobs[j]):
            yield Constraint(name=f"alike {i}", terms={f"start {i}": 1.0, f"start {j}": -1.0}, limit=0.0)
    yield Constraint(name="first", terms={"on 0 0": -1.0}, limit=-1.0)
