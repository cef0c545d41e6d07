"""One workspace divided among all passes: the 0/1 programme of mu-cuDNN (workspace division).

    min  sum over passes k, configurations c of T[k, c] x[k, c]
    s.t. sum over c of x[k, c] = 1               for each pass k
         sum over k, c of W[k, c] x[k, c] <= W   the total workspace
         x[k, c] in {0, 1}

over the desirable configurations of each pass (Oyama et al. 2018). N passes with the same configurations
(equal blocks of a network) share one variable, x in {0 ... N}: which of them runs what makes no difference.

Two programmes are solved. The first, over few configurations of least excess (`relaxation`), finds a good
division; the second holds every configuration that a better one could use, so its optimum is the optimum.
Where that leaves very many, `branching` takes their place, to a millionth of the time.
The objective is in units of a millionth of the bound, so that the solver's absolute tolerance (1e-6) is far
below rounding; workspaces are in KiB, so that it is below one byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.errors import InfeasibleError
from planner.microbatch.branching import Front, branch_and_bound
from planner.microbatch.configuration import Configuration
from planner.microbatch.relaxation import Relaxation, relax_limit
from planner.solver.ilp import Constraint, Program, Solution, Variable, solve_program

CORE = 2
"""Configurations per pass, on average, of the first programme."""
COLUMNS = 1_000
"""Configurations of unlike passes that a programme may have."""

_ROUNDING = 1e-9
"""Relative; an excess above what a better division allows by less stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """One configuration per pass, in their order; ``bound`` [s] is the proven least time."""

    chosen: tuple[Configuration, ...]
    optimal: bool
    bound: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Passes (by index) that choose among the same configurations."""

    members: tuple[int, ...]
    configurations: tuple[Configuration, ...]


def solve_division(passes: Sequence[Sequence[Configuration]], limit: float) -> Division:
    """The configurations of least total time whose workspaces together take at most ``limit`` [bytes].

    Args:
        passes: [passes][configurations] by rising workspace, each with at least one; passes that hold the
            same object are counted together.
        limit: [bytes] for all together.

    Raises:
        InfeasibleError: even the least workspaces take more; says by how much.
        SolverError: the solver gave up.
    """
    relaxation = relax_limit(passes, limit)
    if relaxation is None:
        missing = sum(configurations[0].workspace for configurations in passes) - limit
        raise InfeasibleError("dividing the workspace", {"the total workspace [bytes]": missing})
    scale = relaxation.bound / 1e6
    left = _within(passes, relaxation, relaxation.known * (1 + _ROUNDING) - relaxation.bound)
    if sum(len(group.configurations) for group in left) > COLUMNS:
        return _branched(left, limit)
    first = _solve(_core(passes, relaxation), limit, scale)
    known = min(relaxation.known, sum(each.time for each in first.chosen))
    room = known * (1 + _ROUNDING) - relaxation.bound
    return _solve(_within(passes, relaxation, room), limit, scale)


def _branched(groups: Sequence[_Group], limit: float) -> Division:
    fronts = [
        Front(
            times=np.array([each.time for each in group.configurations]),
            spaces=np.array([each.workspace for each in group.configurations]),
        )
        for group in groups
    ]
    found = branch_and_bound(fronts, [len(group.members) for group in groups], limit)
    chosen: dict[int, Configuration] = {}
    for group, taken in zip(groups, found.chosen, strict=True):
        each = (group.configurations[place] for place, passes in taken for _ in range(passes))
        chosen |= zip(group.members, each, strict=True)
    return Division(
        chosen=tuple(chosen[index] for index in sorted(chosen)),
        optimal=found.bound >= found.time,
        bound=found.bound,
    )


def _core(passes: Sequence[Sequence[Configuration]], relaxation: Relaxation) -> list[_Group]:
    """Those of least excess; among them is a division, the choice at the relaxation's price."""
    ranked = np.sort(np.concatenate(relaxation.excess))
    return _within(passes, relaxation, float(ranked[min(CORE * len(passes), len(ranked)) - 1]))


def _within(passes: Sequence[Sequence[Configuration]], relaxation: Relaxation, room: float) -> list[_Group]:
    """Configurations whose excess is at most ``room`` [s]."""
    known: dict[int, tuple[Configuration, ...]] = {}
    for configurations, excess in zip(passes, relaxation.excess, strict=True):
        if id(configurations) not in known:
            pairs = zip(configurations, excess, strict=True)
            known[id(configurations)] = tuple(each for each, more in pairs if more <= room)
    return _groups([known[id(configurations)] for configurations in passes])


def _groups(passes: Sequence[Sequence[Configuration]]) -> list[_Group]:
    members: dict[int, list[int]] = {}
    for index, configurations in enumerate(passes):
        members.setdefault(id(configurations), []).append(index)
    return [
        _Group(members=tuple(found), configurations=tuple(passes[found[0]])) for found in members.values()
    ]


def _solve(groups: Sequence[_Group], limit: float, scale: float) -> Division:
    solution = solve_program(_program(groups, limit, scale), gap=0.0)
    chosen = {
        index: configuration
        for g, group in enumerate(groups)
        for index, configuration in zip(group.members, _picked(solution, g, group), strict=True)
    }
    return Division(
        chosen=tuple(chosen[index] for index in sorted(chosen)),
        optimal=solution.optimal,
        bound=solution.bound * scale,
    )


def _picked(solution: Solution, index: int, group: _Group) -> list[Configuration]:
    """A configuration for each member."""
    return [
        configuration
        for c, configuration in enumerate(group.configurations)
        for _ in range(round(solution.values[_name(index, c)]))
    ]


def _name(group: int, configuration: int) -> str:
    return f"passes of group {group} that run configuration {configuration}"


def _program(groups: Sequence[_Group], limit: float, scale: float) -> Program:
    """The programme; times in units of ``scale`` [s], workspaces in KiB."""
    cells = [
        (_name(g, c), each, len(group.members))
        for g, group in enumerate(groups)
        for c, each in enumerate(group.configurations)
    ]
    choices = [
        Constraint(
            name=f"each pass of group {g} runs one configuration",
            terms={_name(g, c): 1.0 for c in range(len(group.configurations))},
            limit=float(len(group.members)),
            equal=True,
        )
        for g, group in enumerate(groups)
    ]
    total = Constraint(
        name="the total workspace",
        terms={name: each.workspace / 1024 for name, each, _ in cells if each.workspace},
        limit=limit / 1024,
    )
    return Program(
        name="dividing the workspace",
        objective={name: each.time / scale for name, each, _ in cells},
        variables=tuple(Variable(name=name, high=count, integer=True) for name, _, count in cells),
        constraints=(*choices, total),
    )
