"""Execution traces of MLCommons Chakra: what is written is read again, by the schema; broken files."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.overlays.chakra_file import load_chakra, measure_chakra
from planner.questions.question import Options, load_question
from simdl.errors import SimdlError
from simdl.report.chakra_trace import NodeType, chakra_traces, write_chakra_traces
from simdl.report.protobuf_wire import (
    bytes_field,
    number_field,
    packed_field,
    read_fields,
    read_packed,
    varint,
)
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy


@pytest.fixture(scope="module")
def timeline():
    question = load_question(Options(model="gpt2", cluster="dgx-a100:1", global_batch=32))
    strategy = Strategy(dp=2, tp=2, pp=2, micro_batch=2)
    return simulate(question.workload, question.cluster, strategy, stack=question.stack).timeline


def message(number, *, kind=4, waits=(), micros=1, name="aten::mm"):
    data = number_field(1, number) + bytes_field(2, name) + number_field(3, kind)
    data += packed_field(5, waits) + number_field(7, micros)
    return varint(len(data)) + data


def written(folder, *messages):
    about = bytes_field(1, "1.0.0")
    path = folder / "step.0.et"
    path.write_bytes(varint(len(about)) + about + b"".join(messages))
    return path


@pytest.mark.theory
def test_numbers_are_written_as_the_encoding_says():
    # protobuf.dev, "Encoding": field 1 of 150, field 2 of "testing", a packed field 6 of 3, 270, 86942
    assert number_field(1, 150) == bytes.fromhex("089601")
    assert bytes_field(2, "testing") == bytes.fromhex("120774657374696e67")
    assert packed_field(6, (3, 270, 86942)) == bytes.fromhex("3206038e029ea705")


@pytest.mark.property
@given(st.lists(st.integers(0, 2**64 - 1)))
def test_packed_numbers_are_read_again(values):
    assert list(read_packed(b"".join(map(varint, values)))) == values
    assert list(read_fields(packed_field(5, values))) == [(5, b"".join(map(varint, values)))] * bool(values)


def test_a_simulated_step_is_read_again(timeline, tmp_path):
    write_chakra_traces(timeline, tmp_path / "traces")
    files = sorted((tmp_path / "traces").iterdir())
    assert [file.name for file in files] == ["step.0.et", "step.1.et"]
    for rank, file in enumerate(files):
        nodes = load_chakra(file)
        own = [node for node in nodes if node.number < len(timeline.program)]
        for node in own:
            seconds = timeline.end[node.number] - timeline.start[node.number]
            assert node.seconds == pytest.approx(seconds, abs=1e-12)
            assert rank in {
                timeline.program.streams[s].rank for s in timeline.program.streams_of(node.number)
            }
        numbers = {node.number for node in nodes}
        assert all(set(node.waits) <= numbers for node in nodes)
    assert measure_chakra(files[0]).steps[0].end == pytest.approx(timeline.step_time)


def test_a_message_is_sent_on_one_rank_and_received_on_the_other(timeline, tmp_path):
    kinds = []
    for rank, data in chakra_traces(timeline).items():
        path = tmp_path / f"{rank}.et"
        path.write_bytes(data)
        found = [node.type for node in load_chakra(path)]
        kinds.append((found.count(NodeType.SEND), found.count(NodeType.RECEIVE)))
    assert kinds[0] == kinds[1][::-1]
    assert min(kinds[0]) > 0


def test_nodes_without_times_run_when_what_they_wait_for_has_ended(tmp_path):
    path = written(
        tmp_path,
        message(0, micros=5),
        message(1, kind=7, waits=(0,), micros=7, name="all_reduce"),
        message(2, micros=4),
        message(3, waits=(1, 2), micros=1),
    )
    (step,) = measure_chakra(path).steps
    assert step.seconds == pytest.approx(13e-6)
    assert step.kinds["communication"] == pytest.approx(3e-6)  # four of seven are hidden
    assert step.kinds["matmul"] == pytest.approx(10e-6)


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ((), "found no nodes"),
        ((message(0)[:-2],), "cut off at byte"),
        ((message(0, waits=(1,)), message(1, waits=(0,))), "waits for itself in the end"),
        ((message(0, kind=1),), "nothing runs"),
        ((message(0, micros=0),), "take no time"),
        ((message(0, micros=2**63),), "takes 9.22337e"),
    ],
)
def test_broken_traces_are_one_message(messages, said, tmp_path):
    path = written(tmp_path, *messages)
    with pytest.raises(SimdlError, match=said) as caught:
        measure_chakra(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "expected" in str(caught.value)


@pytest.mark.property
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mutated_trace_is_a_step_or_one_refusal(data, timeline, tmp_path):
    content = bytearray(chakra_traces(timeline)[0])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "step.0.et"
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        answer = measure_chakra(path).steps
    except SimdlError as error:
        answer = str(error)
    assert answer
