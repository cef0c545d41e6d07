"""`simdl collectives`: time, chosen algorithm and bus bandwidth of a collective by message size."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hardware.cluster import Cluster
from hardware.errors import HardwareError, UnitError
from hardware.profiles import load_cluster
from hardware.units import format_quantity
from planner.console.option_values import option_quantity
from planner.console.output import print_json, print_table
from planner.console.output_files import force_option, report_option
from planner.console.question_options import CLUSTER
from planner.console.refusals import bad_input, reporting_errors
from planner.pages.page import report_path, write_page
from simdl.communication import (
    Group,
    Operation,
    applicable_algorithms,
    collective_time,
    crossovers,
    library_names,
    library_steps,
    lower_bound,
    usual_library,
)
from simdl.communication.library import load_library
from simdl.errors import CollectiveError, SimdlError

HEADER = ("size", "time", "algorithm", "protocol", "algorithm bandwidth", "bus bandwidth", "lower bound")
CHOSEN = " *"
LARGEST = 2**50  # bytes


@click.command()
@click.option("--cluster", "cluster_name", required=True, help=CLUSTER)
@click.option(
    "--op",
    default=Operation.ALL_REDUCE.value,
    show_default=True,
    type=click.Choice([operation.value for operation in Operation]),
    help="Operation. The size of an all-gather is its output, of a reduce-scatter its input, of an "
    "all-to-all what one rank sends.",
)
@click.option(
    "--size",
    default="1KiB..1GiB",
    show_default=True,
    help="A size such as 64MiB, or a range LOW..HIGH whose powers of two are shown.",
)
@click.option("--ranks", type=int, show_default="all devices", help="Members of the group; 1 sends nothing.")
@click.option(
    "--stride",
    type=int,
    default=1,
    show_default=True,
    help="Distance in rank between neighbours of the group.",
)
@click.option(
    "--algorithm",
    default="auto",
    show_default=True,
    help="auto (the library's choice), all (one row for each that applies), or a name.",
)
@click.option(
    "--library",
    show_default="the device's own",
    help=f"Collective library: {', '.join(library_names())}; with a version such as nccl:2.21.5 where the "
    "library's rules of choice are known by version.",
)
@report_option
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units.")
def collectives(  # noqa: PLR0917 - click passes one argument per option
    cluster_name: str,
    op: str,
    size: str,
    ranks: int | None,
    stride: int,
    algorithm: str,
    library: str | None,
    *,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Time of a collective on a cluster by message size."""
    try:
        page_path = report_path(report_directory, "collectives", force=force)
        cluster = load_cluster(cluster_name)
        operation = Operation(op)
        group = Group(size=cluster.devices if ranks is None else ranks, stride=stride)
        library = usual_library(cluster.device.generation) if library is None else library
        version = load_library(library).version
        if group.size == 1:
            _check_alone(stride, algorithm)
        names = (
            applicable_algorithms(operation, group, cluster, library) if algorithm == "all" else (algorithm,)
        )
        sizes = parse_sizes(size)
        rows = [
            _record(nbytes, operation, group, cluster, library, name) for nbytes in sizes for name in names
        ]
        steps = library_steps(operation, group, cluster, library)
        crossed = crossovers(operation, sizes, group, cluster, library)
    except (HardwareError, SimdlError) as error:
        raise bad_input(error) from None
    data = {
        "cluster": cluster.name,
        "op": op,
        "ranks": group.size,
        "stride": stride,
        "library": library,
        "version": None if version is None else version.text,
        "choice": [asdict(step) for step in steps],
        "crossovers": [asdict(step) for step in crossed],
        "rows": rows,
    }
    if page_path is not None:
        _write_report(data, page_path)
    if as_json:
        print_json(data)
        return
    print_table(
        HEADER,
        [
            (
                format_quantity(row["size"], "bytes"),
                format_quantity(row["time"], "time"),
                f"{row['algorithm']}{CHOSEN if row['chosen'] and len(names) > 1 else ''}",
                row["protocol"],
                format_quantity(row["algorithm_bandwidth"], "bandwidth"),
                format_quantity(row["bus_bandwidth"], "bandwidth"),
                format_quantity(row["lower_bound"], "time"),
            )
            for row in rows
        ],
        title=f"{op} over {group.size} rank{'s' * (group.size > 1)} of {cluster.name}, {library_title(data)}",
    )
    for line in choice_lines(data):
        click.echo(line)


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


def _write_report(data: dict[str, Any], path: Path) -> None:
    from planner.pages.sections.collectives import (  # noqa: PLC0415 - plotly, only where it is asked for
        collectives_page,
    )

    with reporting_errors():
        write_page(collectives_page(data), path)


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
