"""Walk: the entries of all ranks in an order in which they can run, or the wait that keeps them from it."""

from collections.abc import Iterator

from simdl.errors import DeadlockError
from simdl.pipelines.passes import Entry, Orders, Phase, Result, needs, passes_of, results

_NAMES = {
    Phase.FORWARD: "forward",
    Phase.INPUT_GRADIENT: "input gradient",
    Phase.WEIGHT_GRADIENT: "weight gradient",
}


def describe_result(result: Result) -> str:
    """A result in words, such as ``forward of microbatch 3 on stage 12``."""
    return f"{_NAMES[result.phase]} of microbatch {result.microbatch} on stage {result.stage}"


def walk(orders: Orders, chain: int) -> Iterator[tuple[int, int]]:
    """Rank and position of every entry, each after those that it waits for.

    Args:
        orders: entries per rank.
        chain: virtual stages that a microbatch runs through.

    Raises:
        DeadlockError: an entry waits for itself, or for a pass that does not exist.
    """
    done: set[Result] = set()
    waiting: dict[Result, list[int]] = {}
    position = [0] * len(orders)
    ready = list(reversed(range(len(orders))))
    while ready:
        rank = ready.pop()
        order = orders[rank]
        while position[rank] < len(order):
            entry = order[position[rank]]
            missing = _missing(entry, chain, done)
            if missing is not None:
                waiting.setdefault(missing, []).append(rank)
                break
            yield rank, position[rank]
            position[rank] += 1
            for one in passes_of(entry):
                for result in results(one):
                    done.add(result)
                    ready.extend(waiting.pop(result, ()))
    if waiting:
        raise _blocked(orders, position, waiting)


def _missing(entry: Entry, chain: int, done: set[Result]) -> Result | None:
    return next((need for one in passes_of(entry) for need in needs(one, chain) if need not in done), None)


def _blocked(orders: Orders, position: list[int], waiting: dict[Result, list[int]]) -> DeadlockError:
    waits = {rank: result for result, ranks in waiting.items() for rank in ranks}
    sentences = [
        f"rank {rank}, entry {position[rank]}: found {orders[rank][position[rank]]}, which waits for the "
        f"{describe_result(waits[rank])}; expected it to have run"
        for rank in sorted(waits)
    ]
    return DeadlockError(f"deadlock: {'; '.join(sentences)}")
