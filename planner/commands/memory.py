"""`simdl memory`: step time against memory, with every block's best way to save it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from planner.console.answers.headline import devices_of, header, setting_json
from planner.console.format import format_memory, format_seconds, format_strategy, spell_strategy
from planner.console.options.option_values import option_quantity
from planner.console.options.question_options import asking
from planner.console.options.strategy_options import chosen_strategy, given_flags, strategy_options
from planner.console.output import print_json, print_table
from planner.console.output_files import force_option, report_option
from planner.console.refusals import reporting_errors
from planner.memory_savers.options import KINDS
from planner.pages.page import report_path, write_page
from planner.questions.memory import MemoryFront, memory_front, memory_json
from planner.questions.question import Options, Question, load_question
from simdl.errors import SimdlError
from simdl.step.strategy import Strategy

HEADER = ("limit", "needs", "step", "slower", "by", "program says", "plan")


@click.command()
@asking(cluster="NODE:COUNT, such as dgx-a100:1gpus.", global_batch="Samples per step.")
@strategy_options
@click.option(
    "--limit",
    "texts",
    multiple=True,
    metavar="BYTES",
    show_default="from all that is wanted down to the least",
    help="Memory of a device, such as 12GB; may be given several times.",
)
@click.option(
    "--points", type=click.IntRange(2, 50), default=6, show_default=True, help="Points of the front."
)
@click.option(
    "--allow",
    type=click.Choice(KINDS),
    multiple=True,
    show_default="all that the cluster and the optimizer take",
    help="A way to save memory; may be given several times.",
)
@report_option
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units.")
@reporting_errors()
def memory(
    *,
    options: Options,
    strategy_file: str | None,
    texts: tuple[str, ...],
    points: int,
    allow: tuple[str, ...],
    report_directory: Path | None,
    force: bool,
    as_json: bool,
    **flags: Any,  # noqa: ANN401 - values of Strategy's fields
) -> None:
    """Choose for every block of MODEL what it keeps, computes again or leaves in host memory.

    An integer program finds the fastest plan within each limit; plans of the literature (Chen's segments, the
    dynamic program of Beaumont et al., offloading) are simulated beside it, and the fastest of all is shown.
    A table of step time against memory, from all that the strategy wants down to the least possible.
    """
    page_path = report_path(report_directory, "memory", force=force)
    limits = [option_quantity("--limit", text, "bytes", least=1.0) for text in texts]
    question = load_question(options)
    if question.cluster.more:
        raise SimdlError(
            f"cluster {question.cluster.name}: found {len(question.cluster.parts)} node types; expected one"
        )
    strategy = _whole_batch(chosen_strategy(strategy_file, flags, question.cluster), question, flags)
    front = memory_front(
        question,
        strategy,
        limits=sorted(limits, reverse=True),
        count=points,
        allowed=frozenset(allow) if allow else None,
    )
    data = {**memory_json(question, front), **setting_json(question), "headline": _sentence(question, front)}
    if page_path is not None:
        from planner.pages.sections.memory import memory_page  # noqa: PLC0415 - plotly, only where asked for

        write_page(memory_page(question, front, data), page_path)
    if as_json:
        print_json(data)
    else:
        click.echo(data["headline"])
        _print(question, front)


def _sentence(question: Question, front: MemoryFront) -> str:
    """What to run on how many devices, how long a step takes in which memory, and how sure that is."""
    name, where = question.workload.network.name, devices_of(question)
    usable = format_memory(front.usable)
    fitting = [point for point in front.points if point.best.nbytes <= front.usable]
    if not fitting:
        least = front.points[-1].best
        return (
            f"No plan of savers fits {name} on {where}: the one that needs least takes "
            f"{format_memory(least.nbytes)} where {usable} are to be had."
        )
    best, first = fitting[0].best, front.points[0].unlimited
    proven = sum(point.optimal for point in front.points)
    return (
        f"Run {name} on {where} with {spell_strategy(best.strategy)}: a step takes "
        f"{format_seconds(best.step_time)} in {format_memory(best.nbytes)} of the {usable} of a "
        f"device, {best.step_time / first.step_time - 1:.1%} longer than with everything kept, which takes "
        f"{format_memory(first.nbytes)}; {proven} of {len(front.points)} plans are proven optimal."
    )


def _whole_batch(strategy: Strategy, question: Question, flags: Mapping[str, Any]) -> Strategy:
    """All samples of a replica at once where nobody says how many and no pipeline wants several."""
    given = "micro_batch" in given_flags(flags) or strategy.micro_batch > 1 or strategy.pp > 1
    samples = question.workload.global_batch // strategy.dp
    return strategy if given else replace(strategy, micro_batch=max(1, samples))


def _print(question: Question, front: MemoryFront) -> None:
    first = front.points[0].unlimited
    print_table(HEADER, list(_rows(front)), title=header(question))
    lines = [
        f"without savers: {format_seconds(first.step_time)}, {format_memory(first.nbytes)}",
        f"strategy: {format_strategy(first.strategy)}",
        f"a device has {format_memory(front.usable)} to use",
        *_notes(front),
        *(f"assumed: {sentence}" for sentence in question.assumptions),
    ]
    click.echo("\n".join(lines))


def _rows(front: MemoryFront) -> Iterator[tuple[str, ...]]:
    for limit, point in zip(front.limits, front.points, strict=True):
        best = point.best
        yield (
            format_memory(limit),
            format_memory(best.nbytes),
            format_seconds(best.step_time),
            f"{best.step_time / point.unlimited.step_time - 1:.1%}",
            best.method,
            format_seconds(point.program_time),
            best.strategy.savers or "keep all",
        )


def _notes(front: MemoryFront) -> Iterator[str]:
    """How far the programme is from the simulator, and what the literature's plans take."""
    gaps = [point.gap for point in front.points]
    proven = sum(point.optimal for point in front.points)
    yield (
        f"program: {proven} of {len(front.points)} plans proven optimal for its own costs; simulated steps "
        f"are {min(gaps):+.1%} to {max(gaps):+.1%} from what it says"
    )
    last = front.points[-1]
    others = {plan.method: plan for plan in reversed(last.others)}
    for method, plan in others.items():
        needs, limit = (format_memory(each) for each in (plan.nbytes, front.limits[-1]))
        yield f"{method} within {limit}: {format_seconds(plan.step_time)}, {needs}"
    yield f"allowed: {', '.join(front.kinds)}"
