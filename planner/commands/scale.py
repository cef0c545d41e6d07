"""`simdl scale`: throughput and efficiency of data parallelism by number of nodes, and where it stops."""

import sys
from dataclasses import replace
from pathlib import Path

import click

from hardware.profiles import load_cluster
from planner.console.answers.breakdown_rows import BREAKDOWN_HEADER, breakdown_rows
from planner.console.answers.headline import setting_of
from planner.console.format import format_rate, format_seconds
from planner.console.options.question_options import asking
from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options
from planner.console.refusals import reporting_errors
from planner.pages.page import report_path, write_page
from planner.questions.question import Options, load_question
from planner.questions.scaling import changed_stack, cluster_names, scaling_json
from planner.scaling.curves import ScaleCurve, ScalePoint
from planner.scaling.curves import scale as find_curve
from simdl.communication import ALGORITHMS, Operation


@click.command()
@asking(
    cluster="NODE:FIRST..LAST, such as dgx-a100:1..64.",
    global_batch="Samples per step on the smallest cluster.",
)
@click.option(
    "--mode",
    type=click.Choice(["weak", "strong"]),
    default="weak",
    show_default=True,
    help="weak: the same samples per device; strong: the same per step.",
)
@click.option(
    "--bucket",
    show_default="the stack's",
    help="Gradients in one collective, such as 4MB; 0B sends every tensor alone.",
)
@click.option(
    "--gradient-algorithm",
    type=click.Choice(["auto", *ALGORITHMS[Operation.ALL_REDUCE]]),
    show_default="the stack's",
    help="All-reduce of gradients.",
)
@click.option(
    "--split-layers", is_flag=True, help="Also find the best split of every layer, for networks of images."
)
@answer_options()
@reporting_errors()
def scale(
    *,
    options: Options,
    mode: str,
    bucket: str | None,
    gradient_algorithm: str | None,
    split_layers: bool,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Scale data parallelism for MODEL over a range of nodes, and say where it stops paying.

    Numbers of nodes double from FIRST to LAST, and each is simulated. More devices pay while they bring at
    least half of the throughput that as many do at the count before ("of ideal gain" of 50%), are no more
    than the samples, and have enough memory. Exits with 1 if no count can run.
    """
    page_path = report_path(report_directory, "scale", force=force)
    names = cluster_names(options.cluster)
    question = load_question(replace(options, cluster=names[0]))
    curve = find_curve(
        question.workload,
        [load_cluster(name) for name in names],
        stack=changed_stack(question.stack, bucket=bucket, algorithm=gradient_algorithm),
        mode=mode,
        split_layers=split_layers,
    )
    data = scaling_json(question, curve, options.model)
    title, sample = f"{options.model} on {options.cluster}, {mode} scaling", question.workload.network.sample
    if page_path is not None:
        from planner.pages.sections.scaling import scale_page  # noqa: PLC0415 - plotly, only where asked for

        write_page(scale_page(data, title, sample), page_path)
    if as_json:
        print_json(data)
    else:
        click.echo(data["headline"])
        _print(curve, ", ".join((title, *setting_of(question))), sample)
        click.echo("\n".join(f"assumed: {sentence}" for sentence in question.assumptions))
    if not any(point.answers for point in curve.points):
        sys.exit(1)


def _print(curve: ScaleCurve, title: str, sample: str) -> None:
    split = any(point.split_layers for point in curve.points)
    header = ["devices", "global batch", "step", f"{sample}s/s", "efficiency", "of ideal gain"]
    rows = [_row(point, split) for point in curve.points]
    print_table([*header, *(["layers split"] if split else []), ""], rows, title=title)
    if ran := [point for point in curve.points if point.ran]:
        last = ran[-1]
        print_table(
            BREAKDOWN_HEADER,
            breakdown_rows(last.breakdown),
            title=f"where the step goes on {last.devices} devices",
        )


def _row(point: ScalePoint, split: bool) -> list[str]:
    ran = point.ran
    cells = [
        str(point.devices),
        str(point.global_batch),
        format_seconds(point.step_time) if ran else "-",
        format_rate(point.samples_per_s) if ran else "-",
        f"{point.efficiency:.1%}" if ran else "-",
        "-" if point.gain is None or not ran else f"{point.gain:.0%}",
    ]
    if split:
        cells.append("-" if point.split_layers is None else format_rate(point.split_layers))
    return [*cells, point.reason]
