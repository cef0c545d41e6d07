"""How the predicted time of a row answers to each fitted number that it uses.

Every number has a coordinate in which a step is nearly linear: a speed s enters as 1 / s, a hidden share o as
1 - o, a time or a share that slows as itself. Row by row and number by number the step is simulated at a few
points of the coordinate with all other numbers as shipped; between them the time is interpolated, beyond them
continued along a line. Changes of several numbers add up. That makes a refit arithmetic, so that leaving out
any group costs milliseconds; predictions themselves are simulated.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simdl.engine.run import run
from simdl.errors import SimdlError
from simdl.inference.forward import forward_seconds
from simdl.report.certainty import cause_seconds
from simdl.report.operator_times import kernel_times
from simdl.software.stack import Stack
from simdl.step.costs.step_cost import StepCost
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.lowering.step_lowering import lower
from simdl.step.simulate import mean_breakdown, price
from simdl.step.steady import measured
from simdl.step.strategy import Strategy
from validation.errors import RowSkippedError
from validation.fit.patches import Number, Values, patched_cluster, patched_stack, used_numbers
from validation.published.prediction import asked_stack, first_that_fits, row_setup
from validation.published.rows.setup import Setup
from validation.published.tables import PublishedRow

Array = NDArray[np.float64]
SPEEDS = frozenset(
    {
        "convolution_speed",
        "streaming_speed",
        "reduction_speed",
        "context_speed",
        "sustained",
    }
)
SHARES = frozenset({"contention", "backward_launch"})
HIDDEN = frozenset({"tensor_overlap"})
_LEAST_SPEED, _FASTEST_CONVOLUTION = 0.08, 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """Seconds of a row at points of one number's coordinate, all other numbers as shipped."""

    points: Array
    seconds: Array

    def change(self, coordinate: float) -> float:
        """[s] by which the row's time differs from its shipped one."""
        points, seconds = self.points, self.seconds
        if coordinate <= points[0]:
            return float(seconds[0] + _slope(self, 0) * (coordinate - points[0]))
        if coordinate >= points[-1]:
            return float(seconds[-1] + _slope(self, -2) * (coordinate - points[-1]))
        return float(np.interp(coordinate, points, seconds))


