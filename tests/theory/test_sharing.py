"""What concurrent tasks take from each other, computed by hand."""

import pytest
import simpy

from simdl.engine import run as engine
from simdl.engine.longest_path import longest_path
from simdl.engine.rates import max_min_speeds
from simdl.engine.run import run
from simdl.program.action import Cause, Load, Purpose, Transfer, Work
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel, Lane, RankClass, Stream

pytestmark = pytest.mark.theory

LANES = tuple(Lane)
COMPUTE, COLLECTIVE, SEND, SEND_BACK = range(4)
NEXT_RANK = len(LANES)


def work(seconds):
    return Work(purpose=Purpose.FORWARD, parts=((Cause.FORWARD, seconds),))


def transfer(seconds, *loads, footprint=0.0):
    return Transfer(
        purpose=Purpose.SEND_ACTIVATION,
        cause=Cause.PIPELINE,
        operation=None,
        ranks=2,
        nbytes=1.0,
        duration=seconds,
        loads=tuple(Load(*load) for load in loads),
        footprint=footprint,
    )


def build(*tasks, bandwidths=(10.0, 20.0), speeds=(1.0, 1.0, 1.0)):
    """Tasks as (action, stream or streams, after); stream number lane + 4 x rank."""
    builder = ProgramBuilder(
        [RankClass(stage=rank, first=rank, speed=speed) for rank, speed in enumerate(speeds)],
        [Stream(rank, lane) for rank in range(len(speeds)) for lane in LANES],
    )
    for number, bandwidth in enumerate(bandwidths):
        builder.channel(Channel(name=f"link {number}", bandwidth=bandwidth))
    for action, streams, *after in tasks:
        held = streams if isinstance(streams, tuple) else (streams,)
        task = builder.add(builder.action(action), held[0], after)
        if len(held) > 1:
            builder.hold(task, held)
    return builder.program()


def ends(*tasks, **changes):
    return list(run(build(*tasks, **changes)).end)


def test_two_equal_flows_on_one_link_take_twice_as_long_each():
    flow = transfer(4.0, (0, 1.0))
    assert ends((flow, SEND), (flow, SEND + NEXT_RANK)) == [8.0, 8.0]


def test_a_short_flow_beside_a_long_one_takes_twice_as_long_and_delays_it_by_its_own_time():
    assert ends((transfer(1.0, (0, 1.0)), SEND), (transfer(4.0, (0, 1.0)), SEND + NEXT_RANK)) == [2.0, 5.0]


def test_a_short_flow_that_starts_inside_a_long_one():
    long, short = transfer(10.0, (0, 1.0)), transfer(1.0, (0, 1.0))
    assert ends((long, SEND), (work(2.0), NEXT_RANK), (short, SEND + NEXT_RANK, 1)) == [11.0, 2.0, 4.0]


def test_flows_that_fill_a_link_together_do_not_share_it():
    half = transfer(4.0, (0, 0.5))
    assert ends((half, SEND), (half, SEND + NEXT_RANK)) == [4.0, 4.0]


def test_three_flows_over_two_links():
    # Link 0 carries 10 bytes/s, link 1 20. Both a and b get 5 on link 0, so c gets 15 on link 1. When b is
    # done (25 bytes at 5), a has the whole of link 0 and half of link 1; its last 25 bytes take 2.5 s. Of c's
    # 300 bytes 75 + 25 are gone by then, the rest takes 10 s.
    a, b, c = transfer(5.0, (0, 1.0), (1, 0.5)), transfer(2.5, (0, 1.0)), transfer(15.0, (1, 1.0))
    assert max_min_speeds([[(0, 1.0), (1, 0.5)], [(0, 1.0)], [(1, 1.0)]], [10.0, 10.0, 20.0]) == [
        0.5,
        0.5,
        0.75,
    ]
    assert ends((a, SEND), (b, SEND + NEXT_RANK), (c, SEND + 2 * NEXT_RANK)) == [7.5, 5.0, 17.5]


def test_a_flow_below_its_fair_share_is_as_fast_as_alone():
    # 10 bytes/s for flows of 10 and 2 bytes/s: the small one keeps 2, the large one gets 8.
    small, large = transfer(4.0, (0, 0.2)), transfer(10.0, (0, 1.0))
    assert ends((small, SEND), (large, SEND + NEXT_RANK)) == pytest.approx([4.0, 10.8], rel=1e-12)


def test_ports_that_two_classes_share_are_one_resource():
    # 1.5 times the port is asked for, by two classes, so that both run at two thirds.
    flow = transfer(2.0, (0, 0.75))
    assert ends((flow, SEND), (flow, SEND + NEXT_RANK)) == pytest.approx([3.0, 3.0], rel=1e-12)
    assert ends((flow, SEND), (transfer(2.0, (1, 0.75)), SEND + NEXT_RANK)) == [2.0, 2.0]


def test_flows_of_one_stream_never_meet():
    flow = transfer(2.0, (0, 1.0))
    assert ends((flow, SEND), (flow, SEND)) == [2.0, 4.0]


def test_work_is_slowed_for_exactly_the_time_a_transfer_runs_beside_it():
    assert ends((work(10.0), COMPUTE), (transfer(4.0, footprint=0.25), SEND)) == [11.0, 4.0]


def test_work_is_slowed_from_the_middle_on():
    # Another rank's work delays the transfer: 3 s at full speed, 4 s at three quarters, 4 s at full speed.
    beside = (work(10.0), COMPUTE), (work(3.0), NEXT_RANK), (transfer(4.0, footprint=0.25), SEND, 1)
    assert ends(*beside) == [11.0, 3.0, 7.0]


