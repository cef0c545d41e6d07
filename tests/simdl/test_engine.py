import pytest
from programs import Task, build_program

from simdl.engine.longest_path import longest_path
from simdl.engine.precedence import precedence
from simdl.engine.run import run
from simdl.errors import DeadlockError
from simdl.program.program import Stream

STREAMS = (Stream(0, "compute"), Stream(0, "collective"), Stream(1, "compute"))


def times(*tasks):
    timeline = run(build_program(streams=STREAMS, tasks=tasks))
    return list(zip(timeline.start, timeline.end, strict=True))


def test_an_empty_schedule_takes_no_time():
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


@pytest.mark.parametrize("function", [run, longest_path])
def test_deadlock_names_the_wait_cycle(function):
    with pytest.raises(DeadlockError) as caught:
        function(crossed_sends())
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


def test_longest_paths_of_other_durations_by_action():
    program = build_program(
        streams=STREAMS,
        tasks=(Task("a", (0,), 1.0), Task("b", (1,), 2.0, after=(0,)), Task("a", (2,), 1.0, after=(1,))),
    )
    assert list(longest_path(program)) == [1.0, 3.0, 4.0]
    assert list(longest_path(program, [4.0, 0.5], precedence(program))) == [4.0, 4.5, 8.5]
