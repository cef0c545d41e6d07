"""`simdl collectives`: time, chosen algorithm and bus bandwidth of a collective by message size."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from hardware.errors import HardwareError, UnitError
from hardware.profiles import load_cluster
from hardware.units import format_quantity
from planner.console.option_values import option_quantity
from planner.console.output import print_json, print_table
from planner.console.output_files import force_option, report_option
from planner.console.question_options import CLUSTER
from planner.console.refusals import bad_input, reporting_errors
from planner.pages.page import report_path, write_page
from simdl.collectives import (
    CollectiveCost,
    Group,
    Operation,
    applicable_algorithms,
    collective_time,
    library_names,
)
from simdl.collectives.library import load_library
from simdl.errors import CollectiveError, SimdlError

HEADER = ("size", "time", "algorithm", "algorithm bandwidth", "bus bandwidth")


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
    default="nccl",
    show_default=True,
    help=f"Collective library: {', '.join(library_names())}.",
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
    library: str,
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
        load_library(library)
        if group.size == 1:
            _check_alone(stride, algorithm)
        names = (
            applicable_algorithms(operation, group, cluster, library) if algorithm == "all" else (algorithm,)
        )
        rows = [
            _record(nbytes, collective_time(operation, nbytes, group, cluster, library, name))
            for nbytes in parse_sizes(size)
            for name in names
        ]
    except (HardwareError, SimdlError) as error:
        raise bad_input(error) from None
    data = {
        "cluster": cluster.name,
        "op": op,
        "ranks": group.size,
        "stride": stride,
        "library": library,
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
                row["algorithm"],
                format_quantity(row["algorithm_bandwidth"], "bandwidth"),
                format_quantity(row["bus_bandwidth"], "bandwidth"),
            )
            for row in rows
        ],
        title=f"{op} over {group.size} rank{'s' * (group.size > 1)} of {cluster.name}, {library}",
    )


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


def _record(nbytes: int, cost: CollectiveCost) -> dict[str, Any]:
    return {
        "size": nbytes,
        "time": cost.time,
        "algorithm": cost.algorithm,
        "algorithm_bandwidth": cost.algorithm_bandwidth,
        "bus_bandwidth": cost.bus_bandwidth,
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
    if not dots:
        return [round(low)]
    found = list(_powers_of_two(low, option_quantity(option, high_text, "bytes")))
    if not found:
        raise UnitError(f"{option}: no power of two in {text!r}; expected such as 1KiB..1GiB")
    return found


def _powers_of_two(low: float, high: float) -> Iterator[int]:
    size = 1 << max(0, math.ceil(math.log2(max(low, 1))))
    while size <= high:
        yield size
        size *= 2
