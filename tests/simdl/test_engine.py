import math

import pytest

from programs import Task, build_program

from simdl.engine.run import run
from simdl.errors import DeadlockError, SimdlError
from simdl.program.program import RankClass, Stream

STREAMS = (Stream(0, "compute"), Stream(0, "collective"), Stream(1, "compute"))


def times(*tasks):
    timeline = run(build_program(streams=STREAMS, tasks=tasks))
    return list(zip(timeline.start, timeline.end, strict=True))


def test_an_empty_program_takes_no_time():
    assert run(build_program(streams=STREAMS, tasks=())).step_time == 0.0


def test_a_stream_runs_its_tasks_in_order():
    assert times(Task("a", (0,), 1.0), Task("b", (0,), 2.0)) == [(0.0, 1.0), (1.0, 3.0)]


def test_streams_overlap():
    assert times(Task("a", (0,), 1.0), Task("b", (1,), 2.0)) == [(0.0, 1.0), (0.0, 2.0)]


def test_a_blocked_head_blocks_its_stream():
    blocked = Task("blocked", (0,), 1.0, after=(2,))
    behind = Task("behind", (0,), 1.0)
    assert times(blocked, behind, Task("slow", (1,), 5.0)) == [(5.0, 6.0), (6.0, 7.0), (0.0, 5.0)]


def test_after_may_point_forward():
    assert times(Task("a", (0,), 1.0, after=(1,)), Task("b", (1,), 2.0)) == [(2.0, 3.0), (0.0, 2.0)]


def test_a_rendezvous_waits_for_all_its_streams_and_holds_them():
    tasks = (Task("a", (0,), 1.0), Task("b", (2,), 3.0), Task("meet", (0, 2), 1.0), Task("c", (0,), 1.0))
    assert times(*tasks) == [(0.0, 1.0), (0.0, 3.0), (3.0, 4.0), (4.0, 5.0)]


def test_tasks_without_duration_run():
    marker = Task("marker", (1,), 0.0, after=(0,))
    assert times(Task("a", (0,), 1.0), marker, Task("b", (2,), 1.0, after=(1,))) == [
        (0.0, 1.0),
        (1.0, 1.0),
        (1.0, 2.0),
    ]


def test_a_dependency_named_twice_counts_once():
    assert times(Task("a", (0,), 1.0), Task("b", (1,), 1.0, after=(0, 0)))[1] == (1.0, 2.0)


def crossed_sends():
    """Each rank wants to receive before it sends."""
    tasks = (
        Task("receive", (0,), 1.0, after=(3,), microbatch=0, stage=0),
        Task("send", (0,), 1.0),
        Task("receive", (2,), 1.0, after=(1,), microbatch=0, stage=1),
        Task("send", (2,), 1.0),
        Task("elsewhere", (1,), 1.0),
    )
    return build_program(streams=STREAMS, tasks=tasks)


def test_deadlock_names_the_wait_cycle():
    with pytest.raises(DeadlockError) as caught:
        run(crossed_sends())
    first, *cycle = str(caught.value).splitlines()
    assert first == "deadlock: 4 of 5 tasks never ran; wait cycle of 4:"
    receives = [
        f"'receive' (task {n}, microbatch 0, stage {r}, rank {r} compute)" for r, n in enumerate((0, 2))
    ]
    sends = [f"'send' (task {n}, rank {r} compute)" for r, n in enumerate((1, 3))]
    assert cycle == [
        f"  {receives[0]} waits for {sends[1]}, which it depends on",
        f"  {sends[1]} waits for {receives[1]}, which stands before it on rank 1 compute",
        f"  {receives[1]} waits for {sends[0]}, which it depends on",
        f"  {sends[0]} waits for {receives[0]}, which stands before it on rank 0 compute",
    ]


def test_deadlock_leaves_out_tasks_that_only_wait_for_the_cycle():
    bystander = Task("bystander", (1,), 1.0, after=(1,))
    with pytest.raises(DeadlockError, match="2 of 2 tasks never ran; wait cycle of 1:") as caught:
        run(build_program(streams=STREAMS, tasks=(bystander, Task("own tail", (0,), 1.0, after=(1,)))))
    assert "bystander" not in str(caught.value)


