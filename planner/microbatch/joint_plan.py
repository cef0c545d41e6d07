"""The front door of the joint programme: passes by layout, borders and streams in, a proven choice out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from hardware.device import Device
from planner.errors import InfeasibleError
from planner.microbatch.configuration import Configuration
from planner.microbatch.convolutions import ConvolutionPass
from planner.microbatch.costs import PassOptions
from planner.microbatch.desirable import desirable_configurations
from planner.microbatch.joint import Joint, JointCase, JointPass, Tensor, solve_joint
from planner.microbatch.layouts import conversion_time, network_borders
from planner.microbatch.plan import Choice, MicrobatchPlan, Mode, refuse
from planner.microbatch.streams import Concurrency, Region, regions
from simdl.errors import SimdlError
from workloads.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class JointProblem:
    """What a joint choice is made of.

    Attributes:
        passes: of every layer.
        priced: by layout, what each pass can be made of.
        network: whose borders and branches count; None for layers that stand alone.
        device: where.
        element_size: [bytes] of an activation.
        batch: samples.
        workspace: [bytes] of everything that runs at once, or of all passes together (division).
        mode: who shares the workspace.
        concurrency: what has streams of its own.
    """

    passes: tuple[ConvolutionPass, ...]
    priced: Mapping[str, tuple[PassOptions, ...]]
    network: Network | None
    device: Device
    element_size: float
    batch: int
    workspace: float
    mode: Mode
    concurrency: Concurrency


Kind = tuple[int, ...]
"""Passes (by index) that choose alike, being those of one repeated block with the same options."""


def plan_jointly(problem: JointProblem) -> MicrobatchPlan:
    """The fastest configurations, and layouts where there is more than one to choose from.

    Raises:
        SimdlError: the limit is below one byte, or no configuration covers the batch whatever the limit.
        InfeasibleError: the limit is too low; names what it binds.
        SolverError: the solver gave up.
    """
    if problem.workspace < 1:
        raise SimdlError(f"workspace: found {problem.workspace:g} bytes; expected at least 1")
    began = perf_counter()
    kinds = _kinds(problem)
    found = solve_joint(_case(problem, kinds, whole=False))
    undivided = _undivided(problem, kinds)
    choices = _choices(problem, kinds, found, undivided)
    time = sum(choice.configuration.time for choice in choices) + found.conversions
    offered = [part for options in problem.priced.values() for part in options]
    return MicrobatchPlan(
        choices=choices,
        time=time,
        undivided_time=None if undivided is None else _time(kinds, undivided),
        workspace=_workspace(problem, kinds, found),
        optimal=found.optimal,
        bound=min(found.bound, time),
        priced=sum(part.priced for part in offered),
        considered=sum(len(part.options) for part in offered),
        solve_time=perf_counter() - began,
        conversions=found.conversions,
    )


def _kinds(problem: JointProblem) -> list[Kind]:
    members: dict[object, list[int]] = {}
    for index, part in enumerate(problem.passes):
        same = tuple(id(options[index].options) for options in problem.priced.values())
        members.setdefault((part.block_layer, part.which, same), []).append(index)
    return [tuple(found) for found in members.values()]


def _case(problem: JointProblem, kinds: Sequence[Kind], *, whole: bool) -> JointCase:
    """The programme's question; ``whole`` batches only, or any micro-batches."""
    firsts = [problem.passes[kind[0]] for kind in kinds]
    streams = _regions(problem, firsts)
    alone = _alone(streams)
    fronts: dict[int, tuple[Configuration, ...]] = {}
    passes = []
    for k, kind in enumerate(kinds):
        first = kind[0]
        listed = {
            layout: _front(options[first], problem, fronts, whole=whole)
            for layout, options in problem.priced.items()
        }
        if not any(listed.values()):
            options = next(iter(problem.priced.values()))
            refuse([options[first]], problem.batch, problem.workspace)
        if k in alone:  # nothing beside it: its workspace is only bounded
            listed = {layout: front[-1:] for layout, front in listed.items()}
        part = problem.passes[first]
        passes.append(
            JointPass(
                name=f"{part.layer} {part.which.value}",
                layer=part.block_layer,
                count=len(kind),
                configurations=listed,
            )
        )
    return JointCase(
        passes=tuple(passes),
        layouts=tuple(problem.priced),
        tensors=_tensors(problem),
        regions=streams,
        limit=problem.workspace,
    )


def _regions(problem: JointProblem, firsts: Sequence[ConvolutionPass]) -> tuple[Region, ...]:
    return () if problem.mode is Mode.DIVISION else regions(firsts, problem.network, problem.concurrency)


def _alone(streams: Sequence[Region]) -> set[int]:
    """Passes whose streams have no other beside them."""
    shared = {name for region in streams if len(region) > 1 for name in region}
    return {
        k for region in streams for name, members in region.items() if name not in shared for k in members
    }


def _front(
    part: PassOptions, problem: JointProblem, known: dict[int, tuple[Configuration, ...]], *, whole: bool
) -> tuple[Configuration, ...]:
    """Configurations within the limit that none beats, by rising workspace."""
    if id(part.options) not in known:
        options = [each for each in part.options if not whole or each.size == problem.batch]
        known[id(part.options)] = desirable_configurations(options, problem.batch, problem.workspace)
    return known[id(part.options)]


def _tensors(problem: JointProblem) -> tuple[Tensor, ...]:
    if len(problem.priced) == 1 or problem.network is None:
        return ()
    return tuple(
        Tensor(
            source=border.source,
            target=border.target,
            time=conversion_time(border, problem.batch, problem.element_size, problem.device),
        )
        for border in network_borders(problem.network)
    )


def _undivided(problem: JointProblem, kinds: Sequence[Kind]) -> Joint | None:
    try:
        return solve_joint(_case(problem, kinds, whole=True))
    except (InfeasibleError, SimdlError):
        return None


def _choices(
    problem: JointProblem, kinds: Sequence[Kind], found: Joint, undivided: Joint | None
) -> tuple[Choice, ...]:
    choices: dict[int, Choice] = {}
    measured = next(iter(problem.priced.values()))
    for k, kind in enumerate(kinds):
        for index in kind:
            part = problem.passes[index]
            choices[index] = Choice(
                layer=part.layer,
                which=part.which,
                measured=measured[index].measured,
                configuration=found.chosen[k],
                undivided=None if undivided is None else undivided.chosen[k],
                layout=found.layouts[part.block_layer],
            )
    return tuple(choices[index] for index in range(len(problem.passes)))


def _time(kinds: Sequence[Kind], found: Joint) -> float:
    passes = zip(kinds, found.chosen, strict=True)
    return sum(len(kind) * each.time for kind, each in passes) + found.conversions


def _workspace(problem: JointProblem, kinds: Sequence[Kind], found: Joint) -> float:
    """[bytes] of all passes together, or of the region that takes most."""
    spaces = [each.workspace for each in found.chosen]
    streams = _regions(problem, [problem.passes[kind[0]] for kind in kinds])
    if not streams:
        return sum(len(kind) * space for kind, space in zip(kinds, spaces, strict=True))
    return max(sum(max(spaces[k] for k in members) for members in region.values()) for region in streams)
