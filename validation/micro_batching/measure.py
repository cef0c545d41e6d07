"""Passes carried out as chosen and undivided: are they equal, and how long do they take?"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from planner.microbatch.configuration import Configuration, MicroBatch, build_configuration
from planner.microbatch.convolutions import ConvolutionPass
from planner.microbatch.plan import Choice
from simdl.kernels.kernel import ConvolutionCall
from validation.micro_batching.execute import execute
from validation.micro_batching.rounding import rounding_tolerance
from validation.micro_batching.runner import Array, Host, Runner
from validation.microbenchmarks.arrays.convolutions import operand_shapes
from validation.microbenchmarks.backend import buffer_sets
from validation.microbenchmarks.timing import sample

ROUNDS = 2
"""Times that either way is measured, in turns; the quieter one counts, as in microbenchmarks."""

BUDGET = 0.05
"""[s] for the samples of one round, beyond the fewest that are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPass:
    """One pass as it ran.

    Attributes:
        choice: what was run and what it was predicted to take.
        time: [s] measured, micro-batches and joining of their results.
        undivided_time: [s] measured; None where the undivided pass does not fit into the workspace.
        difference: largest difference from the undivided result.
        tolerance: what rounding explains.
    """

    choice: Choice
    time: float
    undivided_time: float | None
    difference: float
    tolerance: float

    @property
    def equal(self) -> bool:
        """Whether the results agree within rounding."""
        return self.difference <= self.tolerance


def measure_choices(
    runner: Runner,
    passes: Sequence[ConvolutionPass],
    choices: Sequence[Choice],
    batch: int,
    progress: Callable[[str], None] = lambda _text: None,
) -> tuple[RunPass, ...]:
    """Run every choice; equal passes with equal choices run once.

    Args:
        runner: library and device.
        passes: what each choice is of, in the same order.
        choices: of a plan.
        batch: samples of the undivided passes.
        progress: told of each pass before it runs.

    Raises:
        UnsupportedCaseError: an algorithm does not apply to its pass.
        OutOfMemoryError: a pass does not fit.
    """
    known: dict[object, RunPass] = {}
    results = []
    for part, choice in zip(passes, choices, strict=True):
        key = part.shape, part.which, choice.configuration, choice.undivided
        if key not in known:
            progress(f"{part.layer} {part.which.value}")
            known[key] = _run_pass(runner, ConvolutionCall(part.shape, batch, part.which), choice)
            runner.backend.release()
        found = known[key]
        results.append(
            RunPass(
                choice=choice,
                time=found.time,
                undivided_time=found.undivided_time,
                difference=found.difference,
                tolerance=found.tolerance,
            )
        )
    return tuple(results)


def _run_pass(runner: Runner, call: ConvolutionCall, choice: Choice) -> RunPass:
    hosts = _operands(call)
    placed = (runner.place(hosts[0]), runner.place(hosts[1]))
    divided = runner.fetch(execute(runner, call, choice.configuration, placed))
    whole = runner.fetch(execute(runner, call, choice.undivided or _undivided(choice), placed))
    time, undivided_time = _times(runner, call, choice, hosts)
    return RunPass(
        choice=choice,
        time=time,
        undivided_time=undivided_time,
        difference=_difference(divided, whole),
        tolerance=rounding_tolerance(call, *map(_mean_square_root, hosts)),
    )


def _operands(call: ConvolutionCall) -> tuple[Host, Host]:
    numbers = np.random.default_rng(0)
    first, second = (
        numbers.uniform(-1.0, 1.0, extents).astype(np.float32) for extents in operand_shapes(call)
    )
    return first, second


def _undivided(choice: Choice) -> Configuration:
    """The whole batch by the first micro-batch's algorithm, to compare with where nothing whole fits."""
    parts = choice.configuration.micro_batches
    whole = MicroBatch(size=sum(p.size for p in parts), algorithm=parts[0].algorithm, time=0.0, workspace=0.0)
    return build_configuration([whole])


def _difference(first: Host, second: Host) -> float:
    """Largest difference; infinite where a result is no number."""
    assert first.shape == second.shape  # noqa: S101 (a runner's own mistake)
    largest = float(np.abs(first.astype(np.float64) - second).max())
    return largest if np.isfinite(largest) else np.inf


def _mean_square_root(array: Host) -> float:
    return sqrt(float(np.mean(np.square(array, dtype=np.float64))))


def _times(
    runner: Runner, call: ConvolutionCall, choice: Choice, hosts: tuple[Host, Host]
) -> tuple[float, float | None]:
    """Seconds of the choice and of the undivided pass, in turns on the same rotated buffers."""
    sets = list(_buffers(runner, hosts))
    ways = [choice.configuration]
    if choice.undivided is not None and choice.undivided != choice.configuration:
        ways.append(choice.undivided)
    rounds = [[_seconds(runner, call, way, sets) for way in ways] for _ in range(ROUNDS)]
    best = [min(times) for times in zip(*rounds, strict=True)]
    if choice.undivided is None:
        return best[0], None
    return best[0], best[-1]


def _buffers(runner: Runner, hosts: tuple[Host, Host]) -> Iterator[tuple[Array, Array]]:
    nbytes = sum(host.nbytes for host in hosts)
    for _ in range(buffer_sets(nbytes, runner.backend.facts().cache)):
        yield runner.place(hosts[0].copy()), runner.place(hosts[1].copy())


def _seconds(
    runner: Runner,
    call: ConvolutionCall,
    configuration: Configuration,
    sets: Iterable[tuple[Array, Array]],
) -> float:
    calls = [_bind(runner, call, configuration, operands) for operands in sets]
    return sample(calls, runner.backend.timer(), BUDGET).quiet


def _bind(
    runner: Runner, call: ConvolutionCall, configuration: Configuration, operands: tuple[Array, Array]
) -> Callable[[], Array]:
    return lambda: execute(runner, call, configuration, operands)
