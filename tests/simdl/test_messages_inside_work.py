"""Messages inside a pass and transfers beside it slow each other down."""

import pytest
from builders import build_cluster, build_stack, build_workload
from programs import Task, build_program

from simdl.engine.run import run
from simdl.errors import SimdlError
from simdl.program.action import Cause, Load, Purpose, Transfer, Work
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel, Lane, RankClass, Stream
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy


def program(*, busy, share=1.0, sent=1.0, seconds=10.0, footprint=0.0):
    """Ten seconds of work that communicates in part of them, beside one transfer of another lane."""
    builder = ProgramBuilder([RankClass(stage=0)], [Stream(0, Lane.COMPUTE), Stream(0, Lane.COLLECTIVE)])
    wire = builder.channel(Channel(name="wire", bandwidth=1.0))
    work = Work(
        purpose=Purpose.FORWARD,
        parts=((Cause.FORWARD, 10.0),),
        loads=(Load(wire, share),) if share else (),
        busy=busy,
    )
    transfer = Transfer(
        purpose=Purpose.REDUCE_GRADIENTS,
        cause=Cause.DATA,
        operation=None,
        ranks=2,
        nbytes=1.0,
        duration=seconds,
        loads=(Load(wire, sent),),
        footprint=footprint,
    )
    builder.add(builder.action(work), 0)
    builder.add(builder.action(transfer), 1)
    return builder.program()


def test_what_communicates_a_fifth_of_its_time_meets_a_transfer_then():
    # Both want the whole wire: messages take twice as long, so a second of work takes 0.8 + 0.2 * 2 = 1.2 s,
    # in 0.4 of which the transfer has half the wire: 1 - 0.4 / 1.2 / 2 = 5/6 of its speed.
    found = run(program(busy=0.2))
    assert found.end[0] == pytest.approx(12.0)
    assert found.end[1] == pytest.approx(10.0 / (5 / 6))


def test_once_the_transfer_has_ended_work_goes_on_alone():
    found = run(program(busy=0.2, seconds=5.0))
    assert found.end[1] == pytest.approx(6.0)
    assert found.end[0] == pytest.approx(6.0 + 10.0 - 5.0)


def test_what_fits_beside_each_other_is_not_slowed():
    found = run(program(busy=0.5, share=0.5, sent=0.5))
    assert [*found.end] == [10.0, 10.0]


def test_work_that_only_communicates_is_a_transfer():
    found = run(program(busy=1.0))
    assert [*found.end] == pytest.approx([20.0, 20.0])


def test_footprints_come_on_top():
    found = run(program(busy=0.2, footprint=0.25, seconds=100.0))
    assert found.end[0] == pytest.approx(12.0 / 0.75)


@pytest.mark.parametrize("busy", [-0.1, 1.5, 0.0])
def test_shares_of_time_are_fractions(busy):
    with pytest.raises(SimdlError, match="busy: found"):
        run(program(busy=busy))


def test_a_program_without_messages_inside_work_is_as_before():
    tasks = [
        Task("a", (0,), 1.0),
        Task("b", (1,), 1.0, shares={0: 1.0}),
        Task("c", (2,), 1.0, shares={0: 1.0}),
    ]
    streams = [(0, "compute"), (0, "collective"), (1, "collective")]
    assert [*run(build_program(streams=streams, tasks=tasks, channels=[1.0])).end] == [1.0, 2.0, 2.0]


@pytest.mark.parametrize("degrees", [{"tp": 4, "dp": 2}, {"tp": 2, "pp": 2, "dp": 2}, {"cp": 2, "dp": 4}])
def test_tensor_parallel_collectives_and_gradient_buckets_share_links(degrees):
    strategy = Strategy(**degrees)
    stack = build_stack(gradient_overlap=True, pipeline_overlap=True, contention=0.0, bucket=1e5)
    folded, unfolded = (
        simulate(build_workload(), build_cluster(), strategy, stack=stack, unfolded=flag)
        for flag in (False, True)
    )
    program = folded.timeline.program
    inside = [action for action in program.actions if isinstance(action, Work) and action.loads]
    assert inside
    assert all(0 < action.busy < 1 for action in inside)
    assert unfolded.report.step_time == pytest.approx(folded.report.step_time, rel=1e-9)
    alone = program.actions[program.action[0]].duration
    assert folded.timeline.end[0] - folded.timeline.start[0] >= alone * (1 - 1e-12)


@pytest.mark.theory
@pytest.mark.parametrize("pieces", [5, 20])
def test_the_mean_is_what_work_and_messages_in_turns_come_to(pieces):
    """Messages as tasks of their own between pieces of work, beside a transfer that wants the whole wire."""
    builder = ProgramBuilder([RankClass(stage=0)], [Stream(0, Lane.COMPUTE), Stream(0, Lane.COLLECTIVE)])
    wire = builder.channel(Channel(name="wire", bandwidth=1.0))
    work = builder.action(Work(purpose=Purpose.FORWARD, parts=((Cause.FORWARD, 8.0 / pieces),)))

    def transfer(seconds):
        return builder.action(
            Transfer(
                purpose=Purpose.REDUCE_GRADIENTS,
                cause=Cause.DATA,
                operation=None,
                ranks=2,
                nbytes=1.0,
                duration=seconds,
                loads=(Load(wire, 1.0),),
            )
        )

    message, beside = transfer(2.0 / pieces), transfer(10.0)
    last = ()
    for _ in range(pieces):
        last = (builder.add(work, 0, last),)
        last = (builder.add(message, 0, last),)
    gradient = builder.add(beside, 1)
    found, mean = run(builder.program()), run(program(busy=0.2))
    assert found.end[last[0]] == pytest.approx(mean.end[0], rel=1e-9)
    assert found.end[gradient] == pytest.approx(mean.end[1], rel=1e-9)
