"""1F1B with a flush: after a warm-up, one forward and one backward in turn, so few activations are live.

Source: Narayanan et al., "Memory-Efficient Pipeline-Parallel DNN Training", 2021 (PipeDream-Flush), section
3.2; the order of Megatron-LM without interleaving. Rank r of p warms up with p - r - 1 forward passes and
holds at most p - r activations; the bubble is that of GPipe.
"""

import numpy as np

from simdl.pipelines.merge import merge
from simdl.pipelines.passes import Orders, PassKind, passes_in_turn
from simdl.pipelines.pipeline import Moments, Pipeline


def build_one_f_one_b(ranks: int, microbatches: int, _virtual_stages: int) -> Orders:
    """Warm-up of p - r - 1 forwards on rank r, then forward and backward in turn."""
    return tuple(
        merge(
            passes_in_turn(PassKind.FORWARD, range(microbatches), rank),
            passes_in_turn(PassKind.BACKWARD, range(microbatches), rank),
            warm_up=ranks - rank - 1,
        )
        for rank in range(ranks)
    )


def moments(ranks: int, microbatches: int, _virtual_stages: int) -> Moments:
    """At most p - r activations on rank r."""
    return np.minimum(microbatches, np.arange(ranks, 0, -1))[:, None, None]


def lags(ranks: int) -> tuple[Moments, Moments]:
    """A forward pass comes p - r microbatches behind a backward pass on rank r, its neighbour before it."""
    limit = np.arange(ranks, 0, -1)
    return limit, limit - 1


PIPELINE = Pipeline(
    name="1f1b",
    description="one forward, one backward after a warm-up (PipeDream-Flush)",
    build=build_one_f_one_b,
    moments=moments,
    lags=lags,
)
