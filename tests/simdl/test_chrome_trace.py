import json
from itertools import groupby, pairwise

import pytest

from simdl.chrome_trace import chrome_trace, write_chrome_trace
from simdl.engine import run
from simdl.errors import SimdlError
from simdl.pipelines import pipeline_order
from simdl.pipelines.constant_costs import constant_cost_schedule
from simdl.task import Schedule, Stream, Task

REQUIRED = {
    "X": {"name", "ph", "pid", "tid", "ts", "dur", "args"},
    "M": {"name", "ph", "pid", "tid", "args"},
    "C": {"name", "ph", "pid", "tid", "ts", "args"},
}


@pytest.fixture
def timeline():
    """Costs that are no whole nanoseconds, and memory that follows the passes."""
    orders = pipeline_order("interleaved-1f1b", 3, 6, 2)
    schedule = constant_cost_schedule(orders, forward=1e-3 / 6, backward=2e-3 / 3, transfer=1e-5 / 6)
    tasks = tuple(
        task._replace(acquire=100.0 * (task.name == "forward"), release=100.0 * (task.name == "backward"))
        for task in schedule.tasks
    )
    return run(Schedule(streams=schedule.streams, tasks=tasks))


def events(timeline, phase):
    return [event for event in chrome_trace(timeline)["traceEvents"] if event["ph"] == phase]


def test_events_have_the_fields_of_the_format(timeline):
    trace = chrome_trace(timeline)
    assert set(trace) == {"traceEvents", "displayTimeUnit"}
    for event in trace["traceEvents"]:
        assert set(event) == REQUIRED[event["ph"]]
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        assert event.get("ts", 0.0) >= 0.0
        assert event.get("dur", 0.0) >= 0.0


def test_every_task_shows_with_its_times_in_microseconds(timeline):
    spans = events(timeline, "X")
    assert len(spans) == len(timeline.schedule.tasks)
    for span, task, start, end in zip(
        spans, timeline.schedule.tasks, timeline.start, timeline.end, strict=True
    ):
        assert span["name"] == task.name
        assert span["ts"] == pytest.approx(start * 1e6, abs=1e-3)
        assert span["dur"] == pytest.approx((end - start) * 1e6, abs=2e-3)
        assert span["args"]["microbatch"] == task.microbatch
        assert sum(span["args"]["parts_us"].values()) == pytest.approx(task.duration * 1e6)


def test_lanes_never_overlap(timeline):
    def lane(span):
        return span["pid"], span["tid"]

    for _, group in groupby(
        sorted(events(timeline, "X"), key=lambda span: (lane(span), span["ts"])), key=lane
    ):
        spans = list(group)
        for first, second in pairwise(spans):
            assert round(first["ts"] * 1e3) + round(first["dur"] * 1e3) <= round(second["ts"] * 1e3)


def test_ranks_and_streams_are_named(timeline):
    names = {(e["name"], e["pid"], e["args"]["name"]) for e in events(timeline, "M") if "name" in e["args"]}
    assert {("process_name", rank, f"rank {rank}") for rank in range(3)} <= names
    assert ("thread_name", 2, "compute") in names
    lanes = [(e["pid"], e["tid"]) for e in events(timeline, "M") if e["name"] == "thread_name"]
    assert len(set(lanes)) == len(timeline.schedule.streams)


def test_memory_counts_live_bytes(timeline):
    counters = [event for event in events(timeline, "C") if event["pid"] == 2]
    assert counters[0]["args"]["bytes"] == 100.0
    assert counters[-1]["args"]["bytes"] == 0.0
    assert max(event["args"]["bytes"] for event in counters) == 400.0


def test_a_rendezvous_shows_on_all_its_lanes():
    streams = (Stream(0, "collective"), Stream(1, "collective"))
    spans = events(run(Schedule(streams=streams, tasks=(Task("meet", (0, 1), 1.0),))), "X")
    assert [(span["pid"], span["args"]) for span in spans] == [(0, {}), (1, {})]


def test_the_file_is_the_trace(timeline, tmp_path):
    path = tmp_path / "trace.json"
    path.write_text("old", encoding="utf-8")
    write_chrome_trace(timeline, path)
    assert json.loads(path.read_text(encoding="utf-8")) == chrome_trace(timeline)
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_directory_is_refused(timeline, tmp_path):
    path = tmp_path / "nowhere" / "trace.json"
    with pytest.raises(
        SimdlError, match=r"trace\.json: cannot write the trace: No such file or directory; expected"
    ):
        write_chrome_trace(timeline, path)


def test_a_directory_in_place_of_the_file_is_refused_and_nothing_is_left(timeline, tmp_path):
    with pytest.raises(SimdlError, match="cannot write the trace: Is a directory"):
        write_chrome_trace(timeline, tmp_path)
    assert not list(tmp_path.iterdir())
    assert not list(tmp_path.parent.glob(".*partial"))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(timeline, tmp_path, monkeypatch):
    path = tmp_path / "trace.json"
    path.write_text("old", encoding="utf-8")

    def full(_self, _target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(SimdlError, match="No space left on device"):
        write_chrome_trace(timeline, path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]
