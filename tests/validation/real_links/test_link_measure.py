"""What is measured, how often, and what stops it; links and ranks are stand-ins with known times."""

from contextlib import nullcontext
from itertools import count

import pytest

from validation.errors import RealLinksError
from validation.real_links import gloo, measure
from validation.real_links.measure import Series, names_of
from validation.real_links.moves import GLOO
from validation.real_links.namespaces import Star
from validation.real_links.rank_group import Outcome

MADE = Star(
    namespaces=("a", "b", "c"),
    addresses=("10.0.0.1", "10.0.0.2", "10.0.0.3"),
    switch="s",
    interface="eth0",
    rate=1e6,
    delay=0.0,
    delay_by="",
)
ASKED = Series(ranks=3, rate=1e6, sizes=(1024, 4096), repeats=2)


@pytest.fixture
def world(monkeypatch):
    """Ranks that take 1, 2, 3, ... s, one after another, and the moves they were told."""
    moves, joins, clock = [], [], count(1)

    def run_move(_group, move):
        moves.append(move)
        return Outcome(time=float(next(clock)), wrong=0)

    monkeypatch.setattr(measure, "star", lambda *_, **__: nullcontext(MADE))
    monkeypatch.setattr(measure, "rank_group", lambda *_, **__: nullcontext("group"))
    monkeypatch.setattr(measure, "round_trips", lambda _g, partner, **_: (0.1 * partner,) * 3)
    monkeypatch.setattr(measure, "join_gloo", joins.append)
    monkeypatch.setattr(measure, "run_move", run_move)
    monkeypatch.setattr(gloo, "reason_unavailable", lambda: None)
    return moves, joins


def test_the_first_repetition_of_each_size_does_not_count(world):
    run = measure.measure(ASKED)
    first = [each.time for each in run.repetitions if (each.algorithm, each.nbytes) == ("ring", 1024)]
    assert first[:2] == [2.0, 3.0]
    assert len(run.repetitions) == 5 * 2 * 2
    assert len(world[0]) == 5 * 2 * 3


def test_repetitions_start_from_different_values(world):
    measure.measure(ASKED)
    ring = [move for move in world[0] if move.name == "ring" and move.elements == 256]
    assert sorted(move.seed for move in ring) == [0, 1, 2]


def test_gloo_is_joined_once_and_named_by_its_algorithm(world):
    run = measure.measure(ASKED)
    assert world[1] == ["group"]
    assert {each.algorithm for each in run.repetitions if each.transport == GLOO} == {"ring"}
    assert {move.name for move in world[0][-6:]} == {GLOO}


def test_without_torch_gloo_is_left_out_with_the_reason(world, monkeypatch):
    monkeypatch.setattr(gloo, "reason_unavailable", lambda: "no torch")
    run = measure.measure(ASKED)
    assert run.skipped == ((GLOO, "no torch"),)
    assert {each.transport for each in run.repetitions} == {"sockets"}
    assert world[1] == []


@pytest.mark.usefixtures("world")
def test_the_latency_is_half_a_round_trip_to_all_partners():
    assert measure.measure(ASKED).conditions.latency == pytest.approx(0.15 / 2)


@pytest.mark.usefixtures("world")
def test_progress_counts_what_counts():
    told = []
    measure.measure(ASKED, lambda done, total: told.append((done, total)))
    assert told[0] == (2, 20)
    assert told[-1] == (20, 20)


@pytest.mark.usefixtures("world")
def test_a_wrong_sum_stops_the_run(monkeypatch):
    monkeypatch.setattr(measure, "run_move", lambda *_: Outcome(time=1.0, wrong=3))
    with pytest.raises(
        RealLinksError, match="sockets ring of 1024 bytes: 3 values differ from the plain sum"
    ):
        measure.measure(ASKED)


def test_a_move_may_take_longer_than_the_slowest_algorithm_should():
    big = Series(ranks=8, rate=1e6, sizes=(1024, 10_000_000), repeats=1, delay=0.1)
    assert measure._time_limit(big) > 2 * 7 * (10 + 0.1)


def test_names_are_the_simulators():
    assert names_of(GLOO) == ("ring",)
    assert names_of("sockets") == ("ring", "recursive_doubling", "parameter_server", "point_to_point")
