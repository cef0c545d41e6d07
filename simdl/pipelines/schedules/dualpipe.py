"""DualPipe: microbatches enter at both ends, and a forward and a backward pass run interleaved.

Source: DeepSeek-AI, "DeepSeek-V3 Technical Report", 2024, section 3.2.1, figure 5 and table 2, and the public
code (github.com/deepseek-ai/DualPipe, ``dualpipe/dualpipe.py``, whose steps 1 to 8 are those here): a bubble
of (p / 2 - 1)(F&B + B - 3 W), where B is a full backward pass and F&B an interleaved pair; p + 1 live
activations; every stage is held twice.
"""

from collections import deque
from collections.abc import Iterator

from simdl.pipelines.passes import Entry, Orders, Overlap, Pass, PassKind
from simdl.pipelines.pipeline import Pipeline, single_stage

FORWARD, BACKWARD, INPUT, WEIGHT, INTERLEAVED = "F", "B", "I", "W", "F&B"


def build_dualpipe(ranks: int, microbatches: int, _virtual_stages: int) -> Orders:
    """The first half of the microbatches from rank 0 on, the second half from the last rank on."""
    return tuple(tuple(_entries(rank, ranks, microbatches // 2)) for rank in range(ranks))


def _entries(rank: int, ranks: int, half: int) -> Iterator[Entry]:
    """Every pass takes the next microbatch of its direction; direction 0 enters at the nearer end."""
    copies = (1, 0) if rank >= ranks // 2 else (0, 1)
    stages = (rank, 2 * ranks - 1 - rank)
    forwards = [_passes(PassKind.FORWARD, copy * half, half, stages[copy]) for copy in copies]
    backwards = [_passes(PassKind.BACKWARD, copy * half, half, stages[copy]) for copy in copies]
    deferred: deque[Pass] = deque()
    for kind, direction in _kinds(min(rank, ranks - 1 - rank), ranks, half):
        if kind == FORWARD:
            yield next(forwards[direction])
        elif kind == INTERLEAVED:
            yield Overlap(next(forwards[direction]), next(backwards[1 - direction]))
        elif kind == BACKWARD:
            yield next(backwards[direction])
        elif kind == INPUT:
            _, microbatch, stage = next(backwards[direction])
            deferred.append(Pass(PassKind.WEIGHT_GRADIENT, microbatch, stage))
            yield Pass(PassKind.INPUT_GRADIENT, microbatch, stage)
        else:
            yield deferred.popleft()


def _passes(kind: PassKind, first: int, count: int, stage: int) -> Iterator[Pass]:
    return (Pass(kind, microbatch, stage) for microbatch in range(first, first + count))


def _kinds(depth: int, ranks: int, half: int) -> Iterator[tuple[str, int]]:
    """Kinds with direction on the rank that is ``depth`` behind the nearer entrance.

    An interleaved pair has the direction of its forward pass; a weight gradient is the oldest one due.
    """
    rest = ranks // 2 - depth - 1
    both = ((INTERLEAVED, 0), (INTERLEAVED, 1))
    yield from 2 * rest * ((FORWARD, 0),)
    yield from (depth + 1) * ((FORWARD, 0), (FORWARD, 1))
    yield from rest * ((INPUT, 1), (WEIGHT, 1), (FORWARD, 1))
    # The two ranks in the middle do not interleave their first pair, which shortens the bubble further.
    yield from both if rest else ((FORWARD, 0), (BACKWARD, 1), both[1])
    yield from (half - ranks + depth) * both
    yield from rest * ((BACKWARD, 1), both[1])
    drain = (depth + 1) * (1, 0)
    yield from ((BACKWARD, direction) for direction in drain[: depth + 1])
    yield from ((INPUT, direction) for direction in drain[depth + 1 :])
    yield from rest * ((WEIGHT, 0), (INPUT, 0))
    yield from (depth + 1) * ((WEIGHT, 0),)


def place_both_ways(stage: int, ranks: int, _virtual_stages: int) -> int:
    """Copy 0 runs up the ranks, copy 1 down."""
    return min(stage, 2 * ranks - 1 - stage)


def _problems(ranks: int, microbatches: int, virtual_stages: int) -> Iterator[str]:
    yield from single_stage(ranks, microbatches, virtual_stages)
    if ranks % 2:
        yield f"ranks: found {ranks}; expected an even number"
    if microbatches % 2 or microbatches < 2 * ranks:
        yield f"microbatches: found {microbatches}; expected an even number of at least {2 * ranks}"


PIPELINE = Pipeline(
    name="dualpipe",
    description="microbatches from both ends, forward and backward interleaved, parameters held twice",
    build=build_dualpipe,
    problems=_problems,
    place=place_both_ways,
    copies=2,
    conditions=(
        "both copies of a stage add up their gradients before the update",
        "forward and input gradient take the same time, a weight gradient no longer",
        "on the ranks in the middle; on the others too where an interleaved pair takes as long as its passes",
    ),
)
