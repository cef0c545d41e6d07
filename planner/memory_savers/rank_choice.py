"""What a pipeline rank does, the choice that saves nothing, and its problem without host memory."""

from dataclasses import dataclass, replace

from planner.memory_savers.options import RankProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class RankChoice:
    """What a rank does.

    Attributes:
        counts: per run the items of each option.
        optimizer, parameters: per run the blocks of which the host holds them.
        seconds: [s] of the step as the programme counts it; inf where least memory was asked for.
        nbytes: [bytes] as the programme counts them, at most; 0 where it had not to.
        optimal: proven to be the least.
    """

    counts: tuple[tuple[int, ...], ...]
    optimizer: tuple[int, ...]
    parameters: tuple[int, ...]
    seconds: float
    nbytes: float
    optimal: bool


def device_update(problem: RankProblem) -> float:
    """[s] of the update where the device does all of it."""
    return sum(run.count * run.state.on_device for run in problem.runs if run.state is not None)


def plain_seconds(problem: RankProblem) -> float:
    """[s] of a rank as the programme counts it, where nothing is saved."""
    passes = sum(run.count * (run.forward + run.backward) for run in problem.runs)
    return problem.microbatches * passes + device_update(problem)


def keep_all(problem: RankProblem) -> RankChoice:
    """The choice that saves nothing."""
    none = (0,) * len(problem.runs)
    return RankChoice(
        counts=tuple(
            (run.count // run.options[0].blocks, *[0] * (len(run.options) - 1)) for run in problem.runs
        ),
        optimizer=none,
        parameters=none,
        seconds=plain_seconds(problem),
        nbytes=0.0,
        optimal=True,
    )


def without_host(problem: RankProblem) -> RankProblem:
    """The same rank where nothing may lie in host memory."""
    runs = tuple(
        replace(run, options=tuple(o for o in run.options if not o.offloaded), state=None)
        for run in problem.runs
    )
    return replace(problem, runs=runs, rate=0.0)


def with_host(problem: RankProblem, choice: RankChoice) -> RankChoice:
    """A choice of :func:`without_host` as one of the whole problem."""
    counts = tuple(
        tuple(0 if option.offloaded else next(own) for option in run.options)
        for run, own in zip(problem.runs, map(iter, choice.counts), strict=True)
    )
    return replace(choice, counts=counts, seconds=choice.seconds + device_update(problem))
