"""Rates: what concurrent transfers get of the channels that they share.

Max-min fairness by progressive filling: the rates of all flows [bytes/s] rise together; a flow stops when it
is as fast as alone, or when one of its channels is full; the others go on. A transfer of several ranks stands
for as many flows: their rates rise together with those of all others.

Source: Bertsekas and Gallager, "Data Networks", 2nd edition, 1992, section 6.5.2.
"""

from collections.abc import Sequence

Shares = Sequence[tuple[int, float]]
"""Channels and what a flow takes of each at full speed, in (0, 1]."""

TOLERANCE = 1e-12
"""Relative difference below which two rates are one."""


def max_min_speeds(shares: Sequence[Shares], rates: Sequence[float]) -> list[float]:
    """Speeds of concurrent flows, 1 for one that is as fast as alone.

    Args:
        shares: per flow the channels that can hold it back.
        rates: per flow [bytes/s] of one of its ranks at full speed, the largest over its channels.

    Example:
        >>> max_min_speeds([[(0, 1.0)], [(0, 1.0)], [(0, 0.25)]], [4.0, 4.0, 1.0])
        [0.375, 0.375, 1.0]
    """
    speeds = [1.0] * len(rates)
    left: dict[int, float] = {channel: 1.0 for flow in shares for channel, _ in flow}
    rising = list(range(len(rates)))
    level = 0.0
    while rising:
        slopes = _slopes(shares, rates, rising)
        alone = min(rates[flow] for flow in rising)
        filled = min((left[channel] / slope for channel, slope in slopes.items()), default=alone)
        level = max(level, min(alone, filled))
        limit = level * (1.0 + TOLERANCE)
        full = {channel for channel, slope in slopes.items() if left[channel] <= slope * limit}
        stopped: list[int] = []
        going: list[int] = []
        for flow in rising:
            slow = any(channel in full for channel, _ in shares[flow])
            (stopped if slow or rates[flow] <= limit else going).append(flow)
        for flow in stopped:
            speeds[flow] = 1.0 if rates[flow] <= limit else level / rates[flow]
            for channel, share in shares[flow]:
                left[channel] -= share * speeds[flow]
        rising = going
    return speeds


def _slopes(shares: Sequence[Shares], rates: Sequence[float], rising: Sequence[int]) -> dict[int, float]:
    """Per channel what rising flows take of it per byte/s."""
    slopes: dict[int, float] = {}
    for flow in rising:
        for channel, share in shares[flow]:
            slopes[channel] = slopes.get(channel, 0.0) + share / rates[flow]
    return slopes
