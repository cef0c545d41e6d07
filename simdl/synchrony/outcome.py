"""Outcome: what a training by some scheme gives, against the synchronous step of the same strategy."""

from collections.abc import Sequence
from dataclasses import dataclass

from simdl.engine.station import Station
from simdl.synchrony.training import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkUse:
    """What one kind of port or memory carried.

    Attributes:
        name: such as ``"infiniband-hdr of servers, in"``.
        count: ports of this kind.
        bytes_per_step: [bytes] of all of them, per step of all workers.
        load: share of the time for which the busiest was busy; None where a collective loads it in parts.
        waiting: [s] that a message waited for its turn, mean.
    """

    name: str
    count: int
    bytes_per_step: float
    load: float | None
    waiting: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One training.

    Attributes:
        scheme: its name.
        workers: that computed; ``needed`` of them make an update where it waits for several.
        needed: gradients of one step.
        servers: that shared the parameters.
        steps: of all workers that were used, ``used`` gradients over ``needed``.
        duration: [s].
        step_time: [s] per ``needed`` gradients.
        samples_per_s: throughput.
        updates_per_s: gradients used per second.
        staleness_mean, staleness_max: of used gradients, in units of ``staleness_unit``.
        staleness_unit: such as ``"updates"``.
        waiting: [s] that a worker waits per step, mean.
        waiting_share: of a worker's time.
        server_load: share of the time for which the busiest port or memory of a server was busy.
        dropped: share of gradients that came too late.
        links: bytes by kind of port.
        spans: what recorded workers did.
    """

    scheme: str
    workers: int
    needed: int
    servers: int
    steps: float
    duration: float
    step_time: float
    samples_per_s: float
    updates_per_s: float
    staleness_mean: float
    staleness_max: float
    staleness_unit: str
    waiting: float
    waiting_share: float
    server_load: float
    dropped: float
    links: tuple[LinkUse, ...]
    spans: tuple[Span, ...] = ()


def station_uses(stations: Sequence[Station], *, seconds: float, steps: float) -> tuple[LinkUse, ...]:
    """What stations carried, those of one name together; idle ones are left out."""
    by_name: dict[str, list[Station]] = {}
    for station in stations:
        by_name.setdefault(station.name, []).append(station)
    return tuple(
        LinkUse(
            name=name,
            count=len(found),
            bytes_per_step=sum(each.nbytes for each in found) / steps,
            load=min(1.0, max(each.busy for each in found) / seconds),
            waiting=sum(each.waited for each in found) / sum(each.jobs for each in found),
        )
        for name, found in by_name.items()
        if sum(each.jobs for each in found)
    )