def test_crossed_rendezvous_deadlock_through_a_third_task():
    tasks = (Task("a", (0, 2), 1.0, after=(1,)), Task("b", (2, 0), 1.0))
    with pytest.raises(DeadlockError, match="stands before it on rank 1 compute"):
        run(build_program(streams=STREAMS, tasks=tasks))


def test_the_cycle_passes_by_tasks_that_ran():
    tasks = (
        Task("ran", (1,), 1.0),
        Task("a", (0,), 1.0, after=(0, 2)),
        Task("b", (2,), 1.0, after=(0, 1)),
    )
    with pytest.raises(DeadlockError, match="2 of 3 tasks never ran; wait cycle of 2:") as caught:
        run(build_program(streams=STREAMS, tasks=tasks))
    assert "ran'" not in str(caught.value)


def test_a_long_cycle_is_cut_short_in_the_message():
    ring = tuple(Task(f"t{i}", (i,), 1.0, after=((i + 1) % 40,)) for i in range(40))
    with pytest.raises(DeadlockError, match="and 28 more tasks in the cycle"):
        run(build_program(streams=tuple(Stream(i, "compute") for i in range(40)), tasks=ring))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duration": -1.0}, r"action 1 'wrong' \(stage 2\): duration: found -1.0; expected finite seconds"),
        ({"duration": math.nan}, "duration: found nan"),
        ({"duration": math.inf}, "duration: found inf"),
        ({"footprint": 1.5}, "footprint: found 1.5; expected a fraction, 0 to 1"),
        ({"shares": {0: 1.5}}, "share of channel 0: found 1.5; expected above 0, at most 1"),
        ({"shares": {0: -0.5}}, "share of channel 0: found -0.5; expected above 0"),
        ({"shares": {4: 0.5}}, "channel: found 4; expected 0 to 0"),
        ({"streams": (3,)}, "task 1: stream: found 3; expected 0 to 2"),
        ({"streams": (-1,)}, "task 1: stream: found -1; expected 0 to 2"),
        ({"streams": (0, 0)}, r"task 1: streams: found \(0, 0\); expected each once, 0 to 2"),
        ({"streams": (0, 3)}, r"task 1: streams: found \(0, 3\); expected each once, 0 to 2"),
        ({"after": (2,)}, "task 1: after: found 2; expected 0 to 1"),
        ({"after": (-1,)}, "task 1: after: found -1; expected 0 to 1"),
    ],
)
def test_what_no_program_can_hold_is_refused_with_its_place(changes, message):
    bad = Task("wrong", (0,), 1.0, microbatch=3, stage=2)._replace(**changes)
    with pytest.raises(SimdlError, match=message):
        run(build_program(streams=STREAMS, tasks=(Task("a", (0,), 1.0), bad), channels=(1.0,)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, r"class 1 \(stage 7\): count: found 0; expected at least 1 rank"),
        ({"speed": 0.0}, r"class 1 \(stage 7\): speed: found 0.0; expected a number above 0"),
        ({"speed": math.inf}, r"class 1 \(stage 7\): speed: found inf; expected a number above 0"),
    ],
)
def test_a_class_without_ranks_or_speed_is_refused_with_its_place(changes, message):
    classes = [RankClass(stage=0), RankClass(stage=7, first=1, **changes)]
    with pytest.raises(SimdlError, match=message):
        run(build_program(streams=STREAMS, tasks=(), classes=classes))


def test_a_stream_of_no_class_is_refused():
    with pytest.raises(SimdlError, match=r"stream 2 \(compute\): rank: found 1; expected 0 to 0"):
        run(build_program(streams=STREAMS, tasks=(), classes=[RankClass(stage=0)]))


def test_all_faults_are_reported_together():
    wrong = Task("wrong", (9,), -1.0, after=(7,))
    with pytest.raises(SimdlError, match=r"duration: .*; task 0: stream: .*; task 0: after: "):
        run(build_program(streams=STREAMS, tasks=(wrong,)))


def test_a_message_names_five_faults_and_counts_the_others():
    wrong = [Task(f"wrong {number}", (0,), -1.0) for number in range(8)]
    with pytest.raises(SimdlError, match=r"'wrong 4'.*; and 3 more$"):
        run(build_program(streams=STREAMS, tasks=wrong))
