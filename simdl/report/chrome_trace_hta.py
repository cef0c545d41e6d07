"""Traces for Holistic Trace Analysis: one file per rank, as PyTorch's profiler (Kineto) would write it.

HTA reads complete events of category ``kernel`` with a stream and a correlation number, the host call of the
same number (``cuda_runtime``), and steps marked ``ProfilerStep#N`` on the host; it drops the last step, so
the simulated step is repeated until three remain. It tells communication by names that begin with ``nccl``
and end in ``Kernel``, and rounds to whole microseconds, which is done here so that no lanes overlap.
Host calls take no time: the simulator has no host lane. Source: facebookresearch/HolisticTraceAnalysis,
``hta/common/trace.py`` and ``hta/utils/utils.py``.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simdl.atomic_write import write_together
from simdl.engine.timeline import Timeline
from simdl.errors import SimdlError
from simdl.program.program import Task

Event = dict[str, Any]
STEPS = 4
HOST = 1_000_000  # process number of rank 0's host; devices have the number of their rank
SCHEMA_VERSION = 1
FILE = "rank_{rank}.json"
RANK_FILE = re.compile(r"rank_[0-9]+\.json")


def hta_traces(timeline: Timeline, *, steps: int = STEPS) -> dict[int, dict[str, Any]]:
    """Per rank a JSON-ready object with ``steps`` copies of the step one after another."""
    ranks = sorted({stream.rank for stream in timeline.program.streams})
    return {
        rank: {
            "schemaVersion": SCHEMA_VERSION,
            "distributedInfo": {"backend": "nccl", "rank": rank, "world_size": len(ranks)},
            "traceEvents": [event for step in range(steps) for event in _step(timeline, rank, step)],
        }
        for rank in ranks
    }


def write_hta_traces(timeline: Timeline, directory: Path) -> None:
    """Write one file per rank, ``rank_N.json``, into a directory that is created if it is missing.

    HTA reads all files of a directory as one job, so those of an earlier one are removed, but not before the
    new ones are in place.

    Raises:
        SimdlError: the directory cannot be created or written to.
    """
    try:
        directory.mkdir(exist_ok=True)
    except OSError as error:
        message = f"{directory}: cannot write the traces: {error.strerror}; expected a writable directory"
        raise SimdlError(message) from error
    traces = {directory / FILE.format(rank=rank): trace for rank, trace in hta_traces(timeline).items()}
    # with spaces: HTA searches the text for the rank, by `"rank": `
    write_together(((path, json.dumps(trace)) for path, trace in traces.items()), what="trace")
    _remove_others(directory, set(traces))


def _remove_others(directory: Path, kept: set[Path]) -> None:
    for path in directory.iterdir():
        if RANK_FILE.fullmatch(path.name) and path not in kept:
            try:
                path.unlink()
            except OSError as error:
                message = f"{path}: cannot remove a rank of an earlier trace: {error.strerror}"
                raise SimdlError(
                    f"{message}; expected none, because HTA would read it as one of this"
                ) from error


def _step(timeline: Timeline, rank: int, step: int) -> Iterator[Event]:
    period = round(timeline.step_time * 1e6)
    first = step * period
    host = HOST + rank
    yield {
        "ph": "X",
        "cat": "user_annotation",
        "name": f"ProfilerStep#{step}",
        "pid": host,
        "tid": 0,
        "ts": first,
        "dur": period,
        "args": {},
    }
    program = timeline.program
    for index, task in enumerate(program.tasks):
        for stream in task.streams:
            if program.streams[stream].rank != rank:
                continue
            begin, end = (first + round(time * 1e6) for time in (timeline.start[index], timeline.end[index]))
            # Correlation numbers start at one: HTA takes zero for none, and stream zero for the host.
            link = {"correlation": 1 + step * len(program) + index}
            yield _event(
                "cuda_runtime", "cudaLaunchKernel", host, stream + 1, ts=min(begin, first + period - 1), dur=0
            ) | {"args": link}
            args = {**link, "stream": stream + 1, "device": rank, **_place(task)}
            kernel = _event("kernel", _kernel_name(task), rank, stream + 1, ts=begin, dur=end - begin)
            yield kernel | {"args": args}


def _event(category: str, name: str, process: int, thread: int, *, ts: int, dur: int) -> Event:
    return {"ph": "X", "cat": category, "name": name, "pid": process, "tid": thread, "ts": ts, "dur": dur}


def _kernel_name(task: Task) -> str:
    return f"ncclDevKernel_{task.name.replace(' ', '_')}" if task.nbytes else task.name


def _place(task: Task) -> Event:
    return {"microbatch": task.microbatch, "stage": task.stage} if task.microbatch >= 0 else {}
