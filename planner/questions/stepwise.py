"""A collective step by step on a cluster, beside its closed form and beside what steps are priced with."""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

from hardware.cluster import Cluster
from hardware.units import format_quantity
from simdl.communication import Group, Operation, applicable_algorithms, collective_time
from simdl.communication.algorithms import ALIASES
from simdl.communication.group import extents
from simdl.communication.stepwise.program import message_way, simulate_schedule
from simdl.communication.stepwise.registry import FORMS, Form, placed, segments_of
from simdl.communication.stepwise.schedule import Schedule
from simdl.errors import CollectiveError
from simdl.topology.cluster_graph import cluster_graph
from simdl.topology.graph import Graph
from simdl.topology.routes import route

STEPWISE_HEADER = (
    "size",
    "algorithm",
    "messages",
    "segments",
    "step by step",
    "closed form",
    "difference",
    "as steps are priced",
)
MOST_RANKS = 256
MOST_MESSAGES = 60_000
"""Of all rows together."""


def stepwise_rows(
    cluster: Cluster,
    *,
    operation: Operation,
    sizes: Sequence[int],
    group: Group,
    algorithm: str,
    library: str,
) -> list[dict[str, Any]]:
    """Every message of an algorithm as an event on the links of a cluster, by size.

    Each row has the number of ``messages`` and ``segments``, the ``time`` [s] of the events, the
    ``closed_form`` [s] with the latency and bandwidth of the slowest message (``hierarchical``: of each
    level), which sharing of links alone tells apart, and ``priced`` [s], the same algorithm as steps are
    priced with the library's protocols; None where libraries do not have it.

    Raises:
        CollectiveError: an algorithm without messages of its own, or more of them than are simulated.
    """
    names = _names(cluster, operation, sizes, group, algorithm, library)
    members, graph = extents(group, cluster), cluster_graph(cluster)
    gamma = 3 / cluster.device.memory_bandwidth
    asked = [(nbytes, name, FORMS[operation][name]) for nbytes in sizes for name in names[nbytes]]
    built, messages = [], 0
    for nbytes, _, form in asked:
        schedule = placed(form.build(members, nbytes, segments_of(form, nbytes)), group.stride)
        messages += sum(map(len, schedule.rounds))
        if messages > MOST_MESSAGES:
            raise CollectiveError(
                f"--stepwise: found more than {MOST_MESSAGES:,} messages over all sizes and algorithms; "
                "expected fewer --ranks or sizes"
            )
        built.append(schedule)
    return [
        {
            "size": nbytes,
            "algorithm": name,
            "messages": sum(map(len, schedule.rounds)),
            "segments": segments_of(form, nbytes),
            "time": simulate_schedule(schedule, graph, gamma=gamma),
            "closed_form": _closed(form, schedule, members, nbytes, cluster),
            "priced": _priced(operation, nbytes, group, cluster, library, name),
        }
        for (nbytes, name, form), schedule in zip(asked, built, strict=True)
    ]


def _names(  # noqa: PLR0917 - the question, in the order it is read
    cluster: Cluster,
    operation: Operation,
    sizes: Sequence[int],
    group: Group,
    algorithm: str,
    library: str,
) -> dict[int, tuple[str, ...]]:
    """Algorithms of every size.

    Raises:
        CollectiveError: as for :func:`stepwise_rows`.
    """
    if not 2 <= group.size <= MOST_RANKS:
        raise CollectiveError(
            f"--stepwise: found a group of {group.size:,}; expected 2 to {MOST_RANKS} ranks, as each "
            "of their messages is an event"
        )
    known = tuple(_possible(operation, group, cluster))
    if algorithm == "all":
        return dict.fromkeys(sizes, known)
    found: dict[int, tuple[str, ...]] = {}
    for nbytes in sizes:
        name = ALIASES.get(algorithm, algorithm)
        if algorithm == "auto":
            name = collective_time(operation, nbytes, group, cluster, library).algorithm
        if name not in known:
            taken = f"{name}, which {library} takes for {format_quantity(nbytes, 'bytes')}"
            what = taken if algorithm == "auto" else name
            raise CollectiveError(
                f"--stepwise: found {what}; expected --algorithm all or one of {', '.join(known)}, whose "
                "messages are known"
            )
        found[nbytes] = (name,)
    return found


def _possible(operation: Operation, group: Group, cluster: Cluster) -> Iterator[str]:
    members = extents(group, cluster)
    for name, form in FORMS[operation].items():
        if form.powers and group.size & (group.size - 1):
            continue
        if form.levels and (prod(members) != group.size or group.stride != 1):
            continue
        yield name


def _closed(
    form: Form, schedule: Schedule, members: tuple[int, ...], nbytes: float, cluster: Cluster
) -> float:
    segments = segments_of(form, nbytes)
    graph, gamma = cluster_graph(cluster), 3 / cluster.device.memory_bandwidth
    if not form.levels:
        pairs = {(m.source, m.target) for each in schedule.rounds for m in each}
        ways = [message_way(graph, *pair) for pair in sorted(pairs)]
        alpha, beta = max(way[0] for way in ways), 1 / min(way[1] for way in ways)
        own = form.closed(members, nbytes, segments, alpha=alpha, beta=beta, gamma=gamma)
        if not form.apart:
            return own
        # of messages that share a link one runs while the other is on its way: latency or bytes decide
        beta *= _messages_of_a_link(schedule, graph)
        return max(own, form.closed(members, nbytes, segments, alpha=0.0, beta=beta, gamma=gamma))
    below, found = 1, []
    for m in members:
        found.append(message_way(graph, 0, below) if m > 1 else (0.0, 1.0))
        below *= m
    alphas, betas = [way[0] for way in found], [1 / way[1] for way in found]
    return form.closed(members, nbytes, segments, alpha=alphas, beta=betas, gamma=gamma)


def _messages_of_a_link(schedule: Schedule, graph: Graph) -> int:
    """Messages that a rank of the first round sends through one link at the same time, at most."""
    found = Counter(
        (message.source, edge)
        for message in schedule.rounds[0]
        for edge in route(graph, message.source, message.target)
    )
    return max(found.values())


def _priced(  # noqa: PLR0917 - the question, in the order it is read
    operation: Operation, nbytes: int, group: Group, cluster: Cluster, library: str, name: str
) -> float | None:
    if name not in applicable_algorithms(operation, group, cluster, library):
        return None
    return collective_time(operation, nbytes, group, cluster, library, name).time


def stepwise_cells(rows: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Rows under ``STEPWISE_HEADER``."""
    return [
        (
            format_quantity(row["size"], "bytes"),
            row["algorithm"],
            f"{row['messages']:,}",
            str(row["segments"]),
            format_quantity(row["time"], "time"),
            format_quantity(row["closed_form"], "time"),
            f"{row['time'] / row['closed_form'] - 1:+.1%}",
            "-" if row["priced"] is None else format_quantity(row["priced"], "time"),
        )
        for row in rows
    ]
