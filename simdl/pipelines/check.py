"""Check: what an order must hold to be a training step."""

from collections import deque

from simdl.errors import DeadlockError, SimdlError
from simdl.pipelines.passes import Orders, Phase, Result, passes_of, results
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
    ranks = len(orders)
    chain = ranks * virtual_stages
    copy: dict[int, int] = {}
    seen: dict[Result, str] = {}
    for rank, order in enumerate(orders):
        for position, entry in enumerate(order):
            place = f"schedule {pipeline.name}: rank {rank}, entry {position}: found {entry}"
            for one in passes_of(entry):
                if not (0 <= one.stage < pipeline.copies * chain and 0 <= one.microbatch < microbatches):
                    raise SimdlError(
                        f"{place}; expected microbatches below {microbatches} and stages below "
                        f"{pipeline.copies * chain}"
                    )
                if (home := pipeline.place(one.stage, ranks, virtual_stages)) != rank:
                    raise SimdlError(f"{place}; expected stage {one.stage} on rank {home}")
                runs = copy.setdefault(one.microbatch, one.stage // chain)
                if runs != one.stage // chain:
                    raise SimdlError(f"{place}; expected microbatch {one.microbatch} in copy {runs} only")
                for result in results(one):
                    if result in seen:
                        raise SimdlError(f"{place}; expected one {describe_result(result)} ({seen[result]})")
                    seen[result] = f"the first is rank {rank}, entry {position}"
    _require_all(pipeline, seen, copy, microbatches, chain)
    try:
        deque(walk(orders, chain), maxlen=0)
    except DeadlockError as error:
        raise DeadlockError(f"schedule {pipeline.name}: {error}") from None


def _require_all(
    pipeline: Pipeline, seen: dict[Result, str], copy: dict[int, int], microbatches: int, chain: int
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
