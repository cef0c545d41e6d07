"""Channels of NCCL's topology search: how many, and the rate of each, from the rates that it tries."""

from dataclasses import dataclass

from simdl.communication.tuning.constants import GENERATIONS, Version, numbers_of
from simdl.communication.tuning.sight import Sight

MOST = 16  # channels that the search places, before they are duplicated
SPLIT_FROM = 25.0  # GB/s of a channel that the library splits in two
SPLIT_UP_TO = 50.0  # GB/s of a channel below which many stay whole after Ampere
MANY = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """Channels of one pattern: count, and [GB/s] of each."""

    count: int
    rate: float

    @property
    def bandwidth(self) -> float:
        """[GB/s] of all together."""
        return self.count * self.rate


def ladder(version: Version, sight: Sight, where: str) -> tuple[float, ...]:
    """[GB/s] per channel that the search tries, ``inside`` a node or ``outside``, the fastest first."""
    found = numbers_of(version, "ladder", link=where, generation=sight.generation)
    return found or numbers_of(
        Version(library="nccl", number=(2, 6, 4)), "ladder", link=where, generation=sight.generation
    )


def widest(rates: tuple[float, ...], total: float, *, count: int = 0) -> Channels:
    """The channels with the largest total that fit, of a given count or of any."""
    best = Channels(count=max(1, count), rate=min(rates[-1], total / max(1, count)))
    for rate in rates:
        fitting = int(total / rate + 1e-9)
        taken = count or min(MOST, fitting)
        if taken and taken <= fitting and taken * rate > best.bandwidth + 1e-6:
            best = Channels(count=taken, rate=rate)
    return best


def ring_channels(version: Version, sight: Sight) -> Channels:
    """Channels of rings and trees, duplicated as the library does."""
    if sight.nodes == 1:
        found = widest(ladder(version, sight, "inside"), sight.inside)
    elif sight.per_node == 1:
        found = widest(ladder(version, sight, "outside"), sight.card * sight.cards)
    else:
        found = _across(version, sight)
    modern = GENERATIONS.index(sight.generation) > GENERATIONS.index("ampere")
    if found.rate >= SPLIT_FROM and not (modern and found.rate < SPLIT_UP_TO and found.count > MANY):
        return Channels(count=2 * found.count, rate=found.rate / 2)
    return found


def _across(version: Version, sight: Sight) -> Channels:
    """One rate for both: as many channels as the ports carry, no more than fit inside the node."""
    rates = ladder(version, sight, "outside")
    best = Channels(count=1, rate=min(sight.card, sight.inside))
    for rate in rates:
        on_cards = int(sight.cards) * int(sight.card / rate + 1e-9)
        count = min(on_cards, int(sight.inside / rate + 1e-9), MOST)
        if count and count * rate > best.bandwidth + 1e-6:
            best = Channels(count=count, rate=rate)
    return best
