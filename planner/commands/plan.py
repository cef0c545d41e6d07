"""`simdl plan`: ranked, simulated strategies for a model on a cluster."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from hardware.units import format_quantity
from planner.console.answers.best_plan import best_plan_options, check_best_plan, hand_on, written_line
from planner.console.answers.breakdown_rows import BREAKDOWN_HEADER, breakdown_rows
from planner.console.answers.headline import header
from planner.console.answers.input_report import input_lines
from planner.console.answers.money_report import (
    print_comparison,
    print_money,
)
from planner.console.answers.plan_answer import plan_answer
from planner.console.answers.report_json import ties
from planner.console.answers.why_lines import why_lines, why_option
from planner.console.command_clock import seconds_waited, start_clock
from planner.console.format import format_rate, format_seconds, format_strategy
from planner.console.objective import print_batches
from planner.console.options.money_options import money_options
from planner.console.options.question_options import several_clusters
from planner.console.options.training_options import print_training
from planner.console.output import print_json, print_table, progress_bar
from planner.console.output_files import answer_options
from planner.console.refusals import reporting_errors
from planner.money.answer import Answer, answer, on_clusters
from planner.money.criteria import CriteriaAsked
from planner.pages.page import report_path, write_page
from planner.per_layer.report import split_lines
from planner.questions.question import Options, Question, load_question
from planner.scaling.smaller_clusters import smaller_clusters
from planner.search.compressed import AUTO, methods_of
from planner.search.find import find_plans
from planner.search.plan import Plan, PlanResult
from simdl.compression.method import EXAMPLES
from simdl.report.step_report import StepReport

LOSSES = 3  # causes other than computation that the table names
WORK = ("forward", "backward")


@click.command()
@several_clusters
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Plans to print.")
@click.option(
    "--max-simulations",
    type=click.IntRange(min=1),
    help="Stop after so many simulations; the ranking may then not be certified.",
)
@click.option(
    "--uneven-shares",
    is_flag=True,
    help="Let replicas on faster nodes of a mixed cluster have more microbatches than others.",
)
@click.option(
    "--compression",
    "compressions",
    multiple=True,
    help=f"Also rank plans with compressed gradients, repeatable: {AUTO} or {', '.join(EXAMPLES)}.",
)
@money_options
@why_option
@best_plan_options
@answer_options()
@reporting_errors()
def plan(
    *,
    options: Options,
    others: tuple[str, ...],
    asked: CriteriaAsked,
    top: int,
    max_simulations: int | None,
    uneven_shares: bool,
    compressions: tuple[str, ...],
    reasons: int | None,
    strategy_path: Path | None,
    format_name: str | None,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Find the fastest strategies for training MODEL on a cluster, and say why they are.

    MODEL is a registered name (simdl models), a TOML file or a Hugging Face config.json. Exits with 1, and
    the reasons, if no strategy fits. The seconds in brackets (wall_time in JSON) are those from the start of
    simdl to the answer, pages included; what Python takes to start comes on top.
    """
    start_clock(click.get_current_context())
    page_path = report_path(report_directory, "plan", force=force, beside=strategy_path)
    check_best_plan(strategy_path, format_name, force=force)
    methods = methods_of(compressions)
    questions = on_clusters(load_question(options), options, others)
    with progress_bar("simulating") as progress:
        find = partial(
            find_plans,
            max_simulations=max_simulations,
            uneven=uneven_shares,
            methods=methods,
            progress=progress,
        )
        found = answer(questions, asked, lambda each, wanted: find(each, top=wanted), top=top)
    question, result = found.question, found.result
    data = plan_answer(found, wall_time=seconds_waited())
    if page_path is not None and not question.cluster.more:
        data["smaller_clusters"] = [asdict(cluster) for cluster in smaller_clusters(question)]
    if result.plans:
        best = result.plans[0].report.strategy
        data["launch"] = hand_on(question, best, strategy_path, format_name)
    if page_path is not None:
        _write_report(question, result, data, page_path)
        data["wall_time"] = seconds_waited()
    if as_json:
        print_json(data)
    else:
        _print_answer(found, data, reasons)
        if result.plans and strategy_path is not None:
            click.echo(written_line(question, strategy_path))
    if not result.plans:
        sys.exit(1)


def _write_report(question: Question, result: PlanResult, data: dict[str, Any], path: Path) -> None:
    from planner.pages.launch_cards import with_launch  # noqa: PLC0415
    from planner.pages.sections.plan import plan_page  # noqa: PLC0415 - plotly, only where it is asked for

    with reporting_errors():
        page = plan_page(question, result, data)
        if result.plans:
            page = with_launch(page, question, result.plans[0].report.strategy)
        write_page(page, path)


