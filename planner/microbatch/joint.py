"""Algorithms, layouts and workspaces chosen together: the 0/1 programme.

    min   sum over passes k, layouts l, configurations c of n_k T[k, l, c] x[k, l, c]  +  sum of C_e d_e
    s.t.  sum over c of x[k, l, c] = [z_v = l]               for each pass k of layer v and each layout l
          d_e >= |z_u - z_v|                                  for each tensor e from layer u to layer v
          sum over c of W[k, l, c] x[k, l, c] <= S_s          for each pass k of stream s
          sum over streams s of a region of S_s <= W          for each region that may run at once
          x, z in {0, 1}

Passes that stand for n_k equal ones of a repeated block choose alike. With one workspace divided among all
passes, the last two lines are one: n_k times the workspaces of all passes take at most W.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from planner.microbatch.configuration import Configuration
from planner.microbatch.streams import Region
from planner.solver.ilp import Constraint, Program, Variable, solve_program


@dataclass(frozen=True, slots=True, kw_only=True)
class JointPass:
    """One pass.

    Attributes:
        name: of it, unique.
        layer: whose layout it shares.
        count: equal passes that it stands for.
        configurations: by layout; none for a layout that it cannot run in.
    """

    name: str
    layer: str
    count: int
    configurations: Mapping[str, tuple[Configuration, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor between two layers, and [s] that it costs where their layouts differ."""

    source: str
    target: str
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JointCase:
    """What is to be chosen.

    Attributes:
        passes: of all layers.
        layouts: to choose from, one or two.
        tensors: between layers.
        regions: passes by stream that may run at once; () where the workspace is divided among all passes.
        limit: [bytes] of all workspaces of a region, or of all passes.
    """

    passes: tuple[JointPass, ...]
    layouts: tuple[str, ...]
    tensors: tuple[Tensor, ...]
    regions: tuple[Region, ...]
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """An answer.

    Attributes:
        chosen: a configuration for each pass.
        layouts: by layer.
        conversions: [s] of all tensors whose ends differ.
        optimal: whether no better answer exists.
        bound: [s] proven least time, conversions included.
    """

    chosen: tuple[Configuration, ...]
    layouts: Mapping[str, str]
    conversions: float
    optimal: bool
    bound: float


def solve_joint(case: JointCase) -> Joint:
    """The fastest choice.

    Raises:
        InfeasibleError: nothing fits; names the limits that bind.
        SolverError: the solver gave up.
    """
    scale = _scale(case)
    solution = solve_program(_program(case, scale), gap=1e-9)
    layouts = {
        layer: case.layouts[round(solution.values[_layout(layer)])] if len(case.layouts) > 1 else one
        for layer in _layers(case)
        for one in case.layouts[:1]
    }
    chosen = tuple(
        next(
            configuration
            for c, configuration in enumerate(part.configurations[layouts[part.layer]])
            if round(solution.values[_cell(k, layouts[part.layer], c)])
        )
        for k, part in enumerate(case.passes)
    )
    differing = (each.time for each in case.tensors if layouts[each.source] != layouts[each.target])
    return Joint(
        chosen=chosen,
        layouts=layouts,
        conversions=sum(differing),
        optimal=solution.optimal,
        bound=solution.bound * scale,
    )


def _scale(case: JointCase) -> float:
    """[s] of a unit of the objective: a millionth of the least that all passes take."""
    least = sum(
        part.count * min(c.time for listed in part.configurations.values() for c in listed)
        for part in case.passes
    )
    return least / 1e6


def _layers(case: JointCase) -> list[str]:
    names = [part.layer for part in case.passes]
    names += [name for each in case.tensors for name in (each.source, each.target)]
    return list(dict.fromkeys(names))


def _layout(layer: str) -> str:
    return f"second layout of {layer}"


def _cell(index: int, layout: str, configuration: int) -> str:
    return f"pass {index} runs {configuration} in {layout}"


