"""Flows: transfers that share channels.

Speeds change when a transfer starts or ends on a channel that holds one back, for all transfers that such
channels connect. Connected transfers have one event, the end of the first of them, after which the others get
new speeds: n concurrent flows cost n events, not n squared.
"""

from collections.abc import Iterator, Sequence
from math import fsum

from simdl.engine.rates import Shares, max_min_speeds
from simdl.engine.running import Alarm, Running
from simdl.engine.shared import overfull


class Flows:
    """Transfers on every channel while a program runs."""

    def __init__(self, channels: int, shares: Sequence[Shares], rates: Sequence[float], alarm: Alarm) -> None:
        """Shares and rates are those of the actions."""
        self._shares = shares
        self._rates = rates
        self._alarm = alarm
        self._flows: list[dict[Running, float]] = [{} for _ in range(channels)]
        self._full: set[int] = set()  # channels whose flows would take more than there is
        self.changed: set[int] = set()  # channels whose flows have to get other speeds

    def start(self, flow: Running, now: float) -> None:
        """Run a transfer, at once if no channel holds it back."""
        held = False
        for channel, share in self._shares[flow.action]:
            flows = self._flows[channel]
            flows[flow] = share
            # An exact sum: it does not depend on the order in which the transfers started.
            if len(flows) > 1 and overfull(fsum(flows.values())):
                self._full.add(channel)
                self.changed.add(channel)
                held = True
        if not held:
            flow.speed = 1.0
            self._alarm.set((flow,), now)

    def end(self, flow: Running) -> None:
        """Forget a transfer."""
        for channel, _ in self._shares[flow.action]:
            flows = self._flows[channel]
            del flows[flow]
            if channel in self._full:
                self.changed.add(channel)
                if not overfull(fsum(flows.values())):
                    self._full.remove(channel)

    def settle(self, now: float) -> None:
        """Give the flows that changed channels connect their speeds."""
        ahead = {flow for channel in self.changed for flow in self._flows[channel]}
        self.changed.clear()
        settled: set[Running] = set()
        for flow in sorted(ahead, key=_index):
            if flow not in settled:
                connected = sorted(self._connected(flow), key=_index)
                settled.update(connected)
                self._share(connected, now)

    def _connected(self, flow: Running) -> Iterator[Running]:
        """Flows that full channels connect with one, and itself."""
        seen, channels, ahead = {flow}, set[int](), [flow]
        while ahead:
            flow = ahead.pop()
            yield flow
            for channel, _ in self._shares[flow.action]:
                if channel in self._full and channel not in channels:
                    channels.add(channel)
                    new = self._flows[channel].keys() - seen
                    seen |= new
                    ahead.extend(new)

    def _share(self, flows: list[Running], now: float) -> None:
        """Give connected flows their speeds and set the end of the first."""
        full = self._full
        shares = [[load for load in self._shares[flow.action] if load[0] in full] for flow in flows]
        rates = [self._rates[flow.action] for flow in flows]
        for flow, speed in zip(flows, max_min_speeds(shares, rates), strict=True):
            if speed != flow.speed:
                flow.change(speed, now)
        finishes = [flow.finish for flow in flows]
        first = min(finishes)
        due = [flow for flow, finish in zip(flows, finishes, strict=True) if finish == first]
        if any(flow.event is None for flow in due):
            self._alarm.set(due, now)


def _index(task: Running) -> int:
    return task.index
