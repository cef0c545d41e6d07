"""`simdl goodput`: what of a long training failures leave, and how often to write a checkpoint."""

from pathlib import Path
from typing import Any

import click

from planner.console.answers.goodput_answer import goodput_answer, goodput_rows
from planner.console.answers.headline import header
from planner.console.format import format_duration, format_strategy
from planner.console.options.failure_options import failure_options
from planner.console.options.question_options import question_options
from planner.console.options.strategy_options import asked_strategy, open_strategy_options
from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options
from planner.console.refusals import reporting_errors
from planner.money.failures import positive_option, read_failures
from planner.pages.page import report_path, write_page
from planner.questions.question import Options, Question, load_question
from simdl.reliability.failures import REPAIR


@click.command()
@question_options
@open_strategy_options
@failure_options
@click.option("--spare-nodes", type=int, show_default="always enough", help="Nodes that stand by.")
@click.option("--repair", show_default=format_duration(REPAIR), help="Time until a failed node is back.")
@click.option(
    "--interval", show_default="the best", help="Time of training between checkpoints, such as 30min."
)
@click.option("--horizon", default="30d", show_default=True, help="How long the training may run.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random failures.")
@answer_options()
@reporting_errors()
def goodput(
    *,
    options: Options,
    strategy_file: str | None,
    device_mtbf: str | None,
    node_mtbf: str | None,
    storage_bandwidth: str | None,
    restart: str | None,
    spare_nodes: int | None,
    repair: str | None,
    interval: str | None,
    horizon: str,
    seed: int,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
    **flags: Any,  # noqa: ANN401 - values of Strategy's fields
) -> None:
    """Say what failures and checkpoints leave of a long training of MODEL, and how often to write them.

    What no option says of the strategy is chosen as simdl simulate does. Simulates failures of devices and
    nodes with several intervals between checkpoints, beside Young's and Daly's.
    """
    page_path = report_path(report_directory, "goodput", force=force)
    asked = None if interval is None else positive_option("--interval", interval, "time")
    seconds = positive_option("--horizon", horizon, "time")
    question = load_question(options)
    choice = asked_strategy(strategy_file, flags, question, options)
    question, strategy = choice.question, choice.strategy
    said = {
        "device_mtbf": device_mtbf,
        "node_mtbf": node_mtbf,
        "storage_bandwidth": storage_bandwidth,
        "restart": restart,
        "repair": repair,
    }
    failures = read_failures(question.workload, question.cluster, said, spares=spare_nodes)
    data = goodput_answer(choice, options.model, failures, said=said, asked=asked, horizon=seconds, seed=seed)
    if page_path is not None:
        _write_report(data, page_path)
    if as_json:
        print_json(data)
    else:
        _print(question, format_strategy(strategy), data)


def _print(question: Question, strategy: str, data: dict[str, Any]) -> None:
    click.echo(data["headline"])
    if data["chosen"]:
        click.echo(f"chosen: {data['chosen']}")
    print_table(("", ""), goodput_rows(strategy, data), title=header(question))
    if data["intervals"]:
        print_table(
            ("interval", "of training", "waste", "expected"),
            [
                (
                    name.replace("_", " "),
                    format_duration(each["interval"]),
                    f"{each['waste']:.2%}",
                    f"{each['expected_waste']:.2%}",
                )
                for name, each in data["intervals"].items()
            ],
            title="waste by interval, simulated and in closed form",
        )
    lines = [f"assumed: {sentence}" for sentence in data["assumptions"]]
    lines += [f"warning: {sentence}" for sentence in data["warnings"]]
    click.echo("\n".join(lines))


def _write_report(data: dict[str, Any], path: Path) -> None:
    from planner.pages.sections.goodput import goodput_page  # noqa: PLC0415 - plotly, only where asked for

    write_page(goodput_page(data), path)
