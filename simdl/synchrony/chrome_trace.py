"""Chrome trace of a training: one lane per worker, its computations and exchanges with their staleness."""

import json
from pathlib import Path
from typing import Any

from simdl.atomic_write import write_atomically
from simdl.report.chrome_trace_links import LANES, name_event, nanoseconds
from simdl.synchrony.outcome import Outcome


def training_trace(outcome: Outcome) -> dict[str, Any]:
    """The trace as a JSON-ready object; ``ts`` and ``dur`` in microseconds, whole nanoseconds."""
    events = [name_event("process", f"workers, {outcome.scheme}", 0)]
    workers = sorted({span.worker for span in outcome.spans})
    events += [name_event("thread", f"worker {worker}", 0, LANES + worker) for worker in workers]
    for span in outcome.spans:
        start, end = nanoseconds(span.start), nanoseconds(span.end)
        events.append(
            {
                "ph": "X",
                "name": span.name,
                "pid": 0,
                "tid": LANES + span.worker,
                "ts": start / 1e3,
                "dur": (end - start) / 1e3,
                "args": {"step": span.step, "staleness": span.staleness, "unit": outcome.staleness_unit},
            }
        )
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def write_training_trace(outcome: Outcome, path: Path) -> None:
    """Write :func:`training_trace` as a whole or not at all.

    Raises:
        SimdlError: the directory is missing or not writable.
    """
    write_atomically(path, json.dumps(training_trace(outcome), separators=(",", ":")), what="trace")
