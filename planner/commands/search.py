"""`simdl search`: independent trainings of different shapes, packed on the devices of a cluster."""

import sys
from pathlib import Path

import click

from planner.console.format import format_duration, format_seconds
from planner.console.options.worker_options import worker_options
from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options
from planner.console.refusals import reporting_errors
from planner.console.time_left import progress_with_time_left
from planner.errors import UnfitTrialError
from planner.pages.page import report_path, write_page
from planner.trials.answer import SearchAnswer, headline, placements, search_json
from planner.trials.answer import search_trials as find_answer
from planner.trials.table import read_trials
from planner.workers.spread import Hands
from simdl.cores import usable_cores

HEADER = ("trial", "devices", "nodes", "starts", "ends", "takes", "step", "global batch", "plan", "when")
CHART = 32  # characters from the start to the makespan


@click.command()
@click.argument("trials", type=click.Path(path_type=Path))
@click.option("--cluster", required=True, help="NODE:COUNT, such as dgx-a100:4, or a TOML file.")
@worker_options
@answer_options("Print JSON in base units.")
@reporting_errors()
def search(
    *,
    trials: Path,
    cluster: str,
    workers: int | None,
    scheduler: str | None,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Pack the independent trainings of TRIALS.csv on a cluster so that the last one ends early.

    Columns name, model and length (90 epochs, 300B tokens, 5000 steps, 2d) are needed; devices (8, 2|4|8,
    1..16), copies, global_batch, seq_len, dataset, precision, optimizer and stack may be left out. A trial
    takes some devices of one node or whole nodes, without a break, for as long as the planner's best strategy
    needs there. Exits with 1 if a trial fits on no number of devices that it may take.
    """
    page_path = report_path(report_directory, "search", force=force)
    asked = read_trials(trials)
    hands = Hands(workers=workers or usable_cores(), scheduler=scheduler)
    try:
        with progress_with_time_left("plans") as told:
            answer = find_answer(asked, cluster, hands=hands, told=told)
    except UnfitTrialError as error:
        click.echo(f"no packing: {error}", err=as_json)
        sys.exit(1)
    data = search_json(answer)
    if page_path is not None:
        from planner.pages.sections.search import search_page  # noqa: PLC0415 - plotly, only where asked for

        write_page(search_page(data), page_path)
    if as_json:
        print_json(data)
    else:
        _print(answer)


def _print(answer: SearchAnswer) -> None:
    click.echo(headline(answer))
    rows = []
    whole = answer.packing.makespan
    for trial, choice, placed, _ in sorted(placements(answer), key=lambda each: (each[2].start, each[2].job)):
        rows.append(
            (
                trial.name,
                str(choice.devices),
                _range(placed.nodes),
                format_duration(placed.start),
                format_duration(placed.end),
                format_duration(placed.width.time),
                format_seconds(choice.row["step_time"]),
                str(choice.row["global_batch"]),
                choice.row["plan"],
                _bar(placed.start / whole, placed.end / whole),
            )
        )
    print_table(HEADER, rows)


def _bar(start: float, end: float) -> str:
    """From when to when, as text."""
    first = min(round(start * CHART), CHART - 1)
    return "." * first + "=" * max(1, round(end * CHART) - first)


def _range(nodes: tuple[int, ...]) -> str:
    """Nodes counted from 0."""
    apart = len(nodes) > 2 and nodes[-1] - nodes[0] + 1 == len(nodes)
    return f"{nodes[0]}..{nodes[-1]}" if apart else " ".join(map(str, nodes))
