"""`simdl overlay`: a trace of a real training run next to a simulated step."""

from pathlib import Path
from typing import Any

import click

from planner.console.answers.headline import answer_header
from planner.console.format import format_seconds
from planner.console.output import bar, print_json, print_table
from planner.console.output_files import answer_options
from planner.console.refusals import bad_input, reporting_errors
from planner.kineto.facts import said
from planner.kineto.measured_steps import MeasuredTrace, measure_trace
from planner.overlays.chakra_file import is_chakra, measure_chakra
from planner.overlays.overlay import Overlay, overlay_trace, run_differences
from planner.pages.page import report_path, write_page
from planner.questions.answer_file import Answer, load_answer

BAR = 24  # characters of the longest bar
HEADER = ("category", "measured", "share", "", "simulated", "share", "", "simulated - measured")


@click.command()
@click.argument("trace_file", metavar="TRACE.json", type=click.Path(path_type=Path))
@click.argument("plan_file", metavar="PLAN.json", type=click.Path(path_type=Path))
@click.option(
    "--plan",
    "number",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Which plan of the file, by rank.",
)
@click.option(
    "--rank",
    type=click.IntRange(min=0),
    show_default="0",
    help="Pipeline rank whose simulated timeline the page shows.",
)
@click.option("--whole", is_flag=True, help="Take the trace as one step, as of a loop that marks none.")
@answer_options()
@reporting_errors()
def overlay(
    *,
    trace_file: Path,
    plan_file: Path,
    number: int,
    rank: int | None,
    whole: bool,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Put a trace of torch.profiler next to a simulated step, by category.

    TRACE.json (or .json.gz) is a Chrome trace with ProfilerStep#N marks of a run on GPUs or a CPU; its first
    step counts as warm-up, and a last one that the profiler cut off is left out. A world size, device or
    model other than the plan's is warned of. TRACE.et is an execution trace of MLCommons Chakra, of one rank
    and one step. PLAN.json is what `simdl plan --json` or `simdl simulate --json`
    printed. Measured seconds are means over the steps, simulated ones over pipeline ranks.
    """
    if rank is not None and report_directory is None:
        raise bad_input(f"--rank {rank}: found without --report; expected a page that shows it")
    page_path = report_path(report_directory, "overlay", force=force)
    answer = load_answer(plan_file, number=number)
    chakra = is_chakra(trace_file)
    trace = measure_chakra(trace_file) if chakra else measure_trace(trace_file, whole=whole)
    result = overlay_trace(trace, answer)
    warnings = tuple(run_differences(trace, answer))
    data = overlay_json(trace_file, answer, trace, result)
    data |= {"warnings": list(warnings)}
    if page_path is not None:
        from planner.pages.sections.overlay import overlay_page  # noqa: PLC0415 - plotly, only where asked for

        write_page(overlay_page(answer, trace, result, data, rank=rank or 0), page_path)
    if as_json:
        print_json(data)
        return
    click.echo(data["headline"])
    print_table(HEADER, overlay_rows(result), title=answer_header(answer))
    if warnings:
        click.echo("\n".join(f"warning: {sentence}" for sentence in warnings))


def overlay_json(path: Path, answer: Answer, trace: MeasuredTrace, result: Overlay) -> dict[str, Any]:
    """The command's JSON, in base units."""
    return {
        "headline": headline(trace, result),
        "trace": str(path),
        "plan": answer.place,
        "device": "gpu" if trace.on_device else "cpu",
        "steps": [{"number": step.number, "step_time": step.seconds} for step in trace.steps],
        "left_out": list(trace.left_out),
        "cut_off": trace.cut_off,
        "run": dict(said(trace.facts)),
        "measured": result.measured,
        "simulated": result.simulated,
        "categories": [
            {
                "name": category.name,
                "measured": category.measured,
                "measured_share": category.measured / result.measured,
                "simulated": category.simulated,
                "simulated_share": category.simulated / result.simulated,
            }
            for category in result.categories
        ],
    }


def headline(trace: MeasuredTrace, result: Overlay) -> str:
    """What was measured and simulated, in one sentence."""
    times = [step.seconds for step in trace.steps]
    span = f" ({format_seconds(min(times))} to {format_seconds(max(times))})" if len(times) > 1 else ""
    steps = f"{len(times)} steps" if len(times) > 1 else "1 step"
    left = f", step {trace.left_out[0]} left out as warm-up" if trace.left_out else ""
    cut = "" if trace.cut_off is None else f", step {trace.cut_off} left out, cut off by the profiler"
    most = max(result.categories, key=lambda each: abs(each.simulated - each.measured))
    return (
        f"A step was measured at {format_seconds(result.measured)} on the mean of {steps}{span}{left}{cut}; "
        f"it is simulated at {format_seconds(result.simulated)}: "
        f"{result.simulated / result.measured - 1:+.1%}, most of it "
        f"{most.name} ({_change(most.simulated - most.measured)})."
    )


def overlay_rows(result: Overlay) -> list[tuple[str, ...]]:
    """Rows under ``HEADER``, ended by the step itself."""
    longest = max(max(category.measured, category.simulated) for category in result.categories)
    rows = [
        (
            category.name,
            *_cells(category.measured, result.measured, longest),
            *_cells(category.simulated, result.simulated, longest),
            _change(category.simulated - category.measured),
        )
        for category in result.categories
    ]
    whole = (_cells(seconds, seconds, 0.0) for seconds in (result.measured, result.simulated))
    return [*rows, ("step time", *next(whole), *next(whole), _change(result.simulated - result.measured))]


def _cells(seconds: float, step: float, longest: float) -> tuple[str, str, str]:
    drawn = bar(seconds / longest, BAR).rstrip(".") if longest else ""
    return format_seconds(seconds), f"{seconds / step:.1%}", drawn


def _change(seconds: float) -> str:
    return f"{'-' if seconds < 0 else '+'}{format_seconds(abs(seconds))}"
