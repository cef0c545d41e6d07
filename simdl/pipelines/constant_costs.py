"""Schedules of pipelines whose stages all cost the same: the case that the papers' closed forms describe."""

from collections.abc import Iterator

from simdl.pipelines.action import Action, Orders, prerequisites
from simdl.task import Schedule, Stream, Task

_STREAMS = ("compute", "send-forward", "send-backward")
_NAMES = {"F": "forward", "B": "backward"}


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
    stages = 1 + max((action.stage for order in orders for action in order), default=-1)
    streams = tuple(Stream(rank, name) for rank in range(ranks) for name in _STREAMS)
    computes = [action for order in orders for action in order]
    sends = [action for action in computes if _is_sent(action, ranks, stages)] if transfer else []
    index = {action: number for number, action in enumerate(computes)}
    sent = {action: number for number, action in enumerate(sends, start=len(computes))}
    seconds = {"F": forward, "B": backward}

    def tasks() -> Iterator[Task]:
        for action in computes:
            rank = action.stage % ranks
            # A pass needs what the neighbour sent, or, where nothing was sent, what was computed.
            after = tuple(
                sent.get(before, index[before]) if before.stage != action.stage else index[before]
                for before in prerequisites(action, stages)
            )
            yield _task(_NAMES[action.kind], 3 * rank, seconds[action.kind], after, action)
        for action in sends:
            stream = 3 * (action.stage % ranks) + (1 if action.kind == "F" else 2)
            yield _task(f"send {_NAMES[action.kind]}", stream, transfer, (index[action],), action)

    return Schedule(streams=streams, tasks=tuple(tasks()))


def _is_sent(action: Action, ranks: int, stages: int) -> bool:
    if ranks == 1:
        return False
    return action.stage + 1 < stages if action.kind == "F" else action.stage > 0


def _task(name: str, stream: int, seconds: float, after: tuple[int, ...], action: Action) -> Task:
    return Task(name, (stream,), seconds, after, action.microbatch, action.stage, ((name, seconds),))
