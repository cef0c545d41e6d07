"""Schedules of pipelines whose stages all cost the same: the case that the papers' closed forms describe."""

from collections.abc import Iterator

from simdl.pipelines.passes import Orders, Pass, PassKind, Result, needs, passes_of, results
from simdl.task import Schedule, Stream, Task

_STREAMS = ("compute", "send-forward", "send-backward")
_NAMES = {PassKind.FORWARD: "forward", PassKind.BACKWARD: "backward"}


def constant_cost_schedule(
    orders: Orders, *, forward: float, backward: float, transfer: float = 0.0
) -> Schedule:
    """Tasks of every pass, and of every transfer between ranks if transfers take time.

    Args:
        orders: passes per rank.
        forward: [s] of a forward pass of one virtual stage.
        backward: [s] of a backward pass.
        transfer: [s] of a transfer to the next or previous stage, beside computation; 0 leaves transfers out.
    """
    ranks = len(orders)
    streams = tuple(Stream(rank, name) for rank in range(ranks) for name in _STREAMS)
    computes = [
        (rank, one) for rank, order in enumerate(orders) for entry in order for one in passes_of(entry)
    ]
    stages = 1 + max((one.stage for _, one in computes), default=-1)
    sends = [(rank, one) for rank, one in computes if _is_sent(one, ranks, stages)] if transfer else []
    index = {result: number for number, (_, one) in enumerate(computes) for result in results(one)}
    sent = {
        result: number
        for number, (_, one) in enumerate(sends, start=len(computes))
        for result in results(one)
    }
    seconds = {PassKind.FORWARD: forward, PassKind.BACKWARD: backward}

    def before(one: Pass, need: Result) -> int:
        # A pass needs what the neighbour sent, or, where nothing was sent, what was computed.
        return sent.get(need, index[need]) if need.stage != one.stage else index[need]

    def tasks() -> Iterator[Task]:
        for rank, one in computes:
            after = tuple(before(one, need) for need in needs(one, stages))
            yield _task(_NAMES[one.kind], 3 * rank, seconds[one.kind], after, one)
        for rank, one in sends:
            stream = 3 * rank + (1 if one.kind.sends_forward else 2)
            made = index[next(results(one))]
            yield _task(f"send {_NAMES[one.kind]}", stream, transfer, (made,), one)

    return Schedule(streams=streams, tasks=tuple(tasks()))


def _is_sent(one: Pass, ranks: int, stages: int) -> bool:
    if ranks == 1:
        return False
    return one.stage + 1 < stages if one.kind.sends_forward else one.stage > 0


def _task(name: str, stream: int, seconds: float, after: tuple[int, ...], one: Pass) -> Task:
    return Task(name, (stream,), seconds, after, one.microbatch, one.stage, ((name, seconds),))
