"""Traces for Holistic Trace Analysis: what it asks of a file, checked without it."""

import json
from itertools import groupby, pairwise

import pytest
from builders import build_cluster, build_stack, build_workload

from simdl.errors import SimdlError
from simdl.report.chrome_trace_hta import hta_traces, write_hta_traces
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy


@pytest.fixture(scope="module")
def timeline():
    stack = build_stack(pipeline_overlap=True)
    return simulate(build_workload(), build_cluster(), Strategy(dp=4, pp=2), stack=stack).timeline


@pytest.fixture(scope="module")
def traces(timeline):
    return hta_traces(timeline)


def of_category(trace, category):
    return [event for event in trace["traceEvents"] if event["cat"] == category]


def test_every_rank_has_a_file_that_names_it(traces):
    assert list(traces) == [0, 1]
    for rank, trace in traces.items():
        assert trace["distributedInfo"] == {"backend": "nccl", "rank": rank, "world_size": 2}


def test_events_have_the_fields_that_hta_reads(traces):
    for trace in traces.values():
        for event in trace["traceEvents"]:
            assert set(event) == {"ph", "cat", "name", "pid", "tid", "ts", "dur", "args"}
            assert event["ph"] == "X"
            assert all(isinstance(event[key], int) for key in ("pid", "tid", "ts", "dur"))
            assert event["dur"] >= 0
        for kernel in of_category(trace, "kernel"):
            assert kernel["args"]["stream"] > 0
            assert kernel["args"]["correlation"] > 0


def test_three_steps_remain_when_the_last_is_dropped(traces, timeline):
    for trace in traces.values():
        steps = of_category(trace, "user_annotation")
        assert [step["name"] for step in steps] == [f"ProfilerStep#{number}" for number in range(4)]
        assert all(a["ts"] + a["dur"] == b["ts"] for a, b in pairwise(steps))
        assert steps[0]["dur"] == pytest.approx(timeline.step_time * 1e6, abs=1)


def test_every_kernel_is_launched_by_one_call_within_its_step(traces):
    for trace in traces.values():
        calls = {call["args"]["correlation"]: call for call in of_category(trace, "cuda_runtime")}
        kernels = of_category(trace, "kernel")
        assert len(calls) == len(kernels) == len({kernel["args"]["correlation"] for kernel in kernels})
        steps = of_category(trace, "user_annotation")
        for kernel in kernels:
            call = calls[kernel["args"]["correlation"]]
            assert call["ts"] <= kernel["ts"]
            assert any(step["ts"] <= call["ts"] < step["ts"] + step["dur"] for step in steps)


def test_all_work_of_the_timeline_is_there_and_communication_has_names_of_nccl(traces, timeline):
    kernels = [kernel for trace in traces.values() for kernel in of_category(trace, "kernel")]
    assert len(kernels) == 4 * len(timeline.program.tasks)
    sends = sum(1 for task in timeline.program.tasks if task.nbytes)
    assert sum(1 for kernel in kernels if kernel["name"].startswith("ncclDevKernel_")) == 4 * sends > 0


def test_lanes_never_overlap(traces):
    for trace in traces.values():
        spans = [event for event in trace["traceEvents"] if event["cat"] != "user_annotation"]
        spans.sort(key=lambda span: (span["pid"], span["tid"], span["ts"], span["dur"]))
        for _, lane in groupby(spans, key=lambda span: (span["pid"], span["tid"])):
            assert all(a["ts"] + a["dur"] <= b["ts"] for a, b in pairwise(lane))


def test_files_are_the_traces(timeline, traces, tmp_path):
    write_hta_traces(timeline, tmp_path / "hta")
    assert sorted(path.name for path in (tmp_path / "hta").iterdir()) == ["rank_0.json", "rank_1.json"]
    text = (tmp_path / "hta" / "rank_1.json").read_text()
    assert json.loads(text) == traces[1]
    assert '"rank": 1' in text


def test_a_directory_that_cannot_be_made_is_refused(timeline, tmp_path):
    with pytest.raises(SimdlError, match="cannot write the traces: No such file or directory"):
        write_hta_traces(timeline, tmp_path / "nowhere" / "hta")


def test_ranks_of_an_earlier_job_are_removed_and_nothing_else(timeline, tmp_path):
    for name in ("rank_0.json", "rank_2.json", "rank_13.json", "rank_2.json.gz", "notes.txt", "rank_x.json"):
        (tmp_path / name).write_text("earlier")
    write_hta_traces(timeline, tmp_path)
    left = {path.name: path.read_text() == "earlier" for path in tmp_path.iterdir()}
    assert left == {
        "rank_0.json": False,
        "rank_1.json": False,
        "rank_2.json.gz": True,
        "notes.txt": True,
        "rank_x.json": True,
    }


def test_an_earlier_job_is_kept_whole_if_writing_fails(timeline, tmp_path):
    for rank in (0, 2):
        (tmp_path / f"rank_{rank}.json").write_text("earlier")
    (tmp_path / "rank_1.json").mkdir()
    with pytest.raises(SimdlError, match=r"rank_1\.json: cannot write the trace: Is a directory"):
        write_hta_traces(timeline, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rank_0.json", "rank_1.json", "rank_2.json"]
    assert all((tmp_path / f"rank_{rank}.json").read_text() == "earlier" for rank in (0, 2))


def test_an_earlier_rank_that_cannot_be_removed_is_named(timeline, tmp_path):
    (tmp_path / "rank_2.json").mkdir()
    with pytest.raises(SimdlError, match=r"rank_2\.json: cannot remove a rank of an earlier trace"):
        write_hta_traces(timeline, tmp_path)
