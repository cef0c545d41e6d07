"""ZB-V: no bubble with the memory of 1F1B; every rank holds two stages, placed in the shape of a V.

Source: Qi et al., "Zero Bubble Pipeline Parallelism", 2023, section 6 and figure 5, and "Pipeline Parallelism
with Controllable Memory", 2024, section 3.2: rank r of p holds stages r and 2 p - 1 - r, so that a microbatch
ends where it began and its activations go early. At equal times of forward, input gradient and weight
gradient there is no bubble, and 2 p activations of such half stages are live. PyTorch writes this order out
(``ScheduleZBVZeroBubble``), where the papers search for one.
"""

from collections.abc import Iterator

from simdl.pipelines.passes import Orders, Pass, PassKind
from simdl.pipelines.pipeline import Pipeline

FORWARD, INPUT, WEIGHT = PassKind.FORWARD, PassKind.INPUT_GRADIENT, PassKind.WEIGHT_GRADIENT


def build_zb_v(ranks: int, microbatches: int, _virtual_stages: int) -> Orders:
    """The order of at least 2 p - 1 microbatches, less those that do not exist."""
    full = max(microbatches, 2 * ranks - 1)
    return tuple(
        tuple(one for one in _numbered(rank, ranks, full) if one.microbatch < microbatches)
        for rank in range(ranks)
    )


def _numbered(rank: int, ranks: int, microbatches: int) -> Iterator[Pass]:
    stages = (rank, 2 * ranks - 1 - rank)
    counts: dict[tuple[PassKind, int], int] = {}
    for kind, half in _kinds(rank, ranks, microbatches):
        microbatch = counts.get((kind, half), 0)
        counts[kind, half] = microbatch + 1
        yield Pass(kind, microbatch, stages[half])


def _kinds(rank: int, ranks: int, microbatches: int) -> Iterator[tuple[PassKind, int]]:
    """Kinds of pass with the half of the V, 0 down and 1 up."""
    first, second = ((FORWARD, 0), (INPUT, 0), (WEIGHT, 0)), ((FORWARD, 1), (INPUT, 1), (WEIGHT, 1))
    yield from (2 * (ranks - rank) - 1) * first[:1]
    yield from rank * (second[0], first[0])
    yield from (ranks - rank) * second
    turns = microbatches - (2 * ranks - rank - 1)
    yield from turns * (*first, *second)
    yield from (ranks - rank - 1) * (*first[1:], *second)
    yield from rank * (first[1], second[1])
    yield from (ranks - rank) * first[1:]
    yield from rank * second[2:]
    yield from rank * first[2:]


def place_v(stage: int, ranks: int, _virtual_stages: int) -> int:
    """Down the ranks and up again."""
    return min(stage, 2 * ranks - 1 - stage)


def _problems(_ranks: int, _microbatches: int, virtual_stages: int) -> Iterator[str]:
    if virtual_stages != 2:
        yield f"virtual stages: found {virtual_stages}; expected 2"


PIPELINE = Pipeline(
    name="zb-v",
    description="two stages per rank in the shape of a V: no bubble at equal parts, the memory of 1F1B",
    build=build_zb_v,
    problems=_problems,
    place=place_v,
    synchronised=False,
    conditions=(
        "ranks do not wait for each other between two steps: the optimizer's synchronisation is bypassed",
        "a step has at least 2 p - 1 microbatches on p ranks",
        "forward, input gradient and weight gradient take the same time",
    ),
)
