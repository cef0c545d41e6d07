"""`simdl consistency`: training of many steps whose workers need not wait for each other."""

from pathlib import Path
from typing import Any

import click

from hardware.units import format_quantity
from planner.console.answers.consistency_json import comparison_json, comparison_notes, comparison_rows
from planner.console.answers.headline import setting_of
from planner.console.format import format_seconds
from planner.console.options.question_options import question_options
from planner.console.options.strategy_options import (
    chosen_strategy,
    given_flags,
    open_strategy_options,
)
from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options, check_new
from planner.console.refusals import reporting_errors
from planner.pages.page import report_path, write_page
from planner.questions.question import Options, load_question
from planner.questions.training_choice import TrainingAsked, TrainingChoice, check_own, choose_training
from simdl.synchrony.chrome_trace import write_training_trace
from simdl.synchrony.registry import SCHEMES, find_scheme
from simdl.synchrony.simulate import RECORDED, Comparison
from simdl.synchrony.slowdown import KINDS, parse_slowdown

EXAMPLES = ", ".join(kind.example for kind in KINDS.values())


@click.command()
@question_options
@open_strategy_options
@click.option(
    "--scheme",
    "scheme_name",
    default="synchronous",
    show_default=True,
    help=f"Who waits for whom: {', '.join(SCHEMES)}.",
)
@click.option(
    "--workers",
    type=int,
    show_default="replicas that the cluster has room for",
    help="Replicas whose gradients make one step.",
)
@click.option("--servers", type=int, help="Parameter servers, beside the cluster.")
@click.option(
    "--spare",
    show_default="5%",
    help="Workers beyond --workers that nobody waits for, a count or a share (backup-workers).",
)
@click.option(
    "--bound",
    type=int,
    show_default="1",
    help="Steps by which the fastest may lead the slowest (stale-synchronous).",
)
@click.option(
    "--period",
    type=int,
    show_default="8",
    help="Steps of a worker between exchanges (local-sgd, elastic-averaging).",
)
@click.option(
    "--slowdown",
    "slowdown_texts",
    multiple=True,
    help=f"How much longer devices take, repeatable: {EXAMPLES}; with per=device or nodes=0-3.",
)
@click.option("--steps", type=int, default=100, show_default=True, help="Steps of each worker.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random draws.")
@click.option("--trace", type=click.Path(path_type=Path), help="Write what workers do to a Chrome trace.")
@answer_options()
@reporting_errors()
def consistency(
    *,
    options: Options,
    strategy_file: str | None,
    scheme_name: str,
    workers: int | None,
    servers: int | None,
    spare: str | None,
    bound: int | None,
    period: int | None,
    slowdown_texts: tuple[str, ...],
    steps: int,
    seed: int,
    trace: Path | None,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
    **flags: Any,  # noqa: ANN401 - values of Strategy's fields
) -> None:
    """Simulate many steps of training MODEL in which replicas need not wait for each other.

    A scheme of consistency says who waits for whom; it is compared with synchronous steps under the same
    slow-downs. A worker is one replica of the strategy, of which is chosen what no option says, as simdl
    simulate does. Without slow-downs the synchronous step is that of simdl simulate.
    """
    page_path = report_path(report_directory, "consistency", force=force, beside=trace)
    if trace is not None:
        check_new(trace, force=force, what="trace")
    asked = TrainingAsked(
        scheme=find_scheme(scheme_name),
        workers=workers,
        servers=servers,
        spare=spare,
        bound=bound,
        period=period,
        slowdowns=tuple(parse_slowdown(text) for text in slowdown_texts),
        steps=steps,
        seed=seed,
    )
    check_own(asked)
    question = load_question(options)
    whole = None if strategy_file is None else chosen_strategy(strategy_file, flags, question.cluster)
    choice = choose_training(question, options, asked, given=given_flags(flags), whole=whole)
    found = choice.train(recorded=RECORDED if trace is not None or page_path is not None else 0)
    data = comparison_json(choice, found)
    if trace is not None:
        write_training_trace(found.outcome, trace)
    if page_path is not None:
        _write_report(data, found, page_path)
    if as_json:
        print_json(data)
    else:
        _print(choice, found, data)


def _print(choice: TrainingChoice, found: Comparison, data: dict[str, Any]) -> None:
    question, outcome = choice.question, found.outcome
    click.echo(data["headline"])
    if choice.chosen:
        click.echo(f"chosen: {choice.chosen}")
    title = f"{question.options.model} on {question.cluster.name}, {outcome.scheme}, {outcome.steps:g} steps"
    setting = (f"global batch {question.workload.global_batch}", *setting_of(question))
    print_table(("", ""), comparison_rows(choice, found, data), title=", ".join((title, *setting)))
    print_table(
        ("port or memory", "of them", "bytes a step", "load", "waiting"),
        [
            (
                link.name,
                str(link.count),
                format_quantity(link.bytes_per_step, "bytes"),
                "-" if link.load is None else f"{link.load:z.1%}",
                format_seconds(link.waiting),
            )
            for link in outcome.links
        ],
        title="what links carry",
    )
    click.echo("\n".join(comparison_notes(data)))


def _write_report(data: dict[str, Any], found: Comparison, path: Path) -> None:
    from planner.pages.sections.consistency import (  # noqa: PLC0415 - plotly, only where asked for
        consistency_page,
    )

    write_page(consistency_page(data, found), path)
