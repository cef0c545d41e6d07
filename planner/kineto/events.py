"""The events of a Kineto trace: Chrome trace JSON as PyTorch's profiler exports it, plain or compressed.

Only complete events (``"ph": "X"``) matter here; times are microseconds in the file and seconds from here
on. Source: pytorch/kineto, ``libkineto/src/output_json.cpp``.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from simdl.errors import SimdlError
from workloads.importers.json_file import shown

EXPECTED = "expected a Chrome trace of torch.profiler"
MICRO = 1e-6
LATEST = 1e18
"""[us] of a time, at most: 30,000 years."""
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


def load_trace(path: Path) -> tuple[TraceEvent, ...]:
    """All complete events of a trace in the order of their starts, an outer one before an inner one.

    Raises:
        SimdlError: not readable, not JSON, cut off, or without events; names the place.
    """
    return trace_events(path, read_trace(path))


def trace_events(path: Path, data: Any) -> tuple[TraceEvent, ...]:  # noqa: ANN401 - any JSON value
    """The events of a trace that was read, as `load_trace` has them.

    Raises:
        SimdlError: no events, or broken ones; names the place.
    """
    found = _events(path, data)
    spans = list(_spans(path, found))
    if not spans:
        raise SimdlError(f'{path}: no complete event ("ph": "X") among {len(found)}; {EXPECTED}')
    first = min(span.start for span in spans)
    moved = (span._replace(start=span.start - first, end=span.end - first) for span in spans)
    return tuple(sorted(moved, key=lambda span: (span.start, -span.end)))


def read_trace(path: Path) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON of a trace.

    Raises:
        SimdlError: not readable, not JSON or cut off.
    """
    try:
        data = path.read_bytes()
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        return json.loads(text)
    except OSError as error:
        raise SimdlError(f"{path}: {error.strerror or error}; {EXPECTED}") from error
    except (EOFError, zlib.error) as error:
        raise SimdlError(f"{path}: cut off or damaged ({error}); {EXPECTED}") from error
    except RecursionError:
        raise SimdlError(f"{path}: nested too deeply to be read; {EXPECTED}") from None
    except ValueError as error:  # no JSON, no text, or numbers too long to be read
        reason = str(error).partition("; use sys.")[0]
        raise SimdlError(f"{path}: not JSON, or cut off ({reason}); {EXPECTED}") from error


def _events(path: Path, data: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
    """The list of events, which Chrome also takes without the object around it."""
    events = data.get("traceEvents") if isinstance(data, dict) else data
    if not isinstance(events, list):
        raise SimdlError(f"{path}: traceEvents: found no list; {EXPECTED}")
    if not events:
        raise SimdlError(f"{path}: traceEvents: empty; {EXPECTED}")
    return events


def _spans(path: Path, events: list[Any]) -> Iterator[TraceEvent]:
    for place, event in enumerate(events):
        if not isinstance(event, dict):
            raise SimdlError(f"{path}: traceEvents[{place}]: found no object; {EXPECTED}")
        if event.get("ph") == "X":
            yield _span(path, place, event)


def _span(path: Path, place: int, event: dict[str, Any]) -> TraceEvent:
    times = [event.get("ts"), event.get("dur", 0)]
    if not all(
        isinstance(time, int | float) and not isinstance(time, bool) and abs(time) < LATEST for time in times
    ):
        found = ", ".join(shown(time) for time in times)
        raise SimdlError(
            f"{path}: traceEvents[{place}]: ts and dur are no numbers below {LATEST:g}, found {found}; "
            f"{EXPECTED}"
        )
    start, length = times
    args = event.get("args")
    args = args if isinstance(args, dict) else {}
    return TraceEvent(
        category=str(event.get("cat", "")).lower(),
        name=str(event.get("name", "")),
        start=start * MICRO,
        end=(start + max(length, 0)) * MICRO,
        lane=(str(event.get("pid", "")), str(event.get("tid", ""))),
        correlation=_number(args.get("correlation")),
        operator=_number(args.get("External id")),
    )


def _number(found: object) -> int:
    """A number that joins events; older versions write it as text."""
    if isinstance(found, str) and found.isdigit():
        return int(found)
    return found if isinstance(found, int) else 0
