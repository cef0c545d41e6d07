"""Predicted against measured, per transport, algorithm and size; errors of large messages apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from simdl.communication import Operation, bus_factor
from validation.judging.statistics import ErrorStatistics, error_statistics
from validation.real_links.link_run import LinkRun, timings
from validation.real_links.measure import names_of
from validation.real_links.moves import POINT_TO_POINT
from validation.real_links.prediction import predicted_time

LARGE = 2**20  # [bytes] from which on the link, not the start of a message, sets the time


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """One algorithm at one size; times in seconds.

    Attributes:
        transport: ``sockets`` or ``gloo``.
        algorithm: the simulator's name of it.
        nbytes: buffer of one rank.
        measured: median of the slowest rank, None where it was not measured.
        spread: largest less smallest repetition, over the median.
        predicted: by the simulator.
        bus_bandwidth: [bytes/s] measured, scaled to compare with the link's.
        skipped: why there is no measurement, or None.
    """

    transport: str
    algorithm: str
    nbytes: int
    measured: float | None = None
    spread: float | None = None
    predicted: float | None = None
    bus_bandwidth: float | None = None
    skipped: str | None = None


def compare(run: LinkRun) -> list[LinkRow]:
    """A row per timing, then a row per algorithm and size that the run left out."""
    rows = [
        LinkRow(
            transport=timing.transport,
            algorithm=timing.algorithm,
            nbytes=timing.nbytes,
            measured=timing.time,
            spread=timing.spread,
            predicted=predicted_time(timing.algorithm, timing.nbytes, run.conditions),
            bus_bandwidth=timing.nbytes / timing.time * _bus_factor(timing.algorithm, run.conditions.ranks),
        )
        for timing in timings(run)
    ]
    sizes = list(dict.fromkeys(row.nbytes for row in rows))
    return rows + [row for name, reason in run.skipped for row in skipped_rows([name], sizes, reason)]


def skipped_rows(transports: Sequence[str], sizes: Sequence[int], reason: str) -> list[LinkRow]:
    """Rows that say why nothing was measured."""
    return [
        LinkRow(transport=transport, algorithm=algorithm, nbytes=nbytes, skipped=reason)
        for transport in transports
        for algorithm in names_of(transport)
        for nbytes in sizes
    ]


def _bus_factor(algorithm: str, ranks: int) -> float:
    return 1.0 if algorithm == POINT_TO_POINT else bus_factor(Operation.ALL_REDUCE, ranks)


def relative_error(row: LinkRow) -> float | None:
    """Predicted over measured time, less one."""
    return None if row.measured is None or row.predicted is None else row.predicted / row.measured - 1


def statistics_of(rows: Sequence[LinkRow]) -> ErrorStatistics:
    """Error statistics of the measured rows."""
    return error_statistics([row.measured for row in rows], [row.predicted for row in rows])


def summary_groups(rows: Sequence[LinkRow]) -> dict[str, list[LinkRow]]:
    """The groups a summary reports: all rows, large messages, and large messages per algorithm."""
    large = [row for row in rows if row.nbytes >= LARGE]
    groups = {"overall": list(rows), "at_least_1_mib": large}
    for row in large:
        groups.setdefault(f"{row.transport} {row.algorithm} at_least_1_mib", []).append(row)
    return groups
