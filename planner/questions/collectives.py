"""The question of a collective: operation, sizes and group on a cluster, and its answer by key."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from hardware.cluster import Cluster
from hardware.errors import UnitError
from hardware.units import format_quantity
from planner.console.options.option_values import option_quantity
from planner.questions.cluster_library import library_of
from planner.questions.stepwise import stepwise_rows
from simdl.communication import (
    Group,
    Operation,
    applicable_algorithms,
    collective_time,
    crossovers,
    library_steps,
    lower_bound,
)
from simdl.communication.library import load_library
from simdl.errors import CollectiveError

HEADER = ("size", "time", "algorithm", "protocol", "algorithm bandwidth", "bus bandwidth", "lower bound")
CHOSEN = " *"
LARGEST = 2**50  # bytes


def collectives_json(
    cluster: Cluster,
    *,
    operation: Operation,
    sizes: Sequence[int],
    ranks: int | None = None,
    stride: int = 1,
    algorithm: str = "auto",
    library: str | None = None,
    stepwise: bool = False,
) -> dict[str, Any]:
    """The answer of `simdl collectives` by key, in base units.

    Args:
        cluster: on what.
        operation: what is done.
        sizes: [bytes] as :func:`simdl.communication.collective_time` counts them.
        ranks: of the group; None for all devices.
        stride: distance in rank between neighbours of the group.
        algorithm: ``"auto"`` for the library's choice, ``"all"`` for each that applies, or a name.
        stepwise: also run every message of the algorithm as an event (``stepwise`` in the answer).
        library: with its version where rules are known by version; None for that of the cluster or device.

    Raises:
        CollectiveError: an unknown library or algorithm, or one that does not apply.
        HardwareError: the group does not fit on the cluster.
    """
    group = Group(size=cluster.devices if ranks is None else ranks, stride=stride)
    library = library_of(cluster) if library is None else library
    version = load_library(library).version
    if group.size == 1:
        _check_alone(stride, algorithm)
    names = applicable_algorithms(operation, group, cluster, library) if algorithm == "all" else (algorithm,)
    data: dict[str, Any] = {
        "cluster": cluster.name,
        "op": operation.value,
        "ranks": group.size,
        "stride": stride,
        "library": library,
        "version": None if version is None else version.text,
        "choice": [asdict(step) for step in library_steps(operation, group, cluster, library)],
        "crossovers": [asdict(step) for step in crossovers(operation, sizes, group, cluster, library)],
        "rows": [
            _record(nbytes, operation, group, cluster, library, name) for nbytes in sizes for name in names
        ],
    }
    if stepwise:
        data["stepwise"] = stepwise_rows(
            cluster, operation=operation, sizes=sizes, group=group, algorithm=algorithm, library=library
        )
    return {**data, "headline": collective_sentence(data, cluster)}


def collective_sentence(data: dict[str, Any], cluster: Cluster) -> str:
    """How long it takes, what limits the largest, and what the numbers of the links rest on."""
    rows = [row for row in data["rows"] if row["chosen"]] or data["rows"]
    first, last = rows[0], rows[-1]
    about = f"{data['op']} over {_ranks(data)} of {data['cluster']} with {library_title(data)}"
    times = f"{format_quantity(first['time'], 'time')} for {format_quantity(first['size'], 'bytes')}"
    if data["ranks"] == 1:
        return f"Run {about}: it sends nothing."
    if last["size"] != first["size"]:
        times += f" to {format_quantity(last['time'], 'time')} for {format_quantity(last['size'], 'bytes')}"
    beyond = last["time"] / last["lower_bound"] if last["lower_bound"] else 1.0
    kinds = Counter(number.citation.kind for level in cluster.levels for number in level.link.numbers)
    rest = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return (
        f"Run {about}: it takes {times}, at a bus bandwidth of "
        f"{format_quantity(last['bus_bandwidth'], 'bandwidth')} for the largest, "
        f"{beyond:.3g} times what bandwidth alone would take; numbers of the links: {rest}."
    )


def _ranks(data: dict[str, Any]) -> str:
    return f"{data['ranks']} rank{'s' * (data['ranks'] > 1)}"


def _check_alone(stride: int, algorithm: str) -> None:
    """Refuse what has no meaning for a group of one rank.

    Raises:
        CollectiveError: it has.
    """
    if stride != 1:
        raise CollectiveError(
            f"--stride {stride}: found with a group of 1 rank; expected --ranks of at least 2"
        )
    if algorithm != "auto":
        raise CollectiveError(
            f"--algorithm {algorithm}: found with a group of 1 rank, which sends nothing; expected --ranks "
            "of at least 2, or --algorithm auto"
        )


def collective_title(data: dict[str, Any]) -> str:
    """What was asked, in a line."""
    return f"{data['op']} over {_ranks(data)} of {data['cluster']}, {library_title(data)}"


def collective_rows(data: dict[str, Any]) -> list[tuple[str, ...]]:
    """Rows under ``HEADER``; where algorithms are compared, the library's choice is marked."""
    several = len(data["rows"]) > len({row["size"] for row in data["rows"]})
    return [
        (
            format_quantity(row["size"], "bytes"),
            format_quantity(row["time"], "time"),
            f"{row['algorithm']}{CHOSEN if row['chosen'] and several else ''}",
            row["protocol"],
            format_quantity(row["algorithm_bandwidth"], "bandwidth"),
            format_quantity(row["bus_bandwidth"], "bandwidth"),
            format_quantity(row["lower_bound"], "time"),
        )
        for row in data["rows"]
    ]


