"""ZB-H1: the memory of 1F1B with a third of its bubble.

Source: Qi et al., "Zero Bubble Pipeline Parallelism", 2023, section 2.3, figure 3 (top) and table 2: a bubble
of (p - 1)(T_F + T_B - T_W), where T_B is the input gradient and T_W the weight gradient, and p live
activations on every rank.
"""

from simdl.pipelines.passes import Orders
from simdl.pipelines.pipeline import Pipeline
from simdl.pipelines.zero_bubble import deferred_order


def build_zb_h1(ranks: int, microbatches: int, _virtual_stages: int) -> Orders:
    """The warm-up of 1F1B; rank r defers r weight gradients."""
    return tuple(
        deferred_order(rank, microbatches, warm_up=ranks - rank - 1, deferred=rank) for rank in range(ranks)
    )


PIPELINE = Pipeline(
    name="zb-h1",
    description="1F1B with deferred weight gradients: a third of the bubble, the same memory",
    build=build_zb_h1,
    conditions=(
        "a step has at least as many microbatches as ranks",
        "a weight gradient takes no longer than a forward pass or an input gradient",
    ),
)
