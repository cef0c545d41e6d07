"""What a program's tasks can share, decided before it runs: all others cost the engine nothing more.

A channel can hold transfers back only if those of different streams can load it beyond its bandwidth; tasks
of one stream never run together. Work can be slowed only where a transfer with a footprint runs on a stream
of its class.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from simdl.engine.holdings import holdings, indices
from simdl.engine.rates import TOLERANCE, Shares
from simdl.program.action import Transfer, Work
from simdl.program.program import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What can be shared.

    Attributes:
        tasks: per task, whether what runs beside it can change its speed or be changed by it.
        shares: per action the channels that can hold it back.
        rates: per action [bytes/s] of one rank of a transfer at full speed, the largest over all channels.
        footprints: per action its share of a device, 0 for work.
        busy: per action the share of its seconds in which messages of work load channels, 0 for transfers.
    """

    tasks: bytes
    shares: tuple[Shares, ...]
    rates: tuple[float, ...]
    footprints: tuple[float, ...]
    busy: tuple[float, ...]


def find_shared(program: Program) -> Shared:
    """What can be shared while a program runs."""
    transfers = [action if isinstance(action, Transfer) else None for action in program.actions]
    loading = [action if action.loads and action.duration else None for action in program.actions]
    footprints = tuple(each.footprint if each and each.duration else 0.0 for each in transfers)
    contested = _contested(program)
    shares = tuple(
        tuple((load.channel, load.share) for load in each.loads if load.channel in contested) if each else ()
        for each in loading
    )
    tasks = bytes(len(program))
    if any(footprints) or any(shares):
        tasks = _shared_tasks(program, shares, footprints)
    return Shared(
        tasks=tasks,
        shares=shares,
        rates=tuple(
            max(
                (load.share * program.channels[load.channel].bandwidth / load.members for load in each.loads),
                default=0.0,
            )
            if each
            else 0.0
            for each in loading
        ),
        footprints=footprints,
        busy=tuple(each.busy if isinstance(each, Work) else 0.0 for each in program.actions),
    )


def overfull(share: float) -> bool:
    """Whether flows that would take this share of a channel in all have to be held back."""
    return share > 1.0 + TOLERANCE


def _contested(program: Program) -> set[int]:
    """Channels that transfers of different streams can load beyond their bandwidth."""
    loading = [bool(each.loads) for each in program.actions]
    if not any(loading):
        return set()
    action, stream = indices(program.action), indices(program.stream)
    width = len(program.streams)
    pairs = np.unique((action * width + stream)[np.array(loading)[action]])
    largest: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for number, place in zip(*(part.tolist() for part in np.divmod(pairs, width)), strict=True):
        for load in program.actions[number].loads:
            by_stream = largest[load.channel]
            by_stream[place] = max(load.share, by_stream.get(place, 0.0))
    return {channel for channel, by_stream in largest.items() if overfull(sum(by_stream.values()))}


def _shared_tasks(program: Program, shares: tuple[Shares, ...], footprints: tuple[float, ...]) -> bytes:
    action = indices(program.action)
    slows = np.array(footprints)[action] > 0.0
    found = slows | np.array([bool(each) for each in shares])[action]
    tasks, streams = holdings(program)
    ranks = np.array([rank for rank, _ in program.streams])[streams]
    slowed_rank = np.zeros(len(program.classes), dtype=bool)
    slowed_rank[ranks[slows[tasks]]] = True
    works = np.array([not isinstance(each, Transfer) and each.duration > 0.0 for each in program.actions])
    slowed = slowed_rank[ranks] & works[action][tasks]
    found[tasks[slowed]] = True
    return bytes(found)
