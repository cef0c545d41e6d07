"""`simdl collectives`: time, chosen algorithm and bus bandwidth of a collective by message size."""

from pathlib import Path
from typing import Any

import click

from hardware.profiles import load_cluster
from planner.console.options.question_options import CLUSTER
from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options
from planner.console.refusals import reporting_errors
from planner.pages.page import report_path, write_page
from planner.questions.collectives import (
    HEADER,
    choice_lines,
    collective_rows,
    collective_title,
    collectives_json,
    parse_sizes,
)
from planner.questions.stepwise import STEPWISE_HEADER, stepwise_cells
from simdl.communication import Operation, library_names


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
    show_default="the cluster file's, else the device's own",
    help=f"Collective library: {', '.join(library_names())}; with a version such as nccl:2.21.5 where the "
    "library's rules of choice are known by version.",
)
@click.option(
    "--stepwise",
    is_flag=True,
    help="Also run every message as an event on the links of the cluster, beside the closed form.",
)
@answer_options()
@reporting_errors()
def collectives(  # noqa: PLR0917 - click passes one argument per option
    cluster_name: str,
    op: str,
    size: str,
    ranks: int | None,
    stride: int,
    algorithm: str,
    library: str | None,
    *,
    stepwise: bool,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Time a collective on a cluster by message size, algorithm and library."""
    page_path = report_path(report_directory, "collectives", force=force)
    data = collectives_json(
        load_cluster(cluster_name),
        operation=Operation(op),
        sizes=parse_sizes(size),
        ranks=ranks,
        stride=stride,
        algorithm=algorithm,
        library=library,
        stepwise=stepwise,
    )
    if page_path is not None:
        _write_report(data, page_path)
    if as_json:
        print_json(data)
        return
    click.echo(data["headline"])
    print_table(HEADER, collective_rows(data), title=collective_title(data))
    for line in choice_lines(data):
        click.echo(line)
    if stepwise:
        print_table(
            STEPWISE_HEADER,
            stepwise_cells(data["stepwise"]),
            title="every message as an event, and the same algorithm folded",
        )


def _write_report(data: dict[str, Any], path: Path) -> None:
    from planner.pages.sections.collectives import (  # noqa: PLC0415 - plotly, only where it is asked for
        collectives_page,
    )

    with reporting_errors():
        write_page(collectives_page(data), path)