def _cells(case: JointCase) -> Iterator[tuple[int, str, str, Configuration]]:
    """Index of a pass, layout, variable and configuration."""
    for k, part in enumerate(case.passes):
        for layout in case.layouts:
            for c, configuration in enumerate(part.configurations[layout]):
                yield k, layout, _cell(k, layout, c), configuration


def _program(case: JointCase, scale: float) -> Program:
    """The programme; times in units of ``scale`` [s], workspaces in MiB."""
    cells = list(_cells(case))
    both = len(case.layouts) > 1
    changing = [each for each in case.tensors if both]
    objective = {name: case.passes[k].count * each.time / scale for k, _, name, each in cells}
    objective |= {f"conversion {n}": each.time / scale for n, each in enumerate(changing)}
    variables = [Variable(name=name, high=1.0, integer=True) for _, _, name, _ in cells]
    if both:
        variables += [Variable(name=_layout(layer), high=1.0, integer=True) for layer in _layers(case)]
        variables += [Variable(name=f"conversion {n}", high=1.0) for n in range(len(changing))]
    streams = dict.fromkeys(name for region in case.regions for name in region)
    variables += [Variable(name=_space(name)) for name in streams]
    constraints = [*_choices(case, cells, both=both), *_conversions(changing), *_spaces(case, cells)]
    return Program(
        name="algorithms, layouts and workspaces",
        objective=objective,
        variables=tuple(variables),
        constraints=tuple(constraints),
    )


def _choices(
    case: JointCase, cells: Sequence[tuple[int, str, str, Configuration]], *, both: bool
) -> Iterator[Constraint]:
    """Each pass runs one configuration of its layer's layout."""
    names: dict[tuple[int, str], list[str]] = {}
    for k, layout, name, _ in cells:
        names.setdefault((k, layout), []).append(name)
    for k, part in enumerate(case.passes):
        for place, layout in enumerate(case.layouts):
            terms = dict.fromkeys(names.get((k, layout), ()), 1.0)
            if both:
                terms[_layout(part.layer)] = -1.0 if place else 1.0
            limit = 0.0 if both and place else 1.0
            yield Constraint(name=f"{part.name} in {layout}", terms=terms, limit=limit, equal=True)


def _conversions(tensors: Sequence[Tensor]) -> Iterator[Constraint]:
    for n, each in enumerate(tensors):
        if each.source == each.target:
            continue
        for sign in (1.0, -1.0):
            yield Constraint(
                name=f"conversion {n} {sign:+g}",
                terms={
                    _layout(each.source): sign,
                    _layout(each.target): -sign,
                    f"conversion {n}": -1.0,
                },
                limit=0.0,
            )


def _space(stream: str) -> str:
    return f"workspace of stream {stream}"


MIB = 2**20


def _spaces(case: JointCase, cells: Sequence[tuple[int, str, str, Configuration]]) -> Iterator[Constraint]:
    """What passes take of their streams and streams of a region; or all passes together."""
    taken: dict[int, dict[str, float]] = {}
    for k, _, name, each in cells:
        if each.workspace:
            taken.setdefault(k, {})[name] = each.workspace / MIB
    if not case.regions:
        terms = {
            name: space * case.passes[k].count for k, own in taken.items() for name, space in own.items()
        }
        limit = case.limit / MIB
        yield Constraint(name="the total workspace [MiB]", terms=terms, limit=limit, elastic=True)
        return
    held = {(name, k) for region in case.regions for name, members in region.items() for k in members}
    for stream, k in sorted(held):
        if k in taken:
            terms = {**taken[k], _space(stream): -1.0}
            yield Constraint(name=f"workspace of {case.passes[k].name}", terms=terms, limit=0.0)
    for region in case.regions:
        yield Constraint(
            name=f"the workspaces of {' and '.join(region)} [MiB]",
            terms={_space(name): 1.0 for name in region},
            limit=case.limit / MIB,
            elastic=True,
        )