def _slope(response: Response, index: int) -> float:
    points, seconds = response.points, response.seconds
    return float((seconds[index + 1] - seconds[index]) / (points[index + 1] - points[index]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitRow:
    """One measured row as fits see it.

    Attributes:
        row, setup: what was printed, and the question.
        strategy: candidate that its prediction takes.
        measured: [s] of the timed part.
        shipped: [s] predicted with the numbers as they are.
        causes: [s] of products, other kernels, communication and the host in that prediction.
        responses: by number.
    """

    row: PublishedRow
    setup: Setup
    strategy: Strategy
    measured: float
    shipped: float
    causes: Mapping[str, float]
    responses: dict[Number, Response] = field(default_factory=dict)

    @property
    def curve(self) -> tuple[str, ...]:
        """Rows that differ in devices, batch or layout alone are points of one curve."""
        setup = self.setup
        return (self.row.file, setup.stack, setup.cluster.device.name, setup.workload.network.name)

    def seconds(self, coordinates: dict[Number, float]) -> float:
        """[s] predicted with other numbers, never less than a twentieth of the shipped time."""
        changes = (
            response.change(coordinates[number])
            for number, response in self.responses.items()
            if number in coordinates
        )
        return max(self.shipped + sum(changes), self.shipped / 20)


def coordinate(number: Number, value: float) -> float:
    """The coordinate of a value, in which steps are nearly linear."""
    if number.field in SPEEDS:
        return 1 / value
    return 1 - value if number.field in HIDDEN else value


def value_at(number: Number, place: float) -> float:
    """The value at a coordinate."""
    if number.field in SPEEDS:
        return 1 / place
    return 1 - place if number.field in HIDDEN else place


def bounds(number: Number) -> tuple[float, float]:
    """Least and largest coordinate of a number."""
    if number.field in SPEEDS:
        fastest = _FASTEST_CONVOLUTION if number.field == "convolution_speed" else 1.0
        return 1 / fastest, 1 / _LEAST_SPEED
    if number.field in SHARES | HIDDEN:
        return 0.0, 1.0
    return 0.0, 1.0  # [s]: no launch, call or step takes a second of host time


def points(number: Number, value: float) -> list[float]:
    """Coordinates at which a number's response is simulated, in order, the shipped one among them."""
    low, high = bounds(number)
    place = coordinate(number, value)
    if number.field in SPEEDS:
        tried = [low, place, place * 2]
    elif number.field in SHARES | HIDDEN:
        tried = [0.0, place, 1.0]
    else:
        tried = [0.0, place, place * 4]
    return sorted({min(max(each, low), high) for each in tried})


def fit_row(row: PublishedRow) -> FitRow | None:
    """A row without its responses; None where it has no measured time or cannot be simulated."""
    try:
        setup = row_setup(row)
        if setup.measured is None or setup.out_of_memory:
            return None
        stack = asked_stack(setup, patched_stack(setup.stack, {}))
        strategy = setup.strategies[-1]
        if len(setup.strategies) > 1:
            strategy = first_that_fits(setup.workload, setup.cluster, setup.strategies, stack).strategy
        shipped, causes = _timed_causes(setup, strategy)
    except (RowSkippedError, SimdlError):
        return None
    return FitRow(
        row=row,
        setup=setup,
        strategy=strategy,
        measured=measured_seconds(setup),
        shipped=shipped,
        causes=causes,
    )


def same_question(one: Setup, other: Setup) -> bool:
    """Whether two setups ask the same of the same software."""
    asked = [
        (s.workload, s.cluster, s.strategies, s.stack, s.part, s.launch_factor, s.copied)
        for s in (one, other)
    ]
    return asked[0] == asked[1]


def measured_seconds(setup: Setup) -> float:
    """[s] that the timed part took."""
    assert setup.measured is not None  # noqa: S101 (rows without a time take no part)
    samples = setup.workload.global_batch
    if setup.unit == "s":
        return setup.measured
    tokens = setup.workload.network.tokens * setup.counted if setup.unit != "samples/s" else 1
    return samples * tokens / setup.measured


def timed_seconds(setup: Setup, strategy: Strategy, values: Values) -> float:
    """[s] predicted of the timed part, with other values of the numbers.

    Raises:
        SimdlError: the strategy cannot be carried out.
    """
    stack: Stack = asked_stack(setup, patched_stack(setup.stack, values))
    cluster = patched_cluster(setup.cluster, values)
    if setup.part == "forward":
        return forward_seconds(setup.workload, cluster, stack=stack)
    step = step_cost(setup.workload, strategy, price(setup.workload, cluster, stack=stack))
    return _timed_part(measured(run(lower(step)), step).step_time, step, setup)


def _timed_part(seconds: float, step: StepCost, setup: Setup) -> float:
    return seconds - (max(step.optimizer) if setup.part == "gradients" else 0.0)


def _timed_causes(setup: Setup, strategy: Strategy) -> tuple[float, dict[str, float]]:
    """[s] predicted of the timed part with the numbers as shipped, and [s] of the step by cause.

    Raises:
        SimdlError: the strategy cannot be carried out.
    """
    stack: Stack = asked_stack(setup, patched_stack(setup.stack, {}))
    if setup.part == "forward":
        seconds = forward_seconds(setup.workload, setup.cluster, stack=stack)
        return seconds, cause_seconds({"forward": seconds})
    step = step_cost(setup.workload, strategy, price(setup.workload, setup.cluster, stack=stack))
    timeline = measured(run(lower(step)), step)
    causes = cause_seconds(mean_breakdown(timeline), kernel_times(step))
    return _timed_part(timeline.step_time, step, setup), causes


def with_responses(rows: Iterable[FitRow], values: Values, wanted: Sequence[Number]) -> Iterator[FitRow]:
    """Rows with their answers to the wanted numbers that they use, filled in one after another."""
    chosen = frozenset(wanted)
    for each in rows:
        used = used_numbers(each.setup.stack, each.setup.cluster.device.name)
        for number in used:
            if number in chosen and number not in each.responses:
                each.responses[number] = _response(each, number, values[number])
        yield each


def _response(each: FitRow, number: Number, value: float) -> Response:
    places = points(number, value)
    seconds = [
        each.shipped
        if place == coordinate(number, value)
        else timed_seconds(each.setup, each.strategy, {number: value_at(number, place)})
        for place in places
    ]
    return Response(np.array(places), np.array(seconds) - each.shipped)