def test_work_that_ends_before_the_transfer_is_slowed_throughout():
    assert ends((work(3.0), COMPUTE), (transfer(8.0, footprint=0.25), SEND)) == [4.0, 8.0]


def test_work_is_slowed_while_sharing_makes_the_transfer_longer():
    # The transfer takes 8 s instead of 4 beside its equal, so that the work loses 2 s instead of 1.
    flow = transfer(4.0, (0, 1.0), footprint=0.25)
    assert ends((work(10.0), COMPUTE), (flow, SEND), (flow, SEND + NEXT_RANK)) == [12.0, 8.0, 8.0]


def test_footprints_add_up_to_the_whole_device_and_stop_its_work():
    whole = transfer(4.0, footprint=1.0)
    assert ends((work(10.0), COMPUTE), (whole, SEND)) == [14.0, 4.0]
    most = transfer(4.0, footprint=0.75)
    assert ends((work(10.0), COMPUTE), (most, SEND), (most, SEND_BACK)) == [14.0, 4.0, 4.0]


def test_transfers_leave_work_of_other_ranks_and_transfers_alone():
    assert ends(
        (work(10.0), NEXT_RANK), (transfer(4.0, footprint=1.0), SEND), (transfer(5.0), COLLECTIVE)
    ) == [10.0, 4.0, 5.0]


def test_a_rendezvous_slows_all_its_ranks_and_loads_its_channels_once():
    both = transfer(4.0, (0, 1.0), footprint=0.5), (COLLECTIVE, COLLECTIVE + NEXT_RANK)
    assert ends((work(10.0), COMPUTE), (work(6.0), NEXT_RANK), both) == [12.0, 8.0, 4.0]


def test_work_of_several_ranks_runs_at_the_speed_of_the_slowest():
    together = work(10.0), (COMPUTE, COMPUTE + NEXT_RANK)
    assert ends(together, (transfer(4.0, footprint=0.25), SEND + NEXT_RANK)) == [11.0, 4.0]
    assert ends(together, speeds=(1.0, 0.5)) == [20.0]
    # What is left of rank 0 while the transfer runs, 0.8, is still more than the speed of rank 1.
    beside = transfer(4.0, footprint=0.2), SEND
    assert ends(together, beside, speeds=(1.0, 0.5)) == [20.0, 4.0]


def test_a_slow_class_takes_longer_for_work_and_not_for_transfers():
    slow = (work(3.0), COMPUTE), (transfer(4.0), SEND), (work(3.0), NEXT_RANK)
    assert ends(*slow, speeds=(0.75, 1.0)) == [4.0, 4.0, 3.0]
    assert list(longest_path(build(*slow, speeds=(0.75, 1.0)))) == [4.0, 4.0, 3.0]


def test_a_slow_class_is_slowed_by_the_same_share():
    # 4 s at 0.5 x 0.5 do 1 s of 3, the rest takes 2 / 0.5.
    assert ends((work(3.0), COMPUTE), (transfer(4.0, footprint=0.5), SEND), speeds=(0.5,)) == [8.0, 4.0]


def test_an_end_and_a_start_at_one_instant_do_not_meet():
    # At 4 s one flow ends and another starts on the same channel, in whatever order their events come.
    flow = transfer(4.0, (0, 1.0))
    tasks = (work(4.0), NEXT_RANK), (flow, SEND), (flow, SEND + NEXT_RANK, 0)
    assert ends(*tasks) == [4.0, 4.0, 8.0]
    other = (flow, SEND), (work(4.0), NEXT_RANK), (flow, SEND + NEXT_RANK, 1)
    assert ends(*other) == [4.0, 4.0, 8.0]


def events(program, monkeypatch):
    """Events that a run serves."""
    served = []

    class Counting(simpy.Environment):
        def step(self):
            super().step()
            served.append(self.now)

    monkeypatch.setattr(engine, "Environment", Counting)
    run(program)
    return len(served)


def test_tasks_that_never_meet_cost_one_event_each(monkeypatch):
    flow = transfer(0.1, (0, 1.0), footprint=0.1)
    program = build(
        (work(0.3), COMPUTE), (flow, SEND, 0), (work(0.7), NEXT_RANK), (flow, SEND + NEXT_RANK, 2)
    )
    assert events(program, monkeypatch) == 4
    assert list(run(program).end) == [0.3, 0.3 + 0.1, 0.7, 0.7 + 0.1]


def test_many_flows_that_share_cost_few_events(monkeypatch):
    # Ten flows of different lengths: each end gives the others a new speed, with one event each time.
    speeds = (1.0,) * 10
    flows = [(transfer(1.0 + rank, (0, 1.0)), SEND + NEXT_RANK * rank) for rank in range(10)]
    assert events(build(*flows, speeds=speeds), monkeypatch) <= 20


def test_rounding_leaves_no_chain_of_tiny_events(monkeypatch):
    flows = [
        (transfer(seconds / 7, (0, 1 / 3), (1, 0.7), footprint=0.3), lane + NEXT_RANK * rank)
        for rank in range(3)
        for lane in (SEND, SEND_BACK)
        for seconds in range(1, 60)
    ]
    works = [(work(0.1), NEXT_RANK * rank) for rank in range(3) for _ in range(400)]
    assert events(build(*flows, *works), monkeypatch) <= 4 * (len(flows) + len(works))
