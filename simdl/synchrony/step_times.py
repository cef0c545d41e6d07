"""Step times: what a step takes when the devices of a worker are slower by some factor.

Three programs of one strategy, each run by the engine: the ordinary step of all workers together, the step of
one worker without exchange, and the same without the update, which servers may carry out. A factor slows
work, never transfers. Seconds are exact at the first few factors that are asked for, and interpolated between
exact ones beyond.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, floor, log

from simdl.engine.run import run
from simdl.program.action import Action, Cause, Transfer, Work
from simdl.program.program import Program
from simdl.step.costs.step_cost import StepCost
from simdl.step.lowering.step_lowering import lower
from simdl.step.steady import measured

EXACT = 16  # factors that are run for themselves
GRID = 1.2  # between neighbouring factors that others are interpolated from


class Stretch:
    """Seconds by factor."""

    def __init__(self, evaluate: Callable[[float], float]) -> None:
        self._evaluate = evaluate
        self._exact: dict[float, float] = {}
        self._knots: dict[int, float] = {}

    def seconds(self, factor: float) -> float:
        """[s] that a step takes at a factor above 0."""
        if factor in self._exact:
            return self._exact[factor]
        if len(self._exact) < EXACT:
            self._exact[factor] = self._evaluate(factor)
            return self._exact[factor]
        place = log(factor) / log(GRID)
        low, high = floor(place), ceil(place)
        first, second = self._knot(low), self._knot(high)
        if low == high:
            return first
        share = (factor - GRID**low) / (GRID**high - GRID**low)
        return first + share * (second - first)

    def _knot(self, number: int) -> float:
        if number not in self._knots:
            self._knots[number] = self._evaluate(GRID**number)
        return self._knots[number]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepTimes:
    """Seconds of a step by slow-down.

    Attributes:
        together: of the ordinary step, in which all workers wait for the slowest.
        alone: of one worker that exchanges nothing with others.
        gradient: of one worker that neither exchanges nor updates.
    """

    together: Callable[[float], float]
    alone: Callable[[float], float]
    gradient: Callable[[float], float]


def step_times(step: StepCost) -> StepTimes:
    """The step times of a priced step."""
    program = lower(step)
    alone = _changed(program, _without_exchange)
    gradient = _changed(alone, _without_update)
    return StepTimes(
        together=Stretch(lambda factor: _seconds(program, step, factor)).seconds,
        alone=Stretch(lambda factor: _seconds(alone, step, factor)).seconds,
        gradient=Stretch(lambda factor: _seconds(gradient, step, factor)).seconds,
    )


def _seconds(program: Program, step: StepCost, factor: float) -> float:
    if factor != 1.0:
        classes = tuple(replace(each, speed=each.speed / factor) for each in program.classes)
        program = replace(program, classes=classes)
    return measured(run(program), step).step_time


def _changed(program: Program, change: Callable[[Action], Action]) -> Program:
    return replace(program, actions=tuple(map(change, program.actions)))


def _without_exchange(action: Action) -> Action:
    if isinstance(action, Transfer) and action.cause is Cause.DATA:
        return replace(action, duration=0.0, loads=(), footprint=0.0)
    return action


def _without_update(action: Action) -> Action:
    if not isinstance(action, Work):
        return action
    parts = tuple((cause, 0.0 if cause is Cause.OPTIMIZER else seconds) for cause, seconds in action.parts)
    return replace(action, parts=parts)
