"""A choice to start from where none is known: annealing over many choices at once.

Branch and bound of a long programme spends most of its nodes before it comes upon a good choice; one that is
known bounds the step, and with it what every wait may lack. All that a choice implies follows from the
programme's own constraints: every other variable is the least that these allow, one after another, for a
whole batch of choices. A choice that has no room pays for what is missing. Every few rounds the better half
of the batch takes the place of the worse (population annealing, Hukushima and Iba 2003).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, inf

import numpy as np
from numpy.typing import NDArray

from planner.errors import SolverError
from planner.memory_savers.options import RankProblem, Run
from planner.memory_savers.terms import total
from planner.solver.ilp import Program, Solution, Terms, Variable

Array = NDArray[np.float64]

CHOSEN = ("items ", "optimizer ", "parameters ")
"""What the names of variables that make a choice start with."""
BATCH, ROUNDS, RENEWED = 128, 300, 10
"""Choices at once, moves of each, and rounds after which the better half replaces the worse."""
HOT, COLD = 0.05, 3e-4
"""Temperatures of the first and the last round, relative to the step that saves nothing."""
PRICE = 10.0
"""Of memory that is missing: that much of all there is costs one step that saves nothing, this many times."""
AMOUNTS = (1, 2, 4, 8)
"""Items that a move takes to another option; half of all they may be too."""
BLOCKS = (1, 3)
"""Blocks whose state a move takes to the host or back; all of a run too."""
TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """The least value of a variable: the largest of ``factors`` x those at ``columns`` + ``offsets``."""

    variable: int
    low: float
    integer: bool
    columns: list[int]
    factors: Array
    offsets: Array


class Implied:
    """What choices imply by the constraints of a programme, [variables, choices] at once."""

    def __init__(self, program: Program) -> None:
        """Orders the variables.

        Raises:
            SolverError: variables follow from each other in a circle.
        """
        self.names = [variable.name for variable in program.variables]
        self.chosen = [at for at, name in enumerate(self.names) if name.startswith(CHOSEN)]
        self.high = np.array([program.variables[at].high or 0.0 for at in self.chosen])[:, None]
        self._goal = np.array([program.objective.get(name, 0.0) for name in self.names])
        places = {name: at for at, name in enumerate(self.names)}
        rows: dict[int, list[tuple[dict[int, float], float]]] = {}
        checks = []
        for constraint in program.constraints:
            terms = {places[name]: factor for name, factor in constraint.terms.items() if factor}
            own = self._defined(terms, program.variables)
            if own is not None:
                rows.setdefault(own, []).append((terms, constraint.limit))
            elif not constraint.equal:  # moves keep what is equal
                checks.append((terms, constraint.limit))
        self._rules = [_rule(at, program.variables[at], rows.get(at, [])) for at in self._order(rows)]
        self._checks = np.array([[terms.get(at, 0.0) for at in places.values()] for terms, _ in checks])
        self._limits = np.array([limit for _, limit in checks])[:, None]

    def _defined(self, terms: Mapping[int, float], variables: tuple[Variable, ...]) -> int | None:
        """The variable that a constraint bounds from below: a time or a size rather than a binary."""
        lower = [at for at, factor in terms.items() if factor < 0 and at not in self.chosen]
        return max((at for at in lower if not variables[at].integer), default=max(lower, default=None))

    def _order(self, rows: Mapping[int, list[tuple[dict[int, float], float]]]) -> Iterator[int]:
        """Variables in an order in which each follows from those before it."""
        known = set(self.chosen)
        waiting = {
            at: {other for terms, _ in rows.get(at, []) for other in terms} - {at}
            for at in range(len(self.names))
            if at not in known
        }
        while waiting:
            ready = [at for at, others in waiting.items() if others <= known]
            if not ready:
                raise SolverError(f"variables in a circle: {', '.join(self.names[at] for at in waiting)}")
            yield from ready
            known.update(ready)
            waiting = {at: others for at, others in waiting.items() if at not in known}

    def values(self, choices: Array) -> Array:
        """Of all variables, from those that are chosen."""
        found = np.zeros((len(self.names), choices.shape[1]))
        found[self.chosen] = choices
        for rule in self._rules:
            found[rule.variable] = rule.low
            if rule.columns or len(rule.offsets):
                least = (_product(rule.factors, found[rule.columns]) + rule.offsets).max(axis=0)
                least = np.ceil(least - TINY) if rule.integer else least
                np.maximum(found[rule.variable], least, out=found[rule.variable])
        return found

    def judged(self, choices: Array) -> tuple[Array, Array]:
        """Objective and what is missing of each choice, in the programme's units."""
        values = self.values(choices)
        missing = np.maximum(_product(self._checks, values) - self._limits - TINY, 0.0).sum(axis=0)
        return _product(self._goal[None, :], values)[0], missing


def _product(one: Array, other: Array) -> Array:
    """A product of matrices in this thread: those of a library for so small ones wait for each other."""
    product: Array = np.einsum("ij,jk->ik", one, other)
    return product