def library_title(data: dict[str, Any]) -> str:
    """The library with the version whose rules choose."""
    name = data["library"].partition(":")[0]
    return f"{name} {data['version']}" if data["version"] else name


def choice_lines(data: dict[str, Any]) -> list[str]:
    """What the library takes by size, and where the fastest algorithm changes, as sentences."""
    lines = []
    if data["choice"]:
        lines.append(f"choice of {library_title(data)}: {_steps(data['choice'], 'protocol')}")
    elif data["ranks"] > 1:
        lines.append(f"choice of {library_title(data)}: the fastest; its own rules are not known")
    if data["crossovers"]:
        lines.append(f"fastest algorithm: {_steps(data['crossovers'], '')}")
    return lines


def _steps(steps: list[dict[str, Any]], also: str) -> str:
    return ", ".join(
        f"{step['algorithm']}{' ' + step[also] if also else ''}"
        + (f" from {format_quantity(step['size'], 'bytes')}" if index else "")
        for index, step in enumerate(steps)
    )


def _record(  # noqa: PLR0917 - the question, in the order it is read
    nbytes: int, operation: Operation, group: Group, cluster: Cluster, library: str, algorithm: str
) -> dict[str, Any]:
    cost = collective_time(operation, nbytes, group, cluster, library, algorithm)
    own = collective_time(operation, nbytes, group, cluster, library)
    return {
        "size": nbytes,
        "time": cost.time,
        "algorithm": cost.algorithm,
        "algorithm_bandwidth": cost.algorithm_bandwidth,
        "bus_bandwidth": cost.bus_bandwidth,
        "protocol": cost.protocol,
        "chosen": cost.algorithm == own.algorithm,
        "lower_bound": lower_bound(operation, nbytes, group, cluster, library) if group.size > 1 else 0.0,
    }


def parse_sizes(text: str, option: str = "--size") -> list[int]:
    """Sizes [bytes] that the text of an option asks for: one, or the powers of two from LOW to HIGH.

    Raises:
        UnitError: not a size or a range of sizes.
    """
    low_text, dots, high_text = text.partition("..")
    if dots and not (low_text.strip() and high_text.strip()):
        raise UnitError(f"{option}: found {text!r}; expected a size, or LOW..HIGH such as 1KiB..1GiB")
    low = option_quantity(option, low_text, "bytes", least=0 if dots else 1)
    high = option_quantity(option, high_text, "bytes") if dots else low
    if max(low, high) > LARGEST:
        raise UnitError(f"{option}: found {text!r}; expected at most {format_quantity(LARGEST, 'bytes')}")
    if not dots:
        return [round(low)]
    found = list(_powers_of_two(low, high))
    if not found:
        raise UnitError(f"{option}: no power of two in {text!r}; expected such as 1KiB..1GiB")
    return found


def _powers_of_two(low: float, high: float) -> Iterator[int]:
    size = 1 << max(0, math.ceil(math.log2(max(low, 1))))
    while size <= high:
        yield size
        size *= 2
