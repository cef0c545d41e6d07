"""Thinning of lanes: what is closer together than a pixel is drawn as one.

A pixel that several tasks share gets one name, and what is drawn too much or too little of a name is made
up for in the pixels after it (error diffusion, Floyd and Steinberg 1976), so that each name takes as much
of a lane as it has time.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Bar:
    """A task, or what a pixel and its neighbours of the same name hold, on a lane; [s]."""

    name: str
    lane: int
    start: float
    end: float
    text: str = ""


@dataclass(slots=True)
class _Pixel:
    """What has started within one pixel of a lane: from when to when, and [s] by name."""

    start: float
    end: float
    seconds: dict[str, float]


@dataclass(slots=True)
class _Lane:
    """Bars so far, the pixel being filled, and [s] by name that are still to be drawn."""

    number: int
    bars: list[Bar] = field(default_factory=list)
    pixel: _Pixel | None = None
    owed: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, name: str, start: float, end: float, apart: float) -> None:
        if self.pixel is not None and start - self.pixel.start < apart:
            self.pixel.end = end
            self.pixel.seconds[name] = self.pixel.seconds.get(name, 0.0) + end - start
            return
        self.close(apart)
        self.pixel = _Pixel(start, end, {name: end - start})

    def close(self, apart: float) -> None:
        """Draw the pixel under the name of which most is owed."""
        pixel = self.pixel
        if pixel is None:
            return
        for name, seconds in pixel.seconds.items():
            self.owed[name] += seconds
        name = max(self.owed, key=self.owed.__getitem__)
        self.owed[name] -= sum(pixel.seconds.values())
        last = self.bars[-1] if self.bars else None
        if last is not None and last.name == name and pixel.start - last.end < apart:
            last.end = pixel.end
        else:
            self.bars.append(Bar(name, self.number, pixel.start, pixel.end))


def thin(bars: Iterable[Bar], *, apart: float) -> list[Bar]:
    """Bars of a figure whose pixels are ``apart`` [s] wide.

    Args:
        bars: of any lanes; those of one lane in the order of their starts, without overlap.
        apart: width of a pixel.
    """
    lanes: dict[int, _Lane] = {}
    for bar in bars:
        lane = lanes.get(bar.lane)
        if lane is None:
            lane = lanes[bar.lane] = _Lane(bar.lane)
        lane.add(bar.name, bar.start, bar.end, apart)
    for lane in lanes.values():
        lane.close(apart)
    return [bar for lane in lanes.values() for bar in lane.bars]