def _rule(at: int, variable: Variable, rows: list[tuple[dict[int, float], float]]) -> _Rule:
    columns = sorted({other for terms, _ in rows for other in terms} - {at})
    factors = [[terms.get(other, 0.0) / -terms[at] for other in columns] for terms, _ in rows]
    return _Rule(
        variable=at,
        low=variable.low,
        integer=variable.integer,
        columns=columns,
        factors=np.array(factors).reshape(len(rows), len(columns)),
        offsets=np.array([limit / terms[at] for terms, limit in rows]).reshape(len(rows), 1),
    )


class _Moves:
    """Changes of a choice, by the variable that becomes less; a few become less in none."""

    def __init__(self, problem: RankProblem, chosen: list[str]) -> None:
        places = {name: at for at, name in enumerate(chosen)}
        groups: list[list[Array]] = [[] for _ in range(len(chosen) + 1)]
        for move in (move for r, run in enumerate(problem.runs) for move in _moves(r, run)):
            if set(move) <= set(places):
                change = np.zeros(len(chosen))
                for name, amount in move.items():
                    change[places[name]] += amount
                less = np.flatnonzero(change < 0)
                groups[less[0] if len(less) else -1].append(change)
        self._sizes = np.array([len(group) for group in groups])
        self._first = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])
        self._changes = np.array([change for group in groups for change in group])

    def drawn(self, choices: Array, generator: np.random.Generator) -> Array:
        """A change of each choice, of a variable that can become less."""
        count = choices.shape[1]
        weights = generator.random((len(self._sizes), count)) * (self._sizes > 0)[:, None]
        weights[:-1] *= choices > 0
        group = weights.argmax(axis=0)
        within = (generator.random(count) * self._sizes[group]).astype(int)
        changes: Array = self._changes[self._first[group] + within]
        return changes.T


def _moves(r: int, run: Run) -> Iterator[Terms]:
    """Changes of a run's items, blocks that are left over by the first option, and of where its state is."""
    first = run.options[0].blocks
    for a, one in enumerate(run.options):
        for b, other in enumerate(run.options):
            for amount in sorted({*AMOUNTS, max(1, run.count // other.blocks // 2)}):
                taken = ceil(amount * other.blocks / one.blocks)
                rest = taken * one.blocks - amount * other.blocks
                if a != b and taken * one.blocks <= run.count and rest % first == 0:
                    change = {f"items {r} {a}": -float(taken), f"items {r} {b}": float(amount)}
                    yield total(change, {f"items {r} 0": float(rest // first)})
    for count in sorted({*BLOCKS, run.count}):
        for amount in (count, -count):
            yield {f"optimizer {r}": amount}
            yield {f"parameters {r}": amount}
            yield {f"optimizer {r}": amount, f"parameters {r}": amount}


def start(problem: RankProblem, program: Program, room: float) -> Solution | None:
    """The best choice that is found, not proven; None where none has room.

    Args:
        problem: of the rank.
        program: its programme for the shortest step.
        room: of the device, in the programme's units.

    Raises:
        SolverError: the programme's variables follow from each other in a circle.
    """
    implied = Implied(program)
    names = [implied.names[at] for at in implied.chosen]
    moves, generator = _Moves(problem, names), np.random.default_rng(0)
    kept = {f"items {r} 0": run.count // run.options[0].blocks for r, run in enumerate(problem.runs)}
    choices = np.repeat(np.array([[float(kept.get(name, 0))] for name in names]), BATCH, axis=1)
    seconds, missing = implied.judged(choices)
    plain = seconds[0]
    costs = seconds / plain + PRICE * missing / room
    least, best = inf, choices[:, 0]
    for number in range(ROUNDS):
        more = moves.drawn(choices, generator) * (generator.random(BATCH) < 1 / 2)
        tried = choices + moves.drawn(choices, generator) + more
        possible = ((tried >= 0) & (tried <= implied.high)).all(axis=0)
        seconds, missing = implied.judged(np.where(possible, tried, choices))
        found = seconds / plain + PRICE * missing / room
        heat = HOT * (COLD / HOT) ** (number / ROUNDS)
        taken = possible & (generator.random(BATCH) < np.exp(np.minimum(0.0, (costs - found) / heat)))
        choices, costs = np.where(taken, tried, choices), np.where(taken, found, costs)
        fits = np.where(possible & (missing <= 0), seconds, inf)
        if fits.min() < least:
            least, best = float(fits.min()), tried[:, fits.argmin()]
        if number % RENEWED == RENEWED - 1:
            order = costs.argsort(kind="stable")
            choices[:, order[BATCH // 2 :]] = choices[:, order[: BATCH // 2]]
            costs[order[BATCH // 2 :]] = costs[order[: BATCH // 2]]
    if least == inf:
        return None
    values = dict(zip(implied.names, implied.values(best[:, None])[:, 0].tolist(), strict=True))
    return Solution(values=values, objective=least, optimal=False, bound=0.0)
