"""The events of a Kineto trace: Chrome trace JSON as PyTorch's profiler exports it, plain or compressed.

Only complete events (``"ph": "X"``) matter here; times are microseconds in the file and seconds from here
on. Source: pytorch/kineto, ``libkineto/src/output_json.cpp``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from planner.kineto.facts import ABOUT, product_extents
from readers.errors import InputError
from readers.json_pieces import JsonPieces
from readers.limits import Kind, limit_of
from readers.pieces import read_pieces
from simdl.collector import collector_paused
from simdl.errors import SimdlError
from workloads.importers.json_file import shown

KIND = "a Chrome trace of torch.profiler"
EXPECTED = f"expected {KIND}"
MICRO = 1e-6
LATEST = 1e18
"""[us] of a time, at most: 30,000 years."""
LASTING = 1e12
"""[us] of a duration, at most: eleven days."""
EVENT = 512
"""[bytes] of the text that is taken in for every complete event that is kept; the profiler writes as many."""
LONGEST = 64 * 2**20
"""Characters of one event, or of one value beside the events, at most."""
Lane = tuple[str, str]  # process, thread or stream


class TraceEvent(NamedTuple):
    """One complete event; a trace has up to millions.

    Attributes:
        category: ``"kernel"``, ``"cpu_op"``, ``"user_annotation"``, ...
        name: as written.
        start, end: [s] from the first event of the trace.
        lane: process and thread, on devices process and stream.
        correlation: joins a kernel with the host's call that launched it; 0 for none.
        operator: joins a kernel with the host operator around that call; 0 for none.
    """

    category: str
    name: str
    start: float
    end: float
    lane: Lane
    correlation: int = 0
    operator: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContents:
    """What is read of a trace.

    Attributes:
        events: all complete events in the order of their starts, an outer one before an inner one.
        about: what stands beside the events, of the keys in ``ABOUT``.
        extents: dimensions of what products read, where operators have ``Input Dims``.
    """

    events: tuple[TraceEvent, ...]
    about: Mapping[str, Any]
    extents: frozenset[int]


def load_trace(path: Path) -> TraceContents:
    """A trace, of which no more than one event is held as text at any time.

    Raises:
        SimdlError: not readable, too large, not JSON, cut off, without events, or with broken ones; names
            the place.
    """
    reading = _Reading(path)
    try:
        with collector_paused():
            pieces = read_pieces(path, KIND)
            _read(reading, JsonPieces(pieces, longest=LONGEST, place=path, expected=KIND))
    except InputError as error:
        raise SimdlError(str(error)) from None
    return reading.contents()


class _Reading:
    """A trace being read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about: dict[str, Any] = {}
        self.extents: set[int] = set()
        self.spans: list[TraceEvent] = []
        self.events: int | None = None  # complete or not, None before the list
        self.most = limit_of(Kind.TRACE) // EVENT
        self._names: dict[str, str] = {}
        self._lanes: dict[Lane, Lane] = {}

    def take(self, event: Any) -> None:  # noqa: ANN401 - any JSON value
        """One item of ``traceEvents``."""
        place = self.events or 0
        self.events = place + 1
        if not isinstance(event, dict):
            raise SimdlError(f"{self.path}: traceEvents[{place}]: found no object; {EXPECTED}")
        self.extents.update(product_extents(event))
        if event.get("ph") != "X":
            return
        if len(self.spans) == self.most:
            raise SimdlError(
                f"{self.path}: found more than {self.most:,} complete events; expected at most one to "
                f"{EVENT} bytes that are taken in, or --max-input to take in more"
            )
        span = _span(self.path, place, event)
        name = self._names.setdefault(span.name, span.name)  # equal ones once, as there are few
        category = self._names.setdefault(span.category, span.category)
        lane = self._lanes.setdefault(span.lane, span.lane)
        self.spans.append(span._replace(name=name, category=category, lane=lane))

    def contents(self) -> TraceContents:
        if self.events is None:
            raise SimdlError(f"{self.path}: traceEvents: found no list; {EXPECTED}")
        if not self.events:
            raise SimdlError(f"{self.path}: traceEvents: empty; {EXPECTED}")
        if not self.spans:
            raise SimdlError(f'{self.path}: no complete event ("ph": "X") among {self.events}; {EXPECTED}')
        first = min(span.start for span in self.spans)
        moved = (span._replace(start=span.start - first, end=span.end - first) for span in self.spans)
        ordered = tuple(sorted(moved, key=lambda span: (span.start, -span.end)))
        return TraceContents(events=ordered, about=self.about, extents=frozenset(self.extents))


def _read(reading: _Reading, text: JsonPieces) -> None:
    """Take in the events, which Chrome also reads without the object around them."""
    if text.starts() == "[":
        _read_events(reading, text)
    elif text.starts() == "{":
        for name in text.members():
            if name == "traceEvents" and text.starts() == "[":
                if reading.events is not None:
                    raise SimdlError(f"{reading.path}: traceEvents: stands twice; {EXPECTED}")
                _read_events(reading, text)
            elif name in ABOUT:
                reading.about[name] = text.value()
            else:
                text.value()
    else:
        text.value()
    text.finish()


def _read_events(reading: _Reading, text: JsonPieces) -> None:
    reading.events = 0
    for event in text.items():
        reading.take(event)


def _span(path: Path, place: int, event: dict[str, Any]) -> TraceEvent:
    times = [event.get("ts"), event.get("dur", 0)]
    if not all(_is_time(time, most) for time, most in zip(times, (LATEST, LASTING), strict=True)):
        found = ", ".join(shown(time) for time in times)
        raise SimdlError(
            f"{path}: traceEvents[{place}]: ts and dur are no numbers below {LATEST:g} and {LASTING:g}, "
            f"found {found}; {EXPECTED}"
        )
    start, length = times
    if length < 0:
        raise SimdlError(
            f"{path}: traceEvents[{place}]: dur: found {shown(length)}; expected at least 0 microseconds"
        )
    args = event.get("args")
    args = args if isinstance(args, dict) else {}
    return TraceEvent(
        category=str(event.get("cat", "")).lower(),
        name=str(event.get("name", "")),
        start=start * MICRO,
        end=(start + length) * MICRO,
        lane=(str(event.get("pid", "")), str(event.get("tid", ""))),
        correlation=_number(args.get("correlation")),
        operator=_number(args.get("External id")),
    )


def _is_time(found: object, most: float) -> bool:
    """Whether this is a number of microseconds; infinity and what is no number are none."""
    return isinstance(found, int | float) and not isinstance(found, bool) and abs(found) < most


def _number(found: object) -> int:
    """A number that joins events; older versions write it as text."""
    if isinstance(found, str) and found.isdigit():
        return int(found)
    return found if isinstance(found, int) else 0
