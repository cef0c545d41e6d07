"""`simdl memory`: step time against memory, with every block's best way to save it."""

import sys
from pathlib import Path
from typing import Any

import click

from planner.console.answers.headline import header
from planner.console.answers.memory_text import HEADER, memory_answer, memory_notes, memory_rows
from planner.console.format import format_memory, format_seconds, format_strategy
from planner.console.options.option_values import option_quantity
from planner.console.options.question_options import asking
from planner.console.options.strategy_options import chosen_strategy, given_flags, strategy_options
from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options
from planner.console.refusals import reporting_errors
from planner.memory_savers.options import KINDS
from planner.pages.page import report_path, write_page
from planner.questions.memory import MemoryFront, memory_front, runnable_plan, whole_batch
from planner.questions.question import Options, Question, load_question
from simdl.errors import SimdlError


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
@answer_options("Print JSON in base units.")
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
    A table of step time against memory, from all that the strategy wants down to the least possible. Exits
    with 1 if no plan fits a device.
    """
    page_path = report_path(report_directory, "memory", force=force)
    limits = [option_quantity("--limit", text, "bytes", least=1.0) for text in texts]
    question = load_question(options)
    if question.cluster.more:
        raise SimdlError(
            f"cluster {question.cluster.name}: found {len(question.cluster.parts)} node types; expected one"
        )
    strategy = chosen_strategy(strategy_file, flags, question.cluster)
    if "micro_batch" not in given_flags(flags):
        strategy = whole_batch(strategy, question)
    front = memory_front(
        question,
        strategy,
        limits=sorted(limits, reverse=True),
        count=points,
        allowed=frozenset(allow) if allow else None,
    )
    data = memory_answer(question, front)
    best = runnable_plan(front)
    if page_path is not None:
        from planner.pages.launch_cards import with_launch  # noqa: PLC0415 - plotly, only where asked for
        from planner.pages.sections.memory import memory_page  # noqa: PLC0415

        page = memory_page(question, front, data)
        write_page(page if best is None else with_launch(page, question, best.strategy), page_path)
    if as_json:
        print_json(data)
    else:
        click.echo(data["headline"])
        _print(question, front)
    if best is None:
        sys.exit(1)


def _print(question: Question, front: MemoryFront) -> None:
    first = front.points[0].unlimited
    print_table(HEADER, list(memory_rows(front)), title=header(question))
    lines = [
        f"without savers: {format_seconds(first.step_time)}, {format_memory(first.nbytes)}",
        f"strategy: {format_strategy(first.strategy)}",
        f"a device has {format_memory(front.usable)} to use",
        *memory_notes(front),
        *(f"assumed: {sentence}" for sentence in question.assumptions),
    ]
    click.echo("\n".join(lines))
