"""Interleaved 1F1B: each rank owns v virtual stages and passes groups of p microbatches through them in turn.

Source: Narayanan et al., "Efficient Large-Scale Language Model Training on GPU Clusters Using Megatron-LM",
2021, section 2.2.2; the order of Megatron-LM's interleaved schedule. Rank r of p warms up with 2 (p - r -
1) + (v - 1) p forward passes; the bubble of 1F1B shrinks by v. With v = 1 Megatron-LM runs plain 1F1B, and
so does this order.
"""

from collections.abc import Iterator

from simdl.pipelines.merge import merge
from simdl.pipelines.passes import Orders, Pass, PassKind
from simdl.pipelines.pipeline import Pipeline
from simdl.pipelines.schedules.one_f_one_b import build_one_f_one_b


def build_interleaved(ranks: int, microbatches: int, virtual_stages: int) -> Orders:
    """Megatron-LM's order; ``microbatches`` is a multiple of ``ranks``."""
    if virtual_stages == 1:
        return build_one_f_one_b(ranks, microbatches, virtual_stages)
    return tuple(
        merge(
            list(_passes(PassKind.FORWARD, rank, ranks, microbatches, range(virtual_stages))),
            list(_passes(PassKind.BACKWARD, rank, ranks, microbatches, range(virtual_stages - 1, -1, -1))),
            warm_up=2 * (ranks - rank - 1) + (virtual_stages - 1) * ranks,
        )
        for rank in range(ranks)
    )


def _passes(kind: PassKind, rank: int, ranks: int, microbatches: int, chunks: range) -> Iterator[Pass]:
    """Passes of one kind on one rank: each group of p microbatches through all chunks, chunk by chunk."""
    for group in range(0, microbatches, ranks):
        for chunk in chunks:
            for microbatch in range(group, group + ranks):
                yield Pass(kind, microbatch, chunk * ranks + rank)


def _problems(ranks: int, microbatches: int, _virtual_stages: int) -> Iterator[str]:
    if microbatches % ranks:
        yield f"microbatches: found {microbatches}; expected a multiple of the {ranks} pipeline ranks"


PIPELINE = Pipeline(
    name="interleaved-1f1b",
    description="1F1B over several virtual stages per rank (Megatron-LM)",
    build=build_interleaved,
    problems=_problems,
)
