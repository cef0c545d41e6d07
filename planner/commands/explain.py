"""`simdl explain`: what bounds the step of a plan, and what removing it could gain."""

from dataclasses import asdict
from pathlib import Path

import click

from planner.answer_file import Answer, load_answer
from planner.console import bar, print_json, print_table, reporting_errors
from planner.format import format_seconds
from planner.limits_of_step import Limit, limits_of_step

BAR = 30  # characters of the longest bar


@click.command()
@click.argument("file", metavar="PLAN.json", type=click.Path(path_type=Path))
@click.option(
    "--plan", "number", type=click.IntRange(min=1), default=1, show_default=True, help="Which plan."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units.")
@reporting_errors()
def explain(*, file: Path, number: int, as_json: bool) -> None:
    """Name what bounds the step of a plan or a simulation.

    PLAN.json is what `simdl plan --json` or `simdl simulate --json` printed. Gains are upper limits: without
    a cause the step is shorter by no more than what the cause takes on the critical path.
    """
    answer = load_answer(file, number=number)
    limits = limits_of_step(answer)
    if as_json:
        print_json(
            {
                "step_time": answer.step_time,
                "bound_by": limits[0].name,
                "limits": [asdict(limit) for limit in limits],
                "critical_path": answer.critical_path,
            }
        )
        return
    _print(answer, limits)


def _print(answer: Answer, limits: tuple[Limit, ...]) -> None:
    first = limits[0]
    click.echo(
        f"The step takes {format_seconds(answer.step_time)} and is bound by {first.name}: "
        f"{first.share:.1%} of the time of a rank."
    )
    print_table(
        ("limit", "mean over ranks", "share", "on the critical path", "gain without it, at most", ""),
        [
            (
                limit.name,
                format_seconds(limit.seconds),
                f"{limit.share:.1%}",
                format_seconds(limit.critical),
                format_seconds(limit.gain),
                bar(limit.seconds / first.seconds, BAR).rstrip("."),
            )
            for limit in limits
        ],
    )
    print_table(
        ("cause", "time", "share"),
        [
            (cause.replace("_", " "), format_seconds(seconds), f"{seconds / answer.step_time:.1%}")
            for cause, seconds in sorted(answer.critical_path.items(), key=lambda item: -item[1])
        ],
        title="critical path",
    )
    click.echo("\n".join(f"why: {sentence}" for sentence in answer.why), nl=bool(answer.why))
