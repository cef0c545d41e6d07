"""The ranks as processes in their namespaces, and how the measuring process directs them.

Every answer is waited for under a time limit, and a rank that dies is noticed at once: its pipe closes.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TypeVar

from validation.errors import RealLinksError
from validation.real_links.moves import Move
from validation.real_links.namespaces import Star
from validation.real_links.orders import Done, Failed, JoinGloo, Latency, Ready, RoundTrips, Start
from validation.real_links.program import Program, end_programs, kill_programs, last_words, start_program

HEAD_START = 0.01  # [s] between the order to start and the start, for every rank to hear of it
GRACE = 5.0  # [s] for answers beyond what the move itself may take

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class RankGroup:
    """Running ranks, in order, and the time [s] that one move may take."""

    ranks: tuple[Program, ...]
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One timed move.

    Attributes:
        time: [s] from the agreed start until the slowest rank was through.
        wrong: values that came out wrong, over all ranks.
    """

    time: float
    wrong: int


@contextmanager
def rank_group(made: Star, *, timeout: float) -> Iterator[RankGroup]:
    """One process per namespace, connected to all others, for as long as the context lasts.

    Args:
        made: the namespaces.
        timeout: [s] that a rank may take to come up, and for one move.

    Raises:
        RealLinksError: a rank did not come up.
    """
    ranks: list[Program] = []
    try:
        for rank in range(made.ranks):
            started = _start(made, rank, timeout)
            ranks.append(started)
        group = RankGroup(ranks=tuple(ranks), timeout=timeout)
        _answers(group, Ready)
        yield group
    except BaseException:
        kill_programs(ranks)
        raise
    finally:
        end_programs(ranks)


def _start(made: Star, rank: int, timeout: float) -> Program:
    place = {
        "rank": rank,
        "addresses": made.addresses,
        "interface": made.interface,
        "timeout": timeout,
    }
    return start_program(made.namespaces[rank], "validation.real_links.rank", place)


def join_gloo(group: RankGroup) -> None:
    """Let the ranks enter gloo's process group.

    Raises:
        RealLinksError: they did not meet.
    """
    _tell(group, JoinGloo())
    _answers(group, Ready)


def run_move(group: RankGroup, move: Move) -> Outcome:
    """Carry out a move once.

    Raises:
        RealLinksError: a rank failed, died, or took longer than the time limit.
    """
    _tell(group, move)
    _answers(group, Ready)
    at = time.monotonic() + HEAD_START
    _tell(group, Start(at=at))
    done = _answers(group, Done)
    return Outcome(time=max(rank.ended for rank in done) - at, wrong=sum(rank.wrong for rank in done))


def round_trips(group: RankGroup, partner: int, *, rounds: int) -> tuple[float, ...]:
    """Durations [s] of round trips of one byte between rank 0 and a partner.

    Raises:
        RealLinksError: a rank failed, died, or took longer than the time limit.
    """
    _tell(group, Latency(partner=partner, rounds=rounds))
    return _answers(group, RoundTrips)[0].durations


def _tell(group: RankGroup, order: object) -> None:
    for rank, each in enumerate(group.ranks):
        try:
            each.pipe.send(order)
        except OSError:
            raise RealLinksError(f"rank {rank} {last_words(group.ranks[rank])}") from None


def _answers(group: RankGroup, kind: type[Answer]) -> list[Answer]:
    """One answer of this kind from every rank."""
    deadline = time.monotonic() + group.timeout + GRACE
    found: dict[int, Answer] = {}
    while missing := {each.pipe: rank for rank, each in enumerate(group.ranks) if rank not in found}:
        ready = wait(list(missing), timeout=max(0.0, deadline - time.monotonic()))
        if not ready:
            ranks = ", ".join(map(str, missing.values()))
            raise RealLinksError(f"no answer from rank {ranks} within {group.timeout + GRACE:g} s")
        for pipe in ready:
            assert isinstance(pipe, Connection)  # noqa: S101 - what was waited for
            rank = missing[pipe]
            found[rank] = _answer(group, rank, kind)
    return [found[rank] for rank in range(len(group.ranks))]


def _answer(group: RankGroup, rank: int, kind: type[Answer]) -> Answer:
    try:
        answer = group.ranks[rank].pipe.recv()
    except (EOFError, OSError):
        raise RealLinksError(f"rank {rank} {last_words(group.ranks[rank])}") from None
    if isinstance(answer, Failed):
        raise RealLinksError(answer.reason)
    assert isinstance(answer, kind)  # noqa: S101 - our own program
    return answer
