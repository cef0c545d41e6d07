"""What is gone by the time an item of a plan runs backward (`simdl.memory.moments`), for the programme.

A plan orders the items of a run by what they keep (:mod:`planner.memory_savers.arrange`), so those that keep
more are gone before. What goes to the host stands among the others: nothing is sure to be behind it.
"""

from collections.abc import Iterator
from itertools import pairwise

from planner.memory_savers.options import RankProblem, Run

Freed = tuple[int, int, float]
"""Run, option, and the bytes that each item of it keeps."""


def freed_behind(problem: RankProblem, r: int) -> Iterator[Freed]:
    """Items of runs behind run r of the same stage."""
    if not problem.frees:
        return
    for q, run in enumerate(problem.runs):
        if q > r and run.stage == problem.runs[r].stage:
            yield from ((q, c, option.saved) for c, option in enumerate(run.options))


def freed_within(problem: RankProblem, r: int, c: int, *, floor: bool) -> Iterator[Freed]:
    """Items of run r that stand behind those of its option c; all that may, for the ``floor``."""
    if not problem.frees:
        return
    options = problem.runs[r].options
    own = options[c].saved / options[c].blocks, c
    for d, option in enumerate(options):
        behind = floor if options[c].offloaded else (option.saved / option.blocks, d) > own
        if behind and not option.offloaded:
            yield r, d, option.saved


def chained(run: Run) -> Iterator[tuple[int, int]]:
    """Neighbouring options in the order of a plan, of which the later keeps less and needs more briefly.

    Wherever a later one is used the earlier may be said to be: nothing stands between an item and the next
    that is used, so the later's need is the larger.
    """
    if run.count == 1:
        return
    options = run.options
    kept = [c for c, option in enumerate(options) if not option.offloaded]
    order = sorted(kept, key=lambda c: (options[c].saved / options[c].blocks, c), reverse=True)
    for one, other in pairwise(order):
        if options[one].transient <= options[other].transient:
            yield one, other
