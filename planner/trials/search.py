"""The best packing that is found: lists and moves for any number of jobs, the exact program for few."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from planner.errors import SolverError
from planner.trials.packing import Jobs, Placed, Shelf, Width, makespan, pack
from planner.trials.program import allotment, chosen, exact_packing

FEW = 8
"""Jobs of which the exact program is asked."""
PLACES = 256
"""Most pairs of jobs times nodes of it."""
TARGETS = 12
"""Makespans that widths are chosen for before lists are tried."""
WORK = 600_000
"""Of a search by moves, in pairs of jobs times nodes: a few seconds."""
CLOSE = 1e-6  # relative


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """Jobs placed, and what is known of the best packing.

    Attributes:
        placed: one a job, in the order of the jobs.
        makespan: [s].
        bound: [s] that no packing undercuts.
    """

    placed: tuple[Placed, ...]
    makespan: float
    bound: float

    @property
    def optimal(self) -> bool:
        """Whether no packing is shorter."""
        return self.makespan <= self.bound * (1 + CLOSE)

    @property
    def gap(self) -> float:
        """Share of the makespan that a better packing might save at most."""
        return 0.0 if self.optimal else 1 - self.bound / self.makespan


def find_packing(jobs: Jobs, shelf: Shelf) -> Packing:
    """The shortest packing found of jobs that each have at least one width that fits."""
    useful = [_useful(widths) for widths in jobs]
    best = min(_lists(useful, shelf), key=makespan)
    bound = allotment(useful, shelf, makespan(best))
    if makespan(best) > bound * (1 + CLOSE):
        best = _moved(best, useful, shelf, bound)
    if makespan(best) > bound * (1 + CLOSE) and len(jobs) <= FEW and len(jobs) ** 2 * shelf.nodes <= PLACES:
        best, bound = _exact(best, useful, shelf, bound)
    placed = tuple(sorted(best, key=lambda each: each.job))
    return Packing(placed=placed, makespan=makespan(best), bound=min(bound, makespan(best)))


def _useful(widths: Sequence[Width]) -> list[Width]:
    """Widths that are shorter than all that take fewer devices."""
    found: list[Width] = []
    for width in sorted(widths, key=lambda each: (each.devices * each.nodes, each.time)):
        if not found or width.time < found[-1].time:
            found.append(width)
    return found


def _lists(jobs: Sequence[Sequence[Width]], shelf: Shelf) -> Iterator[tuple[Placed, ...]]:
    """Packings by lists: widths of least area for several makespans, the longest or largest jobs first."""
    shortest = max(min(width.time for width in widths) for widths in jobs)
    longest = max(max(width.time for width in widths) for widths in jobs)
    keys = (lambda w: -w.time, lambda w: -w.area, lambda w: (-w.devices * w.nodes, -w.time))
    for step in range(TARGETS):
        target = shortest * (longest / shortest) ** (step / (TARGETS - 1))
        widths = [_least_area(each, target * (1 + CLOSE)) for each in jobs]
        for key in keys:
            yield pack(sorted(range(len(jobs)), key=lambda job: key(widths[job])), widths, shelf)


def _least_area(widths: Sequence[Width], target: float) -> Width:
    fast = [width for width in widths if width.time <= target]
    return min(fast or widths, key=lambda width: (width.area, width.time))


def _moved(
    best: tuple[Placed, ...], jobs: Sequence[Sequence[Width]], shelf: Shelf, bound: float
) -> tuple[Placed, ...]:
    """The best of packings by moves: another width of a job, another place in the list."""
    random = Random(0)  # noqa: S311 - a fixed sequence, so that the answer is always the same
    order, widths = [each.job for each in best], [each.width for each in sorted(best, key=lambda e: e.job)]
    for _ in range(max(20, min(2_000, WORK // (len(jobs) ** 2 * shelf.nodes)))):
        tried, other = order.copy(), widths.copy()
        job = random.randrange(len(jobs))
        if len(jobs[job]) > 1 and random.random() < 0.5:
            other[job] = random.choice(jobs[job])
        tried.remove(job)
        tried.insert(random.randrange(len(jobs)), job)
        found = pack(tried, other, shelf)
        if makespan(found) <= makespan(best):
            best, order, widths = found, tried, other
        if makespan(best) <= bound * (1 + CLOSE):
            break
    return best


def _exact(
    best: tuple[Placed, ...], jobs: Sequence[Sequence[Width]], shelf: Shelf, bound: float
) -> tuple[tuple[Placed, ...], float]:
    """The exact packing, or the known one with a better bound."""
    most = makespan(best)
    short = [[width for width in widths if width.time <= most * (1 + CLOSE)] for widths in jobs]
    try:
        solution = exact_packing(short, shelf, least=bound, most=most * (1 + CLOSE))
    except SolverError:
        return best, bound
    unit = most * (1 + CLOSE)
    widths = chosen(solution, short)
    found = tuple(
        Placed(
            job,
            widths[job],
            solution.values[f"start {job}"] * unit,
            tuple(node for node in range(shelf.nodes) if solution.values[f"on {job} {node}"] > 0.5),
        )
        for job in range(len(jobs))
    )
    settled = _settled(found, shelf)
    shortest = min(best, settled, key=makespan)
    if solution.optimal:  # within the solver's gap, a millionth
        return shortest, makespan(shortest)
    return shortest, max(bound, solution.bound * unit * (1 - CLOSE))


def _settled(found: Sequence[Placed], shelf: Shelf) -> tuple[Placed, ...]:
    """The same packing by the serial rule, which takes rounding out of starts."""
    order = [each.job for each in sorted(found, key=lambda each: (each.start, each.job))]
    widths = [each.width for each in sorted(found, key=lambda each: each.job)]
    return pack(order, widths, shelf, nodes={each.job: each.nodes for each in found})
