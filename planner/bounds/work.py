"""Work: what a step takes at least because its ranks compute so long, whatever is sent.

The bound of a program whose only streams are those that compute: before a stage's first pass a microbatch has
come to it, then its rank has all passes of this stage and of its later ones before it, and the last gradient
goes back to the first stage. All of it is linear in the seconds of the kinds of stage, so a shape's cuts are
numbers of kinds, one matrix for all lanes; of neighbouring stages with as much before them on their ranks the
last is the latest.
"""

import numpy as np

from planner.bounds.chains import kind_seconds
from planner.bounds.orders import Placement, placement
from planner.space.prices import Floats, Prices
from planner.space.shapes import Lanes
from simdl.kernels.pricing import Pricing
from simdl.pipelines.outline import outline


def work_times(lanes: Lanes, prices: Prices, pricing: Pricing) -> Floats:
    """[candidates] seconds that ranks compute at least, with whichever cut."""
    sizes = lanes.schedule, lanes.ranks, lanes.virtual_stages
    found, place = outline(*sizes), placement(*sizes)
    forward, back, rest = kind_seconds(lanes, found, prices, pricing)
    pipeline = found.pipeline
    each = (lanes.microbatches / pipeline.copies)[:, None]
    stages = np.eye(len(lanes.kinds))[lanes.kind]
    before = np.cumsum(stages, axis=1) - stages
    way = forward if pipeline.synchronised else np.zeros_like(forward)
    passes = forward + back
    if not pipeline.synchronised or pipeline.copies > 1:
        ends = _busy(place, stages, before, each, (way, passes + rest))
    else:
        ends = _through(place, stages, before, each, passes)
        if found.splits:
            ends = np.maximum(ends, _busy(place, stages, before, each, (way, passes + rest)))
    of_cuts = ends.ravel()[lanes.with_cuts(lanes.lane)].reshape(-1, lanes.choices)
    least: Floats = of_cuts.min(axis=1)
    return least


def _through(place: Placement, stages: Floats, before: Floats, each: Floats, passes: Floats) -> Floats:
    """[lanes x cuts] the way to a stage, the work of its rank from there on, and the way back.

    Args:
        place: of the stages.
        stages: [cuts x stages x kinds] of what kind every stage is.
        before: [cuts x stages x kinds] how many of each stand before it.
        each: [lanes x 1] microbatches.
        passes: [lanes x kinds] seconds of a microbatch's passes that send something on or back.
    """
    owned = place.owned
    left = np.empty_like(stages)
    left[:, owned] = np.cumsum(stages[:, owned][:, :, ::-1], axis=2)[:, :, ::-1]
    latest = np.ones(left.shape[:2], dtype=np.bool_)
    latest[:, :-1] = (left[:, 1:] != left[:, :-1]).any(axis=2)
    ends = _sums(passes, before[latest]) + _sums(each * passes, left[latest])
    counts = latest.sum(axis=1)
    found: Floats = np.maximum.reduceat(ends, np.cumsum(counts) - counts, axis=1)
    return found


def _busy(
    place: Placement, stages: Floats, before: Floats, each: Floats, seconds: tuple[Floats, Floats]
) -> Floats:
    """[lanes x cuts] the way to a rank's first stage and all its work.

    ``seconds`` are [lanes x kinds] of a pass on that way, and of all passes; the rest is as above.
    """
    cuts, kinds = len(stages), stages.shape[2]
    own = stages[:, place.owned].sum(axis=2)
    ways = [_sums(seconds[0], before[:, first].reshape(-1, kinds)) for first in place.first]
    ends = np.min(ways, axis=0) + each * _sums(seconds[1], own.reshape(-1, kinds))
    found: Floats = ends.reshape(len(each), cuts, -1).max(axis=2)
    return found


def _sums(seconds: Floats, counts: Floats) -> Floats:
    """[lanes x n] sums of [lanes x kinds] seconds by [n x kinds] counts, without the threads of a product."""
    found: Floats = np.einsum("lk,kn->ln", seconds, np.ascontiguousarray(counts.T))
    return found
