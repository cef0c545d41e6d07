"""Precedence of tasks: who waits for whom, by dependency and by the order of a stream."""

from array import array
from dataclasses import dataclass

import numpy as np

from simdl.engine.holdings import Indices, holdings, indices
from simdl.program.builder import INDEX
from simdl.program.program import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Precedence:
    """Who waits for whom.

    Attributes:
        waits: per task the number of ends that it waits for.
        starts: per task, and once more at the end, where its part of ``followers`` begins.
        followers: tasks that wait for it, in the order of the program.
    """

    waits: "array[int]"
    starts: "array[int]"
    followers: "array[int]"


def precedence(program: Program) -> Precedence:
    """The precedence of a program without faults (:func:`simdl.engine.check.check`)."""
    count = len(program)
    # One number a link, so that sorting orders by the earlier task, then by the later one.
    links = np.concatenate([_depends(program), _stands_behind(program)])
    links.sort()
    earlier, later = np.divmod(links, max(count, 1))
    del links
    starts = np.zeros(count + 1, dtype=np.intc)
    np.cumsum(np.bincount(earlier, minlength=count), out=starts[1:])
    del earlier
    return Precedence(
        waits=_column(np.bincount(later, minlength=count)), starts=_column(starts), followers=_column(later)
    )


def _depends(program: Program) -> Indices:
    """Links from every task to those that name it in their ``after``."""
    later = np.repeat(np.arange(len(program)), np.diff(indices(program.starts)))
    return indices(program.befores) * len(program) + later


def _stands_behind(program: Program) -> Indices:
    """Links between neighbours on a stream."""
    tasks, streams = holdings(program)
    stream, task = np.divmod(np.sort(streams * len(program) + tasks), max(len(program), 1))
    neighbours = stream[1:] == stream[:-1]
    links: Indices = task[:-1][neighbours] * len(program) + task[1:][neighbours]
    return links


def _column(values: np.ndarray) -> "array[int]":
    return array(INDEX, values.astype(np.intc).tobytes())
