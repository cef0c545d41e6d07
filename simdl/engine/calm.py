"""Calm: the part of a run before anything changes the speed of anything else, without events.

Until then every task lasts as long as it takes alone, so its times are those of the longest path. The calm
ends, at the latest, where a channel would first be overfull or a transfer first takes a share of a device.
"""

from array import array
from dataclasses import dataclass

import numpy as np

from simdl.engine.holdings import Indices, indices
from simdl.engine.longest_path import longest_path
from simdl.engine.precedence import Precedence
from simdl.engine.rates import TOLERANCE
from simdl.engine.shared import Shared
from simdl.program.program import Program

LEAST = 2_000
"""Tasks below which events take no longer than finding the calm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calm:
    """A run up to where its calm ends.

    Attributes:
        now: [s] where that is.
        start, end: [s] of every task that has started, as if it went on alone.
        begun: tasks that have started and not ended, by their start, the last of them now.
        waits: of every task, ends that it waits for still.
    """

    now: float
    start: "array[float]"
    end: "array[float]"
    begun: tuple[int, ...]
    waits: list[int]


def calm(program: Program, links: Precedence, shared: Shared) -> Calm:
    """The calm of a program: all of it, or of a short one none.

    Raises:
        DeadlockError: tasks wait for each other; the message names the wait cycle.
    """
    if len(program) < LEAST:
        waits = links.waits.tolist()
        nothing = array("d", bytes(8 * len(program)))
        begun = tuple(index for index, count in enumerate(waits) if not count)
        return Calm(now=0.0, start=nothing, end=nothing[:], begun=begun, waits=waits)
    ends = longest_path(program, links=links)
    end = np.frombuffer(ends)
    start = np.zeros(len(program))
    earlier = np.repeat(np.arange(len(program)), np.diff(indices(links.starts)))
    later = indices(links.followers)
    np.maximum.at(start, later, end[earlier])
    now = _first_meeting(program, shared, start, end)
    done = end <= now
    left = np.bincount(later[~done[earlier]], minlength=len(program))
    under_way = np.flatnonzero(~done & (left == 0))
    return Calm(
        now=now if now < np.inf else float(end.max(initial=0.0)),
        start=array("d", start.tobytes()),
        end=ends,
        begun=tuple(under_way[np.argsort(start[under_way], kind="stable")].tolist()),
        waits=np.where(done, 0, left).tolist(),
    )


def _first_meeting(program: Program, shared: Shared, start: np.ndarray, end: np.ndarray) -> float:
    """[s] before which nothing changes the speed of anything; infinite where nothing does."""
    action = indices(program.action)
    slows = (np.array(shared.footprints) > 0.0)[action]
    first = float(start[slows].min(initial=np.inf))
    tasks, channels, shares = _channel_loads(action, shared)
    times = np.concatenate([start[tasks], end[tasks]])
    change = np.concatenate([shares, -shares])
    order = np.lexsort((change, times, np.tile(channels, 2)))  # on a channel by time, ends before starts
    load = np.cumsum(change[order])  # every channel ends with what it began with
    full = order[(load > 1.0 + TOLERANCE / 2) & (change[order] > 0.0)]
    return float(times[full].min(initial=first))


def _channel_loads(action: Indices, shared: Shared) -> tuple[Indices, Indices, np.ndarray]:
    """Tasks, contested channels that they load, and with what share, one after the other."""
    counts = np.array([len(each) for each in shared.shares])
    flat = [load for each in shared.shares for load in each]
    firsts = np.cumsum(counts) - counts
    tasks = np.repeat(np.arange(len(action)), counts[action])
    ahead = np.cumsum(counts[action]) - counts[action]
    place = np.arange(len(tasks)) - np.repeat(ahead, counts[action]) + firsts[action[tasks]]
    channels = np.array([channel for channel, _ in flat], dtype=np.intp)[place]
    return tasks, channels, np.array([share for _, share in flat])[place]
