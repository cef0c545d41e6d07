"""Check: what an order must hold to be a training step."""

from collections import deque
from collections.abc import Iterator, Mapping

from simdl.errors import DeadlockError, SimdlError
from simdl.pipelines.passes import Orders, Pass, Phase, Result, passes_of, results
from simdl.pipelines.pipeline import Pipeline
from simdl.pipelines.walk import describe_result, walk


def check_orders(pipeline: Pipeline, orders: Orders, microbatches: int, virtual_stages: int = 1) -> None:
    """Refuse orders that lack, repeat or misplace a phase of a microbatch, or that wait for themselves.

    Args:
        pipeline: whose orders they are.
        orders: entries per rank.
        microbatches: of the step; each runs through one copy.
        virtual_stages: per rank.

    Raises:
        SimdlError: the first fault.
        DeadlockError: an entry waits for itself.
    """
    chain = len(orders) * virtual_stages
    copy: dict[int, int] = {}
    seen: dict[Result, str] = {}
    for rank, order in enumerate(orders):
        for position, entry in enumerate(order):
            place = f"rank {rank}, entry {position}"
            for one in passes_of(entry):
                size = (len(orders), microbatches, virtual_stages)
                for expected in _faults(pipeline, one, rank, size, copy=copy, seen=seen):
                    raise SimdlError(f"schedule {pipeline.name}: {place}: found {entry}; expected {expected}")
                copy[one.microbatch] = one.stage // chain
                seen.update((result, place) for result in results(one))
    _require_all(pipeline, seen, copy, microbatches, chain)
    try:
        deque(walk(orders, chain), maxlen=0)
    except DeadlockError as error:
        raise DeadlockError(f"schedule {pipeline.name}: {error}") from None


def _faults(
    pipeline: Pipeline,
    one: Pass,
    rank: int,
    size: tuple[int, int, int],
    *,
    copy: Mapping[int, int],
    seen: Mapping[Result, str],
) -> Iterator[str]:
    """What is expected in place of a pass."""
    ranks, microbatches, virtual_stages = size
    stages = pipeline.copies * ranks * virtual_stages
    if not (0 <= one.stage < stages and 0 <= one.microbatch < microbatches):
        yield f"microbatches below {microbatches} and stages below {stages}"
    elif (home := pipeline.place(one.stage, ranks, virtual_stages)) != rank:
        yield f"stage {one.stage} on rank {home}"
    own = one.stage // (ranks * virtual_stages)
    if copy.get(one.microbatch, own) != own:
        yield f"microbatch {one.microbatch} in copy {copy[one.microbatch]} only"
    for result in results(one):
        if result in seen:
            yield f"one {describe_result(result)} (the first is {seen[result]})"


def _require_all(
    pipeline: Pipeline, seen: Mapping[Result, str], copy: Mapping[int, int], microbatches: int, chain: int
) -> None:
    for microbatch in range(microbatches):
        first = copy.get(microbatch, 0) * chain
        for stage in range(first, first + chain):
            for phase in Phase:
                expected = Result(phase, microbatch, stage)
                if expected not in seen:
                    raise SimdlError(
                        f"schedule {pipeline.name}: found no {describe_result(expected)}; "
                        "expected every phase of every microbatch on every stage once"
                    )
