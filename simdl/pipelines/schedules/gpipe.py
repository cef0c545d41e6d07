"""GPipe: all forward passes, then all backward passes in reverse order.

Source: Huang et al., "GPipe: Efficient Training of Giant Neural Networks using Pipeline Parallelism", 2019,
figure 2c and section 2.3: with p ranks and m microbatches a share (p - 1) / (m + p - 1) of the step is
bubble.
"""

import numpy as np

from simdl.pipelines.passes import Orders, Pass, PassKind
from simdl.pipelines.pipeline import Moments, Pipeline


def build_gpipe(ranks: int, microbatches: int, _virtual_stages: int) -> Orders:
    """The same m forwards and m reversed backwards on every rank."""
    return tuple(
        tuple(Pass(PassKind.FORWARD, microbatch, rank) for microbatch in range(microbatches))
        + tuple(Pass(PassKind.BACKWARD, microbatch, rank) for microbatch in reversed(range(microbatches)))
        for rank in range(ranks)
    )


def moments(ranks: int, microbatches: int, _virtual_stages: int) -> Moments:
    """All microbatches at once."""
    return np.full((ranks, 1, 1), microbatches)


PIPELINE = Pipeline(
    name="gpipe",
    description="all forward passes, then all backward passes",
    build=build_gpipe,
    moments=moments,
)
