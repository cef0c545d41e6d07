"""Interleaved 1F1B: each rank owns v virtual stages and passes groups of p microbatches through them in turn.

Source: Narayanan et al., "Efficient Large-Scale Language Model Training on GPU Clusters Using Megatron-LM",
2021, section 2.2.2; the order of Megatron-LM's interleaved schedule. Rank r of p warms up with 2 (p - r -
1) + (v - 1) p forward passes; the bubble of 1F1B shrinks by v. With v = 1 Megatron-LM runs plain 1F1B, and
so does this order.
"""

from collections.abc import Iterator

import numpy as np

from simdl.pipelines.merge import merge
from simdl.pipelines.passes import Orders, Pass, PassKind
from simdl.pipelines.pipeline import Moments, Pipeline
from simdl.pipelines.schedules.one_f_one_b import build_one_f_one_b
from simdl.pipelines.schedules.one_f_one_b import lags as one_f_one_b_lags
from simdl.pipelines.schedules.one_f_one_b import moments as one_f_one_b_moments


def build_interleaved(ranks: int, microbatches: int, virtual_stages: int) -> Orders:
    """Megatron-LM's order; ``microbatches`` is a multiple of ``ranks``."""
    if virtual_stages == 1:
        return build_one_f_one_b(ranks, microbatches, virtual_stages)
    return tuple(
        merge(
            list(_passes(PassKind.FORWARD, rank, ranks, microbatches, range(virtual_stages))),
            list(_passes(PassKind.BACKWARD, rank, ranks, microbatches, range(virtual_stages - 1, -1, -1))),
            warm_up=_warm_up(rank, ranks, virtual_stages),
        )
        for rank in range(ranks)
    )


def _warm_up(rank: int, ranks: int, virtual_stages: int) -> int:
    return 2 * (ranks - rank - 1) + (virtual_stages - 1) * ranks


def _passes(kind: PassKind, rank: int, ranks: int, microbatches: int, chunks: range) -> Iterator[Pass]:
    """Passes of one kind on one rank: each group of p microbatches through all chunks, chunk by chunk."""
    for group in range(0, microbatches, ranks):
        for chunk in chunks:
            for microbatch in range(group, group + ranks):
                yield Pass(kind, microbatch, chunk * ranks + rank)


def moments(ranks: int, microbatches: int, virtual_stages: int) -> Moments:
    """What is live after some backward passes and the forward passes of warm-up and turns so far.

    Both kinds stay with one chunk for p passes, so between changes of a chunk the live activations of every
    stage rise or fall evenly, and a peak is at a change.
    """
    if virtual_stages == 1:
        return one_f_one_b_moments(ranks, microbatches, virtual_stages)
    passes, period = microbatches * virtual_stages, ranks * virtual_stages
    warm_up = 2 * np.arange(ranks - 1, -1, -1) + (virtual_stages - 1) * ranks
    first = np.minimum(warm_up + 1, passes)[:, None]
    changes = np.arange(0, period + 1, ranks)[None, :]
    turns = np.concatenate([changes + 0 * first, changes + -first % ranks, period + 0 * first], axis=1)
    turns = np.minimum(turns, passes - first)
    chunks = np.arange(virtual_stages)
    forward = _done(first + turns, chunks, ranks, period)
    found: Moments = forward - _done(turns, chunks[::-1], ranks, period)
    return found


def _done(passes: Moments, place: Moments, ranks: int, period: int) -> Moments:
    """How many of the first passes of one kind are of the chunk that comes at this place in every round."""
    rounds, rest = np.divmod(passes[..., None], period)
    found: Moments = rounds * ranks + np.minimum(np.maximum(rest - place * ranks, 0), ranks)
    return found


def _problems(ranks: int, microbatches: int, _virtual_stages: int) -> Iterator[str]:
    if microbatches % ranks:
        yield f"microbatches: found {microbatches}; expected a multiple of the {ranks} pipeline ranks"


PIPELINE = Pipeline(
    name="interleaved-1f1b",
    description="1F1B over several virtual stages per rank (Megatron-LM)",
    build=build_interleaved,
    moments=moments,
    lags=one_f_one_b_lags,
    problems=_problems,
)