def _print_answer(found: Answer, data: dict[str, Any], reasons: int | None) -> None:
    """The answer in a sentence, the ranking, and around it what else was asked for."""
    click.echo(data["headline"])
    if found.batches is not None:
        print_batches(found.question, found.batches)
    if found.comparison is not None:
        print_comparison(data, found.criteria)
    _print_result(found.question, found.result, seconds_waited(), reasons)
    first = data["plans"][0] if data["plans"] else {}
    for line in input_lines(first):
        click.echo(line)
    if data.get("launch"):
        click.echo(f"launch file ({data['launch']['title']}):")
        click.echo(next(iter(data["launch"]["files"].values())), nl=False)
    if "training" in first:
        print_training(first["training"])
    print_money(data, found.criteria)


def _print_result(question: Question, result: PlanResult, waited: float, reasons: int | None) -> None:
    workload = question.workload
    if result.plans:
        kind = workload.network.sample
        unit = "tokens/s" if kind == "sequence" else f"{kind}s/s"
        columns = ("", "strategy", "step", unit, "MFU", "memory", "bound", "largest losses")
        rows = [_row(rank, plan, unit) for rank, plan in enumerate(result.plans, start=1)]
        print_table(columns, rows, title=header(question))
        first = breakdown_rows(result.plans[0].report.breakdown)
        print_table(BREAKDOWN_HEADER, first, title="where the step of plan 1 goes")
        for line in split_lines(result.plans[0].report.strategy, workload.network):
            click.echo(line)
    click.echo("\n".join(_notes(question, result, waited, reasons)))


def _row(rank: int, plan: Plan, unit: str) -> tuple[str, ...]:
    report = plan.report
    rate = report.tokens_per_s if unit == "tokens/s" else report.samples_per_s
    return (
        str(rank),
        format_strategy(report.strategy),
        format_seconds(report.step_time),
        format_rate(rate),
        f"{report.mfu:.1%}",
        format_quantity(report.peak_memory, "bytes"),
        format_seconds(plan.bound) if plan.bound else "-",
        ", ".join(_losses(report)) or "-",
    )


def _certainty(result: PlanResult) -> list[str]:
    """How far the times hold, and which of the first plans they cannot tell apart."""
    if not result.plans:
        return []
    interval, tied = result.plans[0].report.interval, ties(result)
    low, high = format_seconds(interval.low), format_seconds(interval.high)
    told = "plan 1 is ahead of the others"
    if tied > 1:
        regret = f"{result.plans[0].regret:.1%}"
        told = f"plans 1 to {tied} are ties: plan 1 is expected to cost {regret} over what turns out fastest"
    return [
        f"certainty: plan 1 takes {low} to {high} with {interval.level:.0%} ({interval.knowledge}); {told}"
    ]


def _losses(report: StepReport) -> Iterator[str]:
    """The largest shares of causes other than computation, but none that would read 0 %."""
    losses = sorted((seconds, cause) for cause, seconds in report.breakdown.items() if cause not in WORK)
    for seconds, cause in losses[: -LOSSES - 1 : -1]:
        share = f"{seconds / report.step_time:.0%}"
        if share != "0%":
            yield f"{cause.replace('_', ' ')} {share}"


def _notes(question: Question, result: PlanResult, waited: float, reasons: int | None) -> list[str]:
    """What stands under the table: how sure the ranking is, why it came out so, and what was assumed.

    Args:
        question: what was asked.
        result: the ranked strategies.
        waited: [s] for the answer.
        reasons: why the first plan is the best, so many; None for all.
    """
    sure = "certified best of them" if result.certified else f"not certified: {result.uncertified}"
    if not result.plans:
        sure = "nothing to rank"
    counts = f"{result.candidates:,} candidates, {result.feasible:,} fit, {result.simulated:,} simulated"
    lines = [f"space: {counts}; {sure} ({waited:.1f} s)"]
    lines += [f"certified over: {result.certified_over}"] if result.certified and result.plans else []
    lines += _certainty(result)
    layers = (result.layers_reason,) if result.layers_reason else ()
    lines += why_lines(result.why, reasons)
    groups = (
        ("does not fit", result.reasons),
        ("per layer", layers),
        ("assumed", question.assumptions),
    )
    lines += [f"{name}: {sentence}" for name, sentences in groups for sentence in sentences]
    lines += [
        f"warning: {text}" for text in dict.fromkeys(w for p in result.plans for w in p.report.warnings)
    ]
    return lines
