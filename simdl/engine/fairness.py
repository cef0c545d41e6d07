"""Max-min fairness: how fast transfers run that load the same channels at the same time.

All rates [bytes/s] rise together until a channel is full or a transfer is as fast as alone; those are fixed,
the others go on (progressive filling; Bertsekas and Gallager, Data Networks, 2nd edition, section 6.5.2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FULL = 1e-12  # relative, below which a channel has no room left


@dataclass(frozen=True, slots=True)
class Flow:
    """A transfer as the channels see it.

    Attributes:
        rate: [bytes/s] while it runs alone, the largest over its channels.
        shares: by channel, of its bandwidth while it runs alone.
    """

    rate: float
    shares: Mapping[int, float]


def fair_speeds(flows: Sequence[Flow]) -> list[float]:
    """Speed of each flow as a fraction of alone, so that no channel is more than full."""
    speeds = [0.0] * len(flows)
    open_flows = dict.fromkeys(range(len(flows)))
    left = {channel: 1.0 for flow in flows for channel in flow.shares}
    while open_flows:
        level = min(flows[number].rate for number in open_flows)
        full: list[int] = []
        for channel, room in left.items():
            slope = sum(flows[n].shares.get(channel, 0.0) / flows[n].rate for n in open_flows)
            if slope * level > room * (1 + FULL):
                level, full = room / slope, [channel]
            elif full and slope * level >= room * (1 - FULL):
                full.append(channel)
        for number in list(open_flows):
            flow = flows[number]
            if full and not any(channel in flow.shares for channel in full):
                continue
            if not full and flow.rate > level * (1 + FULL):
                continue
            speeds[number] = min(1.0, level / flow.rate)
            del open_flows[number]
            for channel, share in flow.shares.items():
                left[channel] = max(0.0, left[channel] - speeds[number] * share)
    return speeds
