"""`simdl simulate`: one training step of a model on a cluster with a given strategy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hardware.errors import HardwareError
from hardware.units import format_quantity
from planner.console.breakdown_rows import BREAKDOWN_HEADER, breakdown_rows
from planner.console.format import format_rate, format_seconds, format_strategy
from planner.console.output import print_json, print_table
from planner.console.output_files import check_new, force_option, report_option
from planner.console.question_options import question_options
from planner.console.refusals import bad_input
from planner.console.report_json import simulation_json
from planner.console.strategy_options import chosen_strategy, given_flags, strategy_options
from planner.console.training_options import (
    asked_training,
    print_training,
    training_json,
    training_options,
)
from planner.overlays.step_trace import write_step_trace
from planner.pages.page import report_path, write_page
from planner.per_layer.report import split_lines
from planner.questions.question import Options, Question, for_strategy, load_question
from planner.search.remedy import other_stacks, remedies, why_larger
from simdl.errors import SimdlError
from simdl.report.chakra_trace import write_chakra_traces
from simdl.report.chrome_trace_hta import write_hta_traces
from simdl.report.step_report import StepReport
from simdl.step.simulate import Simulation, price
from simdl.step.simulate import simulate as simulate_step
from simdl.step.strategy import Strategy
from workloads.errors import WorkloadError

REMEDIES = 3
TRACE_FORMATS = ("chrome", "hta", "chakra")


@click.command()
@question_options
@strategy_options
@click.option(
    "--from",
    "launch_file",
    metavar="FILE",
    help="Launch file whose strategy is taken: arguments of Megatron-LM or Megatron-Bridge, DeepSpeed JSON, "
    "a configuration of torchtitan or NeMo AutoModel.",
)
@click.option("--trace", type=click.Path(path_type=Path), help="Write the timeline to a file.")
@click.option(
    "--format",
    "trace_format",
    type=click.Choice(TRACE_FORMATS),
    show_default="chrome",
    help="Of the trace: chrome, for Perfetto, or a directory with one file per rank: hta, for Holistic Trace "
    "Analysis, chakra, for tools of MLCommons Chakra.",
)
@training_options
@report_option
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units.")
def simulate(
    *,
    options: Options,
    strategy_file: str | None,
    launch_file: str | None,
    trace: Path | None,
    trace_format: str | None,
    epochs: float | None,
    dataset: str | None,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
    **flags: Any,  # noqa: ANN401 - values of Strategy's fields
) -> None:
    """Simulate one training step of MODEL on a cluster.

    Exits with 2 if the strategy cannot be carried out or does not fit in memory; a trace is then not written.
    """
    try:
        _check_trace(trace, trace_format, force=force)
        page_path = report_path(report_directory, "simulate", force=force, beside=trace)
        asked = asked_training(epochs, dataset)
        question, strategy = _asked(options, strategy_file, launch_file, flags)
        simulation = simulate_step(question.workload, question.cluster, strategy, stack=question.stack)
        if simulation.report.feasible and trace is not None:
            _write_trace(simulation, trace, trace_format)
        data = simulation_json(question, simulation.report)
        if asked is not None:
            data["training"] = training_json(question, simulation.report.samples_per_s, asked)
        if simulation.report.feasible and page_path is not None:
            _write_report(question, simulation, data, page_path)
    except (HardwareError, WorkloadError, SimdlError) as error:
        raise bad_input(error) from None
    report = simulation.report
    if as_json:
        print_json(data)
    elif report.feasible:
        _print_report(question, report)
        if asked is not None:
            print_training(data["training"])
    if not report.feasible:
        raise bad_input(SimdlError(_does_not_fit(question, report)))


def _asked(
    options: Options, strategy_file: str | None, launch_file: str | None, flags: Mapping[str, Any]
) -> tuple[Question, Strategy]:
    """The question and the strategy: of a launch file, of a strategy file, or of flags.

    Raises:
        HardwareError, WorkloadError, SimdlError: unknown names, bad files, or two sources of one thing.
    """
    if launch_file is None:
        question = load_question(options)
        strategy = chosen_strategy(strategy_file, flags, question.cluster)
        return for_strategy(question, options, strategy), strategy
    given = [*(["--strategy"] if strategy_file else []), *(f"--{key}" for key in given_flags(flags))]
    if given:
        names = ", ".join(name.replace("_", "-") for name in given)
        raise SimdlError(f"{names}: given together with --from {launch_file}; expected one or the other")
    from planner.launch.answer import ask_launch_file  # noqa: PLC0415 - only where one is read

    return ask_launch_file(launch_file, options)


def _check_trace(path: Path | None, trace_format: str | None, *, force: bool) -> None:
    """Refuse a trace that could not be written, or a format of none.

    Raises:
        SimdlError: one of the two.
    """
    if path is not None:
        check_new(path, force=force, what="trace")
    elif trace_format is not None:
        raise SimdlError(f"--format {trace_format}: needs --trace; expected a path to write the trace to")


def _write_trace(simulation: Simulation, path: Path, trace_format: str | None) -> None:
    if trace_format == "hta":
        write_hta_traces(simulation.timeline, path)
    elif trace_format == "chakra":
        write_chakra_traces(simulation.timeline, path)
    else:
        write_step_trace(simulation, path)


def _write_report(question: Question, simulation: Simulation, data: dict[str, Any], path: Path) -> None:
    from planner.pages.sections.step import simulate_page  # noqa: PLC0415 - plotly, only where it is asked for

    write_page(simulate_page(question, simulation, data), path)


def _does_not_fit(question: Question, report: StepReport) -> str:
    """The message for a strategy that needs too much memory: place, amount and remedy."""
    if question.cluster.more:
        return f"{format_strategy(report.strategy)} does not fit: {report.reasons[0]}"
    pricing = price(question.workload, question.cluster, stack=question.stack)
    fitting = []
    for line in remedies(report.strategy, question.workload, pricing):
        fitting.append(line)
        if len(fitting) == REMEDIES:
            break
    advice = f"these fit: {'; '.join(fitting)}" if fitting else ""
    if others := list(other_stacks(report.strategy, question.workload, pricing)):
        because = f"software stack {question.stack.name} is the cause ({why_larger(question.stack)})"
        advice = f"{because}; it fits with {' or '.join(others)}" + (f"; {advice}" if advice else "")
    advice = advice or "no single change fits; `simdl plan` searches all strategies"
    more = f" (and {len(report.reasons) - 1} more stages)" if len(report.reasons) > 1 else ""
    return f"{format_strategy(report.strategy)} does not fit: {report.reasons[0]}{more}; {advice}"


def _print_report(question: Question, report: StepReport) -> None:
    workload = question.workload
    title = f"{workload.network.name} on {question.cluster.name}, global batch {workload.global_batch}"
    print_table(("", ""), _totals(question, report), title=title)
    print_table(BREAKDOWN_HEADER, breakdown_rows(report.breakdown), title="where the step goes")
    print_table(
        ("part", "bytes"),
        [(name, format_quantity(nbytes, "bytes")) for name, nbytes in report.memory.items() if nbytes],
        title="memory of the fullest device",
    )
    lines = list(split_lines(report.strategy, workload.network))
    lines += [f"assumed: {sentence}" for sentence in question.assumptions]
    lines += [f"warning: {sentence}" for sentence in report.warnings]
    lines.append(f"from: {_provenance(report)}")
    click.echo("\n".join(lines))


def _totals(question: Question, report: StepReport) -> list[tuple[str, str]]:
    rows = [
        ("strategy", format_strategy(report.strategy)),
        ("step time", format_seconds(report.step_time)),
        ("90 % interval", _interval(report)),
        ("samples/s", format_rate(report.samples_per_s)),
        ("tokens/s", format_rate(report.tokens_per_s)),
        ("MFU", f"{report.mfu:.1%}"),
        ("HFU", f"{report.hfu:.1%}"),
        ("flop rate per device", format_quantity(report.flop_rate_per_device, "flop_rate")),
        ("bubble", f"{report.bubble_fraction:.1%}"),
        ("exposed communication", format_seconds(report.exposed_communication)),
        ("peak memory", format_quantity(report.peak_memory, "bytes")),
    ]
    return [row for row in rows if row[0] != "tokens/s" or question.workload.network.tokens > 1]


def _interval(report: StepReport) -> str:
    interval = report.interval
    return f"{format_seconds(interval.low)} to {format_seconds(interval.high)} ({interval.knowledge})"


def _provenance(report: StepReport) -> str:
    known = dict(report.provenance)
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(known["numbers"].items()))
    links = ", ".join(known["links"])
    shares = ((kind, seconds / report.step_time) for kind, seconds in known["seconds"].items())
    resting = ", ".join(f"{kind} {share:.0%}" for kind, share in shares if share >= 0.005)
    return (
        f"stack {known['stack']}, device {known['device']}, links {links}, network {known['network']}; "
        f"numbers: {counts}; seconds resting on {resting} numbers"
    )
