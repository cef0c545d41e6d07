"""Times point-to-point transfers and all-reduces on shaped links.

Per algorithm and size: one repetition that does not count, because it opens congestion windows, then those
that do. All ranks begin at an agreed instant of the clock they share, and the slowest one's end counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from validation.errors import RealLinksError
from validation.real_links import gloo
from validation.real_links.link_run import SOCKETS, LinkRun, Repetition, current_conditions
from validation.real_links.moves import GLOO, OVER_SOCKETS, Move
from validation.real_links.namespaces import Star, star
from validation.real_links.rank_group import RankGroup, join_gloo, rank_group, round_trips, run_move

ELEMENT = 4  # [bytes] of float32
ROUNDS = 100  # round trips to each partner
SLACK = 4.0  # times as long as the slowest algorithm should take
PATIENCE = 20.0  # [s] on top, for ranks to start


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What to measure.

    Attributes:
        ranks: on the switch, at least 2.
        rate: [bytes/s] per direction of each link.
        delay: [s] added per direction of each link.
        sizes: [bytes] multiples of 4.
        repeats: that count, per algorithm and size.
        transports: ``sockets``, ``gloo``.
    """

    ranks: int
    rate: float
    sizes: tuple[int, ...]
    repeats: int
    delay: float = 0.0
    transports: tuple[str, ...] = (SOCKETS, GLOO)


def names_of(transport: str) -> tuple[str, ...]:
    """Algorithms timed over a transport, by the simulator's names."""
    return (gloo.ALGORITHM,) if transport == GLOO else tuple(OVER_SOCKETS)


def measure(series: Series, advance: Callable[[int, int], None] = lambda _done, _total: None) -> LinkRun:
    """Set up the links, time everything, and remove them.

    Args:
        series: what to measure.
        advance: is told (done, total) repetitions.

    Raises:
        RealLinksError: the links cannot be set up, a rank failed, or a result was wrong.
    """
    skipped = _left_out(series)
    transports = [name for name in series.transports if name not in dict(skipped)]
    with (
        star(series.ranks, rate=series.rate, delay=series.delay) as made,
        rank_group(made, timeout=_time_limit(series)) as group,
    ):
        latency = measure_latency(group, made)
        repetitions = _measure_all(group, series, transports, advance)
    return LinkRun(
        conditions=current_conditions(made, latency=latency),
        repetitions=tuple(repetitions),
        skipped=skipped,
    )


def _left_out(series: Series) -> tuple[tuple[str, str], ...]:
    reason = gloo.reason_unavailable() if GLOO in series.transports else None
    return ((GLOO, reason),) if reason else ()


def _time_limit(series: Series) -> float:
    """[s] for one move: the server's link carries every buffer in and out, whatever the algorithm."""
    longest = 2 * (series.ranks - 1) * (max(series.sizes) / series.rate + series.delay)
    return PATIENCE + SLACK * longest


def measure_latency(group: RankGroup, made: Star) -> float:
    """Median time [s] of a one-byte message from rank to rank on idle links: half a round trip."""
    durations = [
        duration
        for partner in range(1, made.ranks)
        for duration in round_trips(group, partner, rounds=ROUNDS)
    ]
    return median(durations) / 2


def _measure_all(
    group: RankGroup,
    series: Series,
    transports: Sequence[str],
    advance: Callable[[int, int], None],
) -> list[Repetition]:
    found: list[Repetition] = []
    total = sum(len(names_of(name)) for name in transports) * len(series.sizes) * series.repeats
    for transport in transports:
        if transport == GLOO:
            join_gloo(group)
        for algorithm in names_of(transport):
            for nbytes in series.sizes:
                found += _measure_one(group, transport, algorithm, nbytes, series.repeats)
                advance(len(found), total)
    return found


def _measure_one(
    group: RankGroup, transport: str, algorithm: str, nbytes: int, repeats: int
) -> list[Repetition]:
    times = []
    for seed in range(repeats + 1):
        name = GLOO if transport == GLOO else algorithm
        outcome = run_move(group, Move(name=name, elements=nbytes // ELEMENT, seed=seed))
        if outcome.wrong:
            raise RealLinksError(
                f"{transport} {algorithm} of {nbytes} bytes: {outcome.wrong} values differ from the plain sum"
            )
        times.append(outcome.time)
    return [
        Repetition(transport=transport, algorithm=algorithm, nbytes=nbytes, time=time) for time in times[1:]
    ]
