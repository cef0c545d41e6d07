"""Flows: transfers that share channels.

Speeds change when a transfer starts or ends on a channel that holds one back, for all transfers that such
channels connect. Connected transfers have one event, the end of the first of them, after which the others get
new speeds: n concurrent flows cost n events, not n squared.
"""

from collections.abc import Iterator
from math import fsum

from simdl.engine_next.rates import max_min_speeds
from simdl.engine_next.running import Alarm, Running
from simdl.engine_next.shared import overfull


class Flows:
    """Transfers on every channel while a program runs."""

    def __init__(self, channels: int, alarm: Alarm) -> None:
        self._alarm = alarm
        self._flows: list[dict[Running, float]] = [{} for _ in range(channels)]
        self._full: set[int] = set()  # channels whose flows would take more than there is
        self.changed: set[int] = set()  # channels whose flows have to get other speeds

    def start(self, flow: Running) -> None:
        """Run a transfer, at once if no channel holds it back."""
        for channel, share in flow.shares:
            self._flows[channel][flow] = share
            self._rate(channel)
        held = [channel for channel, _ in flow.shares if channel in self._full]
        self.changed.update(held)
        if not held:
            flow.speed = 1.0
            self._alarm.set((flow,))

    def end(self, flow: Running) -> None:
        """Forget a transfer."""
        for channel, _ in flow.shares:
            if channel in self._full:
                self.changed.add(channel)
            del self._flows[channel][flow]
            self._rate(channel)

    def settle(self) -> None:
        """Give the flows that changed channels connect their speeds."""
        seen: set[Running] = set()
        flows = {flow.index: flow for channel in self.changed for flow in self._flows[channel]}
        self.changed.clear()
        for index in sorted(flows):
            if flows[index] not in seen:
                connected = sorted(self._connected(flows[index]), key=lambda flow: flow.index)
                seen.update(connected)
                self._share(connected)

    def _rate(self, channel: int) -> None:
        # An exact sum: it does not depend on the order in which the transfers started.
        if overfull(fsum(self._flows[channel].values())):
            self._full.add(channel)
        else:
            self._full.discard(channel)

    def _connected(self, flow: Running) -> Iterator[Running]:
        """Flows that full channels connect with one, and itself."""
        seen, channels, ahead = {flow}, set[int](), [flow]
        while ahead:
            flow = ahead.pop()
            yield flow
            for channel, _ in flow.shares:
                if channel in self._full and channel not in channels:
                    channels.add(channel)
                    new = self._flows[channel].keys() - seen
                    seen |= new
                    ahead.extend(new)

    def _share(self, flows: list[Running]) -> None:
        """Give connected flows their speeds and set the end of the first."""
        shares = [[load for load in flow.shares if load[0] in self._full] for flow in flows]
        for flow, speed in zip(flows, max_min_speeds(shares, [flow.rate for flow in flows]), strict=True):
            if speed != flow.speed:
                flow.change(self._alarm.now, speed)
        finishes = [flow.finish for flow in flows]
        first = min(finishes)
        due = [flow for flow, finish in zip(flows, finishes, strict=True) if finish == first]
        if any(flow.event is None for flow in due):
            self._alarm.set(due)
