"""What others did on the processor while something was measured, where the system tells (Linux).

Busy core-seconds of all, from ``/proc/stat`` (proc(5)), less those of this process and the processes it has
ended, over the seconds that passed. Time that a hypervisor gave to other guests counts as others'.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
IDLE = (3, 4)
"""Columns of time in which a core had nothing to do or waited for a disk."""
GUEST = 8
"""Column from which on times are counted a second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Seconds since some moment: of the clock, of all busy cores, own and those of children."""

    passed: float
    busy: float
    own: float


def read_clock() -> Clock | None:
    """The clock now; None where the system does not tell."""
    try:
        columns = STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
        ticks = [int(column) for column in columns[:GUEST]]
    except (OSError, ValueError):
        return None
    busy = sum(count for place, count in enumerate(ticks) if place not in IDLE) / os.sysconf("SC_CLK_TCK")
    own = sum(os.times()[:4])
    return Clock(passed=time.monotonic(), busy=busy, own=own)


def others_load(before: Clock | None, after: Clock | None) -> float | None:
    """Cores that others kept busy on the mean; None where the system does not tell.

    Example:
        >>> others_load(Clock(passed=0, busy=10, own=1), Clock(passed=10, busy=25, own=11))
        0.5
    """
    if before is None or after is None or after.passed <= before.passed:
        return None
    busy = (after.busy - before.busy) - (after.own - before.own)
    return max(0.0, busy / (after.passed - before.passed))
