"""Flows: transfers that share channels.

Speeds change when a transfer starts or ends on a channel that holds one back, for all transfers that such
channels connect. Connected transfers have one event, the end of the first of them, after which the others get
new speeds: n concurrent flows cost n events, not n squared. Work whose messages share channels takes part
while they are under way.
"""

from collections.abc import Callable, Iterator
from math import fsum

from simdl.engine.rates import max_min_speeds
from simdl.engine.running import Alarm, Running
from simdl.engine.shared import Shared, overfull


class Flows:
    """Transfers on every channel while a program runs."""

    def __init__(
        self, channels: int, shared: Shared, alarm: Alarm, slow: Callable[[Running, float], None]
    ) -> None:
        """``slow`` gives work another speed."""
        self._shares = shared.shares
        self._rates = shared.rates
        self._busy = shared.busy
        self._slow = slow
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
        if not held and not self._busy[flow.action]:
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
        transfers: list[Running] = []
        for flow, speed in zip(flows, self._speeds(flows), strict=True):
            if self._busy[flow.action]:
                if speed != flow.factor:
                    self._slow(flow, speed)
                continue
            transfers.append(flow)
            if speed != flow.speed:
                flow.change(speed, now)
        if not transfers:
            return
        finishes = [flow.finish for flow in transfers]
        first = min(finishes)
        due = [flow for flow, finish in zip(transfers, finishes, strict=True) if finish == first]
        if any(flow.event is None for flow in due):
            self._alarm.set(due, now)

    def _speeds(self, flows: list[Running]) -> list[float]:
        """Speeds of connected transfers, and factors of the speeds of connected work.

        Work communicates in a share of its time, the larger the longer its messages take. Where several
        pieces of work do, the ones with smaller shares communicate while those with larger ones do.
        """
        shares = [[load for load in self._shares[flow.action] if load[0] in self._full] for flow in flows]
        rates = [self._rates[flow.action] for flow in flows]
        speeds = max_min_speeds(shares, rates)
        shared_time: dict[int, float] = {}
        for place, flow in enumerate(flows):
            if busy := self._busy[flow.action]:
                seconds = 1.0 - busy + busy / speeds[place]
                shared_time[place] = busy / speeds[place] / seconds
                speeds[place] = 1.0 / seconds
        if not shared_time or len(shared_time) == len(flows):
            return speeds
        transfers = [place for place in range(len(flows)) if place not in shared_time]
        mean, before = dict.fromkeys(transfers, 0.0), 0.0
        for until in sorted({*shared_time.values(), 1.0}):
            places = [*transfers, *(place for place, time in shared_time.items() if time > before)]
            found = max_min_speeds([shares[place] for place in places], [rates[place] for place in places])
            for place, speed in zip(transfers, found, strict=False):
                mean[place] += (until - before) * speed
            before = until
        return [mean.get(place, speed) for place, speed in enumerate(speeds)]


def _index(task: Running) -> int:
    return task.index
