"""Devices that are slower or faster than their profile says, in words: ``5=0.5,16-23=0.9``."""

import re
from collections.abc import Iterator, Mapping

from hardware.cluster import Cluster
from hardware.ranges import RANGES
from simdl.errors import SimdlError

EXAMPLE = "5=0.5,16-23=0.9"
LEAST, MOST = RANGES["speed"]
EXPECTED = f"expected RANK=FACTOR or FIRST-LAST=FACTOR with commas between them, such as {EXAMPLE}"
_PART = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?=(.+)")


def parse_speeds(text: str, cluster: Cluster) -> dict[int, float]:
    """Speeds of the devices of some ranks, as a factor of what their profile says.

    Example:
        >>> from hardware.profiles import load_cluster
        >>> parse_speeds("5=0.5,6-7=0.9", load_cluster("dgx-a100:1"))
        {5: 0.5, 6: 0.9, 7: 0.9}

    Raises:
        SimdlError: no such text, ranks that the cluster lacks, a rank said twice, or a factor that no device
            has; names every fault.
    """
    found: dict[int, float] = {}
    faults = []
    for part in text.split(","):
        ranks, speed = _read(part.strip())
        if speed is None:
            faults.append(f"found {part.strip()!r}; {EXPECTED}")
        elif not LEAST <= speed <= MOST:
            faults.append(f"found {speed:g} for {part.strip()!r}; expected a factor of {LEAST:g} to {MOST:g}")
        elif not 0 <= ranks.start < ranks.stop <= cluster.devices:
            last = cluster.devices - 1
            faults.append(f"found {part.strip()!r}; expected ranks from 0 to {last}, those of {cluster.name}")
        elif twice := [rank for rank in ranks if rank in found]:
            faults.append(f"found rank {twice[0]} twice; expected each once")
        else:
            found |= dict.fromkeys(ranks, speed)
    if faults:
        raise SimdlError("; ".join(f"speeds: {fault}" for fault in faults))
    return found


def format_speeds(speeds: Mapping[int, float]) -> str:
    """The text that :func:`parse_speeds` reads back as these speeds.

    Example:
        >>> format_speeds({7: 0.9, 6: 0.9, 5: 0.5})
        '5=0.5,6-7=0.9'
    """
    return ",".join(
        f"{first}={speed!r}" if first == last else f"{first}-{last}={speed!r}"
        for first, last, speed in _runs(speeds)
    )


def slow_devices(speeds: Mapping[int, float]) -> str:
    """The devices in words, for the header of an answer.

    Example:
        >>> slow_devices({5: 0.5, 6: 0.9, 7: 0.9})
        'device 5 at 0.5 and 6 to 7 at 0.9 of its speed'
    """
    each = [
        f"{first} at {speed:g}" if first == last else f"{first} to {last} at {speed:g}"
        for first, last, speed in _runs(speeds)
    ]
    return f"device {' and '.join(each)} of its speed"


def _read(part: str) -> tuple[range, float | None]:
    """Ranks and speed; no speed where a part is none."""
    match = _PART.fullmatch(part)
    if match is None:
        return range(0), None
    first, last, factor = match.groups()
    try:
        return range(int(first), int(last or first) + 1), float(factor)
    except ValueError:
        return range(0), None


def _runs(speeds: Mapping[int, float]) -> Iterator[tuple[int, int, float]]:
    """(first, last, speed) of neighbouring ranks that are equally fast."""
    first: int | None = None
    ranks = sorted(speeds)
    for place, rank in enumerate(ranks):
        first = rank if first is None else first
        after = ranks[place + 1] if place + 1 < len(ranks) else -1
        if after != rank + 1 or speeds[after] != speeds[rank]:
            yield first, rank, speeds[rank]
            first = None
