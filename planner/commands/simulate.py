"""`simdl simulate`: one training step of a model on a cluster with a given strategy, or the model in use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hardware.units import format_quantity
from planner.console.answers.breakdown_rows import BREAKDOWN_HEADER, breakdown_rows
from planner.console.answers.headline import header
from planner.console.answers.input_report import input_lines
from planner.console.answers.report_json import simulation_json
from planner.console.format import format_rate, format_seconds, format_strategy
from planner.console.options.inference_options import (
    INFERENCE,
    answer_inference,
    check_generate,
    inference_options,
)
from planner.console.options.question_options import simulated_question
from planner.console.options.strategy_options import (
    asked_strategy,
    format_flags,
    given_flags,
    open_strategy_options,
    with_nearest,
)
from planner.console.options.training_options import (
    asked_training,
    print_training,
    training_json,
    training_options,
)
from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options, check_new
from planner.console.refusals import bad_input, reporting_errors
from planner.overlays.step_trace import write_step_trace
from planner.pages.page import report_path, write_page
from planner.per_layer.report import split_lines
from planner.questions.question import Options, Question, load_question
from planner.questions.strategy_file import format_changes
from planner.remedies.least_saving import NOTHING, Choice
from planner.remedies.remedy import why_larger
from planner.remedies.ways_out import ways_out
from simdl.errors import SimdlError, StrategyError
from simdl.report.chakra_trace import write_chakra_traces
from simdl.report.chrome_trace_hta import write_hta_traces
from simdl.report.residuals import residual_text
from simdl.report.step_report import StepReport
from simdl.step.simulate import Simulation
from simdl.step.simulate import simulate as simulate_step
from simdl.step.strategy import Strategy

TRACE_FORMATS = ("chrome", "hta", "chakra")


@click.command()
@simulated_question
@open_strategy_options
@click.option(
    "--from",
    "launch_file",
    metavar="FILE",
    help="Launch file whose strategy is taken: arguments of Megatron-LM or Megatron-Bridge, DeepSpeed JSON, "
    "a configuration of torchtitan or NeMo AutoModel.",
)
@click.option(
    "--trace",
    type=click.Path(path_type=Path),
    help="Write the timeline of the step to this file or directory.",
)
@click.option(
    "--format",
    "trace_format",
    type=click.Choice(TRACE_FORMATS),
    show_default="chrome",
    help="Format of the trace: chrome, one file for Perfetto; hta, for Holistic Trace Analysis, or chakra, "
    "for tools of MLCommons Chakra, a directory with a file per rank.",
)
@training_options
@inference_options
@answer_options()
@reporting_errors()
def simulate(
    *,
    options: Options,
    strategy_file: str | None,
    launch_file: str | None,
    trace: Path | None,
    trace_format: str | None,
    epochs: float | None,
    dataset: str | None,
    mode: str,
    generate: int | None,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
    **flags: Any,  # noqa: ANN401 - values of Strategy's fields
) -> None:
    """Simulate one training step of MODEL on a cluster, or with --mode inference its use.

    MODEL is a registered name (simdl models), a TOML file or a Hugging Face config.json.

    What no option says of the strategy is chosen: the least memory saving that fits. Savers are taken up in
    this order: sequence parallelism where tp is above 1, ZeRO stage, smaller micro-batches (from all samples
    of a replica; with a pipeline the smallest), recomputation, ep, tp within a node, pp, cp. That is rarely
    the fastest strategy: simdl plan finds it. Exits with 2 if the strategy cannot be carried out or does not
    fit in memory; a trace is then not written.
    """
    if mode == INFERENCE:
        answer_inference(options, flags, generate, as_json=as_json)
        return
    check_generate(generate)
    _check_trace(trace, trace_format, force=force)
    page_path = report_path(report_directory, "simulate", force=force, beside=trace)
    asked = asked_training(epochs, dataset)
    choice = _asked(options, strategy_file, launch_file, flags)
    question = choice.question
    simulation = _simulated(choice, options, None if strategy_file or launch_file else flags)
    if simulation.report.feasible and trace is not None:
        _write_trace(simulation, trace, trace_format)
    training = None
    if asked is not None:
        training = training_json(question, simulation.report.samples_per_s, asked)
    data = simulation_json(question, simulation.report, chosen=choice.chosen, training=training)
    if simulation.report.feasible and page_path is not None:
        _write_report(question, simulation, data, page_path)
    report = simulation.report
    if as_json:
        print_json(data)
    elif report.feasible:
        _print_report(question, report, data)
    if not report.feasible:
        raise bad_input(SimdlError(_does_not_fit(choice, report, options, strategy_file, launch_file)))


def _asked(
    options: Options, strategy_file: str | None, launch_file: str | None, flags: Mapping[str, Any]
) -> Choice:
    """The question and the strategy: of a launch file, of a strategy file, or of flags and what fits.

    Raises:
        HardwareError, WorkloadError, SimdlError: unknown names, bad files, or two sources of one thing.
    """
    if launch_file is None:
        question = load_question(options)
        return asked_strategy(strategy_file, flags, question, options)
    given = [*(["--strategy"] if strategy_file else []), *(f"--{key}" for key in given_flags(flags))]
    if given:
        names = ", ".join(name.replace("_", "-") for name in given)
        raise SimdlError(f"{names}: given together with --from {launch_file}; expected one or the other")
    from planner.launch.answer import ask_launch_file  # noqa: PLC0415 - only where one is read

    question, strategy = ask_launch_file(launch_file, options)
    return Choice(question=question, strategy=strategy, chosen="")


def _simulated(choice: Choice, options: Options, flags: Mapping[str, Any] | None) -> Simulation:
    """The step of a strategy, of these flags or, with None, of a file.

    Raises:
        SimdlError: it cannot be carried out; with the nearest flags that can.
    """
    question, strategy = choice.question, choice.strategy
    try:
        return simulate_step(
            question.workload, question.cluster, strategy, stack=question.stack, speeds=question.speeds
        )
    except StrategyError as error:
        if flags is None:
            raise
        raise with_nearest(error, question, options, flags) from None


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
    from planner.pages.launch_cards import with_launch  # noqa: PLC0415
    from planner.pages.sections.step import simulate_page  # noqa: PLC0415 - plotly, only where it is asked for

    page = simulate_page(question, simulation, data)
    write_page(with_launch(page, question, simulation.report.strategy), path)


def _does_not_fit(
    choice: Choice, report: StepReport, options: Options, strategy_file: str | None, launch_file: str | None
) -> str:
    """The message for a strategy that needs too much memory: place, amount and what to type instead."""
    question = choice.question
    more = f" (and {len(report.reasons) - 1} more stages)" if len(report.reasons) > 1 else ""
    text = f"{format_strategy(report.strategy)} does not fit: {report.reasons[0]}{more}"
    if NOTHING in choice.chosen:
        text += "; no memory saving that is left open suffices"
    found = ways_out(choice.strategy, question, options)
    if not found:
        return f"{text}; no other strategy fits either; expected more devices, or larger ones"
    if found.stacks:
        text += f"; software stack {question.stack.name} is the cause ({why_larger(question.stack)})"
    advice = [f"--stack {name}" for name in found.stacks]
    advice += [_typed(changed, choice.strategy, strategy_file, launch_file) for changed in found.strategies]
    return "\n".join((text, *(f"try: {line}" for line in advice)))


def _typed(changed: Strategy, before: Strategy, strategy_file: str | None, launch_file: str | None) -> str:
    """What to type for a strategy: flags to add, lines of a strategy file, or flags in place of a file."""
    if launch_file is not None:
        return f"{format_flags(changed, Strategy())} in place of --from {launch_file}"
    if strategy_file is None:
        return format_flags(changed, before)
    lines = format_changes(changed, before)
    return f"{', '.join(lines)} in {strategy_file}"


def _print_report(question: Question, report: StepReport, data: Mapping[str, Any]) -> None:
    workload = question.workload
    click.echo(data["headline"])
    if data["chosen"]:
        click.echo(f"chosen: {data['chosen']}")
    print_table(("", ""), _totals(question, report), title=header(question))
    print_table(BREAKDOWN_HEADER, breakdown_rows(report.breakdown), title="where the step goes")
    print_table(
        ("part", "bytes"),
        [(name, format_quantity(nbytes, "bytes")) for name, nbytes in report.memory.items() if nbytes],
        title="memory of the fullest device",
    )
    lines = list(split_lines(report.strategy, workload.network))
    lines += input_lines(data)
    lines += [f"assumed: {sentence}" for sentence in question.assumptions]
    lines += [f"warning: {sentence}" for sentence in report.warnings]
    lines.append(f"from: {_provenance(report)}")
    lines += [f"kernels: {sentence}" for sentence in report.provenance.get("kernels", ())]
    click.echo("\n".join(lines))
    if "training" in data:
        print_training(data["training"])


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
        f"numbers: {counts}; seconds resting on {resting} numbers; "
        f"{residual_text(report.provenance, report.step_time)}"
    )
