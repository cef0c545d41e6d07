import json
from dataclasses import replace
from itertools import groupby, pairwise

import pytest
from constant_costs import Costs, constant_cost_program
from programs import Task, build_program

from simdl.engine.run import run
from simdl.errors import SimdlError
from simdl.pipelines import pipeline_order
from simdl.program.action import Work
from simdl.program.program import Stream
from simdl.report.chrome_trace import chrome_trace, write_chrome_trace

REQUIRED = {
    "X": {"name", "ph", "pid", "tid", "ts", "dur", "args"},
    "M": {"name", "ph", "pid", "tid", "args"},
    "C": {"name", "ph", "pid", "tid", "ts", "args"},
    "s": {"name", "ph", "pid", "tid", "ts", "cat", "id"},
    "f": {"name", "ph", "pid", "tid", "ts", "cat", "id", "bp"},
}
RANKS = 3  # of the fixture; processes after them are the links and the critical path


@pytest.fixture
def timeline():
    """Costs that are no whole nanoseconds, and memory that follows the passes."""
    orders = pipeline_order("interleaved-1f1b", 3, 6, 2)
    costs = Costs(forward=1e-3 / 6, input_gradient=1e-3 / 3, weight_gradient=1e-3 / 3, transfer=1e-5 / 6)
    program = constant_cost_program(orders, costs)
    actions = tuple(
        replace(action, acquire=100 * action.acquire, release=100 * action.release)
        if isinstance(action, Work)
        else replace(action, nbytes=5000.0)
        for action in program.actions
    )
    return run(replace(program, actions=actions))


def events(timeline, phase):
    return [event for event in chrome_trace(timeline)["traceEvents"] if event["ph"] == phase]


def test_events_have_the_fields_of_the_format(timeline):
    trace = chrome_trace(timeline)
    assert set(trace) == {"traceEvents", "displayTimeUnit"}
    assert {event["ph"] for event in trace["traceEvents"]} == set(REQUIRED)
    for event in trace["traceEvents"]:
        assert set(event) == REQUIRED[event["ph"]]
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        assert event.get("ts", 0.0) >= 0.0
        assert event.get("dur", 0.0) >= 0.0


def test_every_task_shows_with_its_times_in_microseconds(timeline):
    spans = rank_spans(timeline)
    assert len(spans) == len(timeline.program.tasks)
    for span, task, start, end in zip(
        spans, timeline.program.tasks, timeline.start, timeline.end, strict=True
    ):
        assert span["name"] == task.name
        assert span["ts"] == pytest.approx(start * 1e6, abs=1e-3)
        assert span["dur"] == pytest.approx((end - start) * 1e6, abs=2e-3)
        assert span["args"]["microbatch"] == task.microbatch
        assert sum(span["args"]["parts_us"].values()) == pytest.approx(task.duration * 1e6)


def test_spans_name_their_layers(timeline):
    names = [f"stage {stage}" for stage in range(6)]
    trace = chrome_trace(timeline, layers=names)
    spans = [event for event in trace["traceEvents"] if event["ph"] == "X" and "stage" in event["args"]]
    placed = [span for span in spans if "layers" in span["args"]]
    assert {span["args"]["layers"] for span in placed} == set(names)
    assert all(span["args"]["layers"] == f"stage {span['args']['stage']}" for span in placed)


def test_a_rank_says_how_many_it_stands_for(timeline):
    named = [e for e in chrome_trace(timeline, copies=64)["traceEvents"] if e["name"] == "process_name"]
    assert named[0]["args"]["name"] == "rank 0 (stands for 64 equal ranks)"


def test_arrows_lead_from_every_send_to_the_pass_that_waits_for_it(timeline):
    sends = [span for span in rank_spans(timeline) if span["name"].startswith("send")]
    starts, ends = events(timeline, "s"), events(timeline, "f")
    assert len(starts) == len(ends) == len(sends) > 0
    assert [arrow["id"] for arrow in starts] == [arrow["id"] for arrow in ends]
    assert len({arrow["id"] for arrow in starts}) == len(starts)
    sent = {(span["pid"], span["tid"], span["ts"]): span for span in sends}
    places = {(span["pid"], span["tid"], span["ts"]): span for span in rank_spans(timeline)}
    for first, last in zip(starts, ends, strict=True):
        source = sent[first["pid"], first["tid"], first["ts"]]
        target = places[last["pid"], last["tid"], last["ts"]]
        assert first["pid"] != last["pid"]
        assert source["args"]["microbatch"] == target["args"]["microbatch"]
        assert abs(source["args"]["stage"] - target["args"]["stage"]) == 1
        assert round((source["ts"] + source["dur"]) * 1e3) <= round(target["ts"] * 1e3)


def test_links_show_every_transfer_and_count_its_bandwidth(timeline):
    spans = [span for span in events(timeline, "X") if span["pid"] == RANKS]
    sends = [span for span in rank_spans(timeline) if span["name"].startswith("send")]
    assert sorted(span["ts"] for span in spans) == sorted(span["ts"] for span in sends)
    assert all(span["args"]["bytes"] == 5000.0 for span in spans)
    names = [e["args"]["name"] for e in events(timeline, "M") if e["pid"] == RANKS]
    assert any(name.startswith("rank 0 to rank 1 (") for name in names)
    rates = [e["args"]["bytes_per_s"] for e in events(timeline, "C") if e["name"].startswith("bandwidth")]
    assert max(rates) == pytest.approx(5000.0 / (1e-5 / 6))
    assert min(rates) == 0.0
    assert rates.count(0.0) * 2 == len(rates)


def test_the_critical_path_fills_its_lane_and_is_marked_on_the_ranks(timeline):
    path = [span for span in events(timeline, "X") if span["pid"] == RANKS + 1]
    assert path[0]["ts"] == 0.0
    assert path[-1]["ts"] + path[-1]["dur"] == pytest.approx(timeline.step_time * 1e6, abs=1e-3)
    for first, second in pairwise(path):
        assert round((first["ts"] + first["dur"]) * 1e3) == round(second["ts"] * 1e3)
    marked = [span for span in rank_spans(timeline) if span["args"].get("critical")]
    assert sorted((s["pid"], s["ts"]) for s in marked) == sorted((s["args"]["rank"], s["ts"]) for s in path)


def rank_spans(timeline):
    return [span for span in events(timeline, "X") if span["pid"] < RANKS]


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
    assert len({lane for lane in lanes if lane[0] < RANKS}) == len(timeline.program.streams)


def test_memory_counts_live_bytes(timeline):
    counters = [event for event in events(timeline, "C") if event["pid"] == 2]
    assert counters[0]["args"]["bytes"] == 100.0
    assert counters[-1]["args"]["bytes"] == 0.0
    assert max(event["args"]["bytes"] for event in counters) == 400.0


def test_a_rendezvous_shows_on_all_its_lanes():
    streams = (Stream(0, "collective"), Stream(1, "collective"))
    spans = events(run(build_program(streams=streams, tasks=(Task("meet", (0, 1), 1.0),))), "X")
    assert [(span["pid"], span["args"]) for span in spans if span["pid"] < 2] == [
        (0, {"parts_us": {"meet": 1e6}, "critical": True}),
        (1, {"parts_us": {"meet": 1e6}, "critical": True}),
    ]


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
