"""Ranks as processes, here on the loopback interface: no namespace, no root, and no shaped link is needed."""

import os
import random
import signal
import threading
import time

import pytest

from validation.errors import RealLinksError
from validation.real_links import program, rank_group
from validation.real_links.moves import OVER_SOCKETS, Move
from validation.real_links.namespaces import Star
from validation.real_links.orders import Start
from validation.real_links.program import end_programs, last_words, start_program
from validation.real_links.rank_group import round_trips, run_move

ENTERS_NOTHING = '#!/bin/sh\nshift 3\nexec "$@"\n'  # for: ip netns exec NAME COMMAND...


@pytest.fixture(autouse=True)
def _no_namespaces(monkeypatch, tmp_path):
    tool = tmp_path / "ip"
    tool.write_text(ENTERS_NOTHING)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def loopback(ranks):
    """Addresses of this test alone, because another may run at the same time."""
    chosen = random.Random(os.getpid() + time.time_ns())  # noqa: S311
    network = f"127.{chosen.randrange(1, 255)}.{chosen.randrange(255)}"
    return Star(
        namespaces=tuple(f"nowhere{rank}" for rank in range(ranks)),
        addresses=tuple(f"{network}.{rank + 1}" for rank in range(ranks)),
        switch="nowhere",
        interface="lo",
        rate=1.0,
        delay=0.0,
        delay_by="",
    )


def test_every_move_ends_with_the_right_values():
    with rank_group.rank_group(loopback(3), timeout=20) as group:
        for name in OVER_SOCKETS:
            outcome = run_move(group, Move(name=name, elements=1001, seed=1))
            assert (outcome.wrong, outcome.time > 0) == (0, True)
        assert len(round_trips(group, 2, rounds=7)) == 7
    assert [rank.process.returncode for rank in group.ranks] == [0, 0, 0]


def test_a_rank_that_sleeps_is_waited_for():
    with rank_group.rank_group(loopback(2), timeout=20) as group:
        slow = group.ranks[1].process
        slow.send_signal(signal.SIGSTOP)
        threading.Timer(0.3, slow.send_signal, (signal.SIGCONT,)).start()
        started = time.monotonic()
        (duration,) = round_trips(group, 1, rounds=1)
        assert time.monotonic() - started >= duration > 0.2


class TestFailures:
    def test_a_rank_that_dies_is_noticed_at_once(self):
        with rank_group.rank_group(loopback(2), timeout=60) as group:
            started = time.monotonic()
            group.ranks[1].process.kill()
            with pytest.raises(RealLinksError, match="rank 1 ended with status -9"):
                run_move(group, Move(name="ring", elements=4, seed=0))
            assert time.monotonic() - started < 5

    def test_a_rank_that_hangs_is_named_after_the_time_limit(self, monkeypatch):
        monkeypatch.setattr(rank_group, "GRACE", 0.2)
        monkeypatch.setattr(program, "GRACE", 0.2)
        made = loopback(2)
        with rank_group.rank_group(made, timeout=5) as group:
            quick = rank_group.RankGroup(ranks=group.ranks, timeout=0.2)
            group.ranks[1].process.send_signal(signal.SIGSTOP)
            with pytest.raises(RealLinksError, match=r"no answer from rank 1 within 0\.4 s"):
                run_move(quick, Move(name="ring", elements=4, seed=0))
        assert group.ranks[1].process.returncode == -signal.SIGKILL  # it did not listen

    def test_a_rank_says_what_it_waited_for(self):
        with rank_group.rank_group(loopback(2), timeout=0.3) as group:
            group.ranks[1].process.send_signal(signal.SIGSTOP)
            group.ranks[0].pipe.send(Move(name="ring", elements=4, seed=0))
            group.ranks[0].pipe.recv()
            group.ranks[0].pipe.send(Start(at=time.monotonic()))
            answer = group.ranks[0].pipe.recv()
            assert answer.reason == "rank 0 waited 0.3 s for bytes from rank 1"
            group.ranks[1].process.send_signal(signal.SIGCONT)

    def test_a_rank_that_cannot_start_tells_why(self, monkeypatch):
        monkeypatch.setenv("PYTHONHASHSEED", "no number")
        with (
            pytest.raises(RealLinksError, match=r"rank . ended with status 1: .*PYTHONHASHSEED"),
            rank_group.rank_group(loopback(2), timeout=20),
        ):
            pass

    def test_an_address_of_another_machine_is_told(self):
        made = loopback(1)
        elsewhere = Star(
            **{name: getattr(made, name) for name in made.__slots__} | {"addresses": ("203.0.113.1",)}
        )
        with (
            pytest.raises(RealLinksError, match=r"rank 0 could not listen at 203\.0\.113\.1: "),
            rank_group.rank_group(elsewhere, timeout=20),
        ):
            pass


def test_a_program_ends_when_nobody_holds_its_pipe():
    made = loopback(1)
    place = {"rank": 0, "addresses": made.addresses, "interface": "lo", "timeout": 5}
    alone = start_program("nowhere", "validation.real_links.rank", place)
    alone.pipe.recv()
    alone.pipe.close()
    assert alone.process.wait(timeout=10) == 1
    assert last_words(alone) == "ended with status 1"
    end_programs([alone])
