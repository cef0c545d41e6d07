"""Longest paths through a pipeline: lower bounds on when the last backward pass of every rank ends.

Passes of a rank stand in a fixed order, so the length of any path through passes and transfers is a lower
bound. With forward F_s, backward B_s and transfer t_s of p stages and m microbatches the paths are

- rank a busy: fill to a, m (F_a + B_a), drain from a;
- 1F1B round trips: B_i on the last rank lets rank a = p - L start the forward that the last rank needs L
  microbatches later, so L microbatches take at least sum over s >= a of (F_s + B_s) + 2 t_s;
- GPipe: a flow shop forward, then one backward, each sum + (m - 1) max;
- interleaved: the first microbatch through all p v stages, the last rank's work from there on, and the last
  microbatch back through all stages.

Equal stages make them the closed forms (m + p - 1)(F + B) and (m v + p - 1)(f + b) (Narayanan et al. 2021,
section 2.2), to which transfers add.
"""

import numpy as np

from planner.passes import Passes
from planner.prices import Floats
from planner.space import Integers


def last_backward_ends(schedule: str, passes: Passes, microbatches: Integers, ranks: int) -> Floats:
    """[n x ranks] seconds before which the last backward pass of a rank's first stage cannot end."""
    m = microbatches[:, None].astype(np.float64)
    if schedule == "gpipe":
        return _gpipe(passes, m)
    if passes.forward.shape[1] > ranks:
        return _interleaved(passes, m, ranks)
    return _one_f_one_b(passes, m, microbatches)


def _fill(passes: Passes) -> Floats:
    """[n x stages] before which the first forward pass of a stage cannot start."""
    before = _exclusive(passes.first + passes.transfer)
    return np.maximum.accumulate(passes.head - before, axis=1) + before


def _exclusive(values: Floats) -> Floats:
    """Sums of all columns before each."""
    return np.cumsum(values, axis=1) - values


def _drained(ends: Floats, passes: Passes) -> Floats:
    """[n x ranks] ends of each rank's last pass given later ranks', whose gradients have yet to travel."""
    ranks = ends.shape[1]
    drain = _exclusive(passes.last[:, :ranks] + passes.transfer[:, :ranks])
    return np.maximum.accumulate((ends + drain)[:, ::-1], axis=1)[:, ::-1] - drain


def _one_f_one_b(passes: Passes, m: Floats, microbatches: Integers) -> Floats:
    both = passes.forward + passes.backward
    busy = _fill(passes) + passes.first + (m - 1) * both + passes.last
    busy[:, -1] += _round_trips(both, passes.transfer, microbatches - 1)
    return _drained(busy, passes)


def _round_trips(both: Floats, transfer: Floats, between: Integers) -> Floats:
    """[n] by how much round trips to earlier ranks delay the last rank over ``between`` microbatches.

    Whole trips of one length L are followed by one of the rest, L' = between mod L.
    """
    ranks = both.shape[1]
    length = np.arange(ranks, 0, -1)
    own = both[:, -1:]
    trips = np.cumsum((both + 2 * transfer)[:, ::-1], axis=1)[:, ::-1] - length * own
    whole, rest = np.divmod(between[:, None], length)
    last = np.where(rest > 0, np.take_along_axis(trips, np.where(rest > 0, ranks - rest, 0), axis=1), 0.0)
    delay: Floats = np.maximum(whole * trips + np.maximum(last, 0.0), 0.0).max(axis=1)
    return delay


def _gpipe(passes: Passes, m: Floats) -> Floats:
    """Down with the first microbatch, turn when the last one is there, and up again."""
    below = _beyond(passes.forward, passes.transfer)
    down = _fill(passes) + passes.first + (m - 1) * np.maximum(passes.forward, passes.transfer)
    turn = (down + below).max(axis=1, keepdims=True)
    above = _beyond(passes.backward, passes.transfer)
    up = turn + above + (m - 1) * np.maximum(passes.backward, passes.transfer) + passes.last
    return _drained(up, passes)


def _beyond(durations: Floats, transfer: Floats) -> Floats:
    """[n x stages] from each stage to the end of the last one: the passes after it, and transfers."""
    later = (durations + transfer)[:, ::-1].cumsum(axis=1)[:, ::-1]
    return later - durations


def _interleaved(passes: Passes, m: Floats, ranks: int) -> Floats:
    both = passes.forward + passes.backward
    columns = range(0, both.shape[1], ranks)
    slow = passes.first + passes.last - both
    work = m * sum(both[:, c : c + ranks] for c in columns) + sum(slow[:, c : c + ranks] for c in columns)
    busy = _drained(_fill(passes)[:, :ranks] + work, passes)
    own = both[:, ranks - 1 :: ranks]
    turn = _fill(passes)[:, -1:] + passes.first[:, -1:] + (m - 1) * own[:, -1:]
    turn += (m - ranks) * own[:, :-1].sum(axis=1, keepdims=True) + passes.last[:, -1:]
    return np.maximum(busy, turn + _back(passes)[:, :ranks])


def _back(passes: Passes) -> Floats:
    """[n x stages] from the end of the last stage's last backward pass to the end of each stage's."""
    hop = passes.last[:, :-1] + passes.transfer[:, :-1]
    later = hop[:, ::-1].cumsum(axis=1)[:, ::-1]
    return np.concatenate([later, np.zeros((len(later), 1))], axis=1)
