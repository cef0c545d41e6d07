"""What the engine refuses to run: one message with place, found and expected."""

import math
from array import array
from dataclasses import replace

import pytest

from simdl.engine.run import run
from simdl.errors import SimdlError
from simdl.program.action import Cause, Load, Purpose, Transfer, Work
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel, Lane, RankClass, Stream

WORK = Work(purpose=Purpose.FORWARD, parts=((Cause.FORWARD, 1.0),), stage=2)
SEND = Transfer(
    purpose=Purpose.SEND_ACTIVATION,
    cause=Cause.PIPELINE,
    operation=None,
    ranks=2,
    nbytes=1.0,
    duration=1.0,
    loads=(Load(0, 0.5),),
    footprint=0.1,
    stage=2,
)
CLASSES = RankClass(stage=6), RankClass(stage=7)


def program(work=WORK, send=SEND, classes=CLASSES, bandwidth=1e9):
    """A pass, another one after it, and the send of its result."""
    streams = [Stream(rank, lane) for rank in range(2) for lane in (Lane.COMPUTE, Lane.SEND_FORWARD)]
    builder = ProgramBuilder(classes, streams)
    builder.channel(Channel(name="port 0 out", bandwidth=bandwidth))
    first = builder.add(builder.action(work), 0)
    second = builder.add(builder.action(work), 0, (first,), microbatch=3)
    builder.add(builder.action(send), 1, (second,))
    return builder.program()


def refused(faulty):
    with pytest.raises(SimdlError) as caught:
        run(faulty)
    return str(caught.value)


def test_the_program_of_these_tests_runs():
    assert run(program()).step_time == 3.0


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_a_duration_that_is_no_time(seconds):
    message = refused(program(work=replace(WORK, parts=((Cause.FORWARD, seconds),))))
    assert message == (
        f"program: action 0 'forward' (stage 2): duration: found {seconds}; "
        "expected finite seconds, at least 0"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duration": -2.0}, "duration: found -2.0; expected finite seconds, at least 0"),
        ({"footprint": 1.5}, "footprint: found 1.5; expected a fraction, 0 to 1"),
        ({"footprint": math.nan}, "footprint: found nan; expected a fraction, 0 to 1"),
        ({"loads": (Load(0, 0.0),)}, "share of channel 0: found 0.0; expected above 0, at most 1"),
        ({"loads": (Load(0, 1.5),)}, "share of channel 0: found 1.5; expected above 0, at most 1"),
        ({"loads": (Load(1, 0.5),)}, "channel: found 1; expected 0 to 0"),
        ({"loads": (Load(0, 0.5), Load(0, 0.2))}, "channels: found [0, 0]; expected each once"),
    ],
)
def test_a_transfer_that_cannot_be(changes, message):
    assert refused(program(send=replace(SEND, **changes))) == (
        f"program: action 1 'send activation' (stage 2): {message}"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "count: found 0; expected at least 1 rank"),
        ({"speed": 0.0}, "speed: found 0.0; expected a number above 0"),
        ({"speed": math.inf}, "speed: found inf; expected a number above 0"),
    ],
)
def test_a_class_without_ranks_or_speed(changes, message):
    classes = (RankClass(stage=6), RankClass(stage=7, **changes))
    assert refused(program(classes=classes)) == f"program: class 1 (stage 7): {message}"


def test_a_stream_of_no_class():
    assert refused(program(classes=(RankClass(stage=6),))).startswith(
        "program: stream 2 (compute): rank: found 1; expected 0 to 0"
    )


def test_a_channel_without_bandwidth():
    assert refused(program(bandwidth=0.0)) == (
        "program: channel 0 (port 0 out): bandwidth: found 0.0; expected finite bytes/s above 0"
    )


@pytest.mark.parametrize(
    ("column", "index", "message"),
    [
        ("stream", 4, "stream: found 4; expected 0 to 3"),
        ("stream", -1, "stream: found -1; expected 0 to 3"),
        ("befores", 3, "after: found 3; expected 0 to 2"),
        ("befores", -1, "after: found -1; expected 0 to 2"),
    ],
)
def test_an_index_outside(column, index, message):
    faulty = program()
    place = 0 if column == "befores" else 1
    getattr(faulty, column)[place] = index
    assert refused(faulty) == f"program: task 1 'forward' (microbatch 3, stage 2): {message}"


def test_an_action_outside():
    faulty = program()
    faulty.action[1] = 2
    assert refused(faulty) == "program: task 1: action: found 2; expected 0 to 1"


@pytest.mark.parametrize("streams", [(0, 0), (0, 4), (1, 0), ()])
def test_a_rendezvous_of_other_streams_than_its_own(streams):
    assert refused(replace(program(), held={1: streams})) == (
        f"program: task 1 'forward' (microbatch 3, stage 2): streams: found {streams}; "
        "expected each once, 0 to 3, the task's own 0 first"
    )


def test_a_rendezvous_of_no_task():
    assert refused(replace(program(), held={3: (0, 2)})) == "program: held: found task 3; expected 0 to 2"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stream": array("i", [0])}, "column stream: found 1 entries; expected 3 for 3 tasks"),
        ({"microbatch": array("i")}, "column microbatch: found 0 entries; expected 3 for 3 tasks"),
        ({"starts": array("i", [0, 2])}, "column starts: found 2 entries; expected 4 for 3 tasks"),
        ({"starts": array("i", [0, 2, 1, 2])}, "column starts: expected numbers that rise from 0 to 2"),
        ({"starts": array("i", [0, 0, 1, 1])}, "column starts: expected numbers that rise from 0 to 2"),
    ],
)
def test_columns_that_do_not_fit(changes, message):
    assert refused(replace(program(), **changes)) == f"program: {message}"


def test_faults_are_reported_together_and_the_first_few_of_many():
    classes = tuple(RankClass(stage=rank, count=0, speed=-1.0) for rank in range(4))
    message = refused(program(classes=classes))
    assert message.count("expected") == 5
    assert message.endswith("; and 3 more")
