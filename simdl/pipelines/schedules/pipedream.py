"""PipeDream: 1F1B without a flush, so that ranks never idle; gradients are of stashed, older weights.

Source: Narayanan et al., "PipeDream: Generalized Pipeline Parallelism for DNN Training", 2019, sections 3.2
and 3.3, figures 4 and 9: every microbatch updates the weights. Rank r of p has p - r microbatches in flight
and keeps the weights that each of them ran forward with; its gradient lags p - r - 1 updates behind.
"""

from simdl.pipelines.pipeline import Pipeline
from simdl.pipelines.schedules.one_f_one_b import build_one_f_one_b


def versions(rank: int, ranks: int) -> int:
    """One of the weights per microbatch in flight."""
    return ranks - rank


def staleness(rank: int, ranks: int) -> int:
    """Updates between a microbatch's forward pass and its own update."""
    return ranks - rank - 1


PIPELINE = Pipeline(
    name="pipedream",
    description="1F1B without flush, with weight stashing: no bubble, stale gradients",
    build=build_one_f_one_b,
    synchronised=False,
    flushes=False,
    changes_update=True,
    conditions=(
        "the pipeline never drains: steps run into one another",
        "every microbatch updates the weights with the gradient of those that it ran forward with",
    ),
    versions=versions,
    staleness=staleness,
)
