"""Every trace file that `simdl simulate` writes keeps its schema, and no lane runs two things at once."""

import json
from collections import defaultdict
from itertools import pairwise

import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from trace_schema import ChromeTrace, HtaTrace

from planner.commands.simulate import simulate

GPT2 = ("gpt2", "--cluster", "dgx-a100:1", "--global-batch", "32")
STEPS = {
    "one device": ("lenet5", "--cluster", "cpu-node:1", "--dp", "4", "--global-batch", "64"),
    "data": GPT2,
    "sharded": (*GPT2, "--zero", "3", "--stack", "torchtitan"),
    "tensor": (*GPT2, "--tp", "4", "--sequence-parallel", "--recompute", "full"),
    "context": (*GPT2, "--cp", "2"),
    "gpipe": (*GPT2, "--pp", "4", "--schedule", "gpipe", "--stack", "torchtitan"),
    "interleaved": (*GPT2, "--pp", "2", "--schedule", "interleaved-1f1b", "--virtual-stages", "2"),
    "sharded pipeline": (*GPT2, "--pp", "2", "--zero", "1", "--stack", "megatron-bridge-2025"),
}


def traces(directory, arguments, form):
    """The trace files of a step, by name."""
    target = directory / "trace"
    result = CliRunner().invoke(simulate, [*arguments, "--trace", str(target), "--format", form])
    assert result.exit_code == 0, result.stderr
    files = sorted(target.iterdir()) if form == "hta" else [target]
    return {path.name: path.read_text(encoding="utf-8") for path in files}


def overlaps(spans, times):
    """Neighbours of one lane of which the first ends after the second begins."""
    lanes = defaultdict(list)
    for span in spans:
        lanes[span.pid, span.tid].append(tuple(round(time * 1e3) for time in times(span)))
    return [pair for lane in lanes.values() for pair in pairwise(sorted(lane)) if pair[0][1] > pair[1][0]]


def ends(span):
    return span.ts, span.ts + span.dur


@pytest.mark.parametrize("arguments", STEPS.values(), ids=STEPS)
def test_a_chrome_trace_keeps_the_schema_and_its_lanes(arguments, tmp_path):
    (text,) = traces(tmp_path, arguments, "chrome").values()
    trace = ChromeTrace.model_validate_json(text)
    spans = [event for event in trace.traceEvents if event.ph == "X"]
    assert overlaps(spans, ends) == []
    named = {(event.pid, event.tid) for event in trace.traceEvents if event.name == "thread_name"}
    assert {(span.pid, span.tid) for span in spans} <= named
    assert any(span.args.critical for span in spans)
    assert any(span.args.layers for span in spans)


@pytest.mark.parametrize("arguments", STEPS.values(), ids=STEPS)
def test_traces_for_hta_keep_the_schema_and_their_lanes(arguments, tmp_path):
    files = traces(tmp_path, arguments, "hta")
    for name, text in files.items():
        trace = HtaTrace.model_validate_json(text)
        assert name == f"rank_{trace.distributedInfo.rank}.json"
        assert trace.distributedInfo.world_size == len(files)
        steps = [event for event in trace.traceEvents if event.cat == "user_annotation"]
        assert len(steps) >= 3
        assert overlaps([event for event in trace.traceEvents if event.cat != "user_annotation"], ends) == []
        assert overlaps(steps, ends) == []


def test_the_schema_refuses_what_is_not_in_it(tmp_path):
    (text,) = traces(tmp_path, STEPS["data"], "chrome").values()
    for key, value in (("ts", -1.0), ("ts", "0"), ("colour", "red"), ("dur", None)):
        data = json.loads(text)
        span = next(event for event in data["traceEvents"] if event["ph"] == "X")
        span[key] = value
        with pytest.raises(ValidationError):
            ChromeTrace.model_validate(data)
