"""ZB-H2: no bubble where forward, input gradient and weight gradient take the same time.

Source: Qi et al., "Zero Bubble Pipeline Parallelism", 2023, section 2.3, figure 3 (bottom) and table 2: a
bubble of (p - 1)(T_F + T_B - 2 T_W), where T_B is the input gradient, and 2 p - 1 live activations. Rank r
starts and ends r passes after rank 0, so that the bubble is this small only if no rank waits for another one
between two steps (section 4, "Bypassing optimizer synchronizations").
"""

from simdl.pipelines.passes import Orders
from simdl.pipelines.pipeline import Pipeline
from simdl.pipelines.zero_bubble import deferred_order


def build_zb_h2(ranks: int, microbatches: int, _virtual_stages: int) -> Orders:
    """Twice the warm-up of 1F1B; rank r defers 2 r weight gradients."""
    return tuple(
        deferred_order(rank, microbatches, warm_up=2 * (ranks - rank - 1), deferred=2 * rank)
        for rank in range(ranks)
    )


PIPELINE = Pipeline(
    name="zb-h2",
    description="deferred weight gradients and twice the memory of 1F1B: hardly a bubble",
    build=build_zb_h2,
    synchronised=False,
    conditions=(
        "ranks do not wait for each other between two steps: the optimizer's synchronisation is bypassed",
        "a step has at least 2 p - 1 microbatches on p ranks",
        "a weight gradient takes no longer than a forward pass or an input gradient",
    ),
)
