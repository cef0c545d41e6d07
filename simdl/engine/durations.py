"""Durations: how long every task of a program takes when it has its resources to itself."""

from array import array
from collections.abc import Sequence

import numpy as np

from simdl.engine.holdings import holdings, indices
from simdl.program.action import Work
from simdl.program.program import Program


def task_durations(program: Program, durations: Sequence[float] | None = None) -> "array[float]":
    """Per task the seconds that it takes alone [s].

    Args:
        program: whose tasks.
        durations: per action [s] at full speed; without, the actions' own.

    Returns:
        The duration of its action; of work divided by the speed of its class, the slowest of several.
    """
    alone = [action.duration for action in program.actions] if durations is None else durations
    action = indices(program.action)
    seconds = np.array(alone, dtype=float)[action]
    if any(each.speed != 1.0 for each in program.classes):
        is_work = np.array([isinstance(each, Work) for each in program.actions], dtype=bool)[action]
        seconds[is_work] /= _speeds(program)[is_work]
    return array("d", seconds.tobytes())


def _speeds(program: Program) -> np.ndarray:
    """Per task the speed of the slowest class on whose streams it runs."""
    tasks, streams = holdings(program)
    speeds = np.array([program.classes[rank].speed for rank, _ in program.streams])
    slowest = np.full(len(program), np.inf)
    np.minimum.at(slowest, tasks, speeds[streams])
    return slowest
