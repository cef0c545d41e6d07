"""`simdl explain`: what bounds the step of a plan, which operators, and what removing a limit could gain."""

from collections.abc import Sequence
from pathlib import Path

import click

from planner.console.answers.headline import answer_header
from planner.console.answers.why_lines import why_lines, why_option
from planner.console.format import format_seconds
from planner.console.output import bar, print_json, print_table
from planner.console.refusals import bad_input, reporting_errors
from planner.questions.answer_file import Answer, load_answer
from planner.reasons.limits_of_step import Limit, explanation_json, limits_of_step
from simdl.report.operator_times import OTHERS

TOP = 15  # operators in the table
BAR = 30  # characters of the longest bar


@click.command()
@click.argument("file", metavar="PLAN.json", type=click.Path(path_type=Path))
@click.option(
    "--plan",
    "number",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Which plan of the file, by rank.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    show_default=str(TOP),
    help="Operators in the table; JSON has them all.",
)
@why_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units: seconds, bytes, FLOP.")
@reporting_errors()
def explain(*, file: Path, number: int, top: int | None, reasons: int | None, as_json: bool) -> None:
    """Say what limits the step of a plan or a simulation, and what removing a limit could gain.

    PLAN.json is what `simdl plan --json` or `simdl simulate --json` printed. Gains are upper limits: without
    a cause the step is shorter by no more than what the cause takes on the critical path.
    """
    if as_json and top is not None:
        raise bad_input(
            f"--top {top}: found with --json, which holds every operator; expected one or the other"
        )
    answer = load_answer(file, number=number)
    if as_json:
        print_json(explanation_json(answer))
        return
    _print(answer, limits_of_step(answer), top or TOP, reasons)


def _print(answer: Answer, limits: tuple[Limit, ...], top: int, reasons: int | None) -> None:
    first = limits[0]
    click.echo(
        f"A step of {answer.question.model} on {answer.question.cluster} takes "
        f"{format_seconds(answer.step_time)} and is bound by {first.name}, {first.share:.1%} "
        f"of the time of a rank; without it a step would be at most {format_seconds(first.gain)} shorter."
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
        title=answer_header(answer),
    )
    causes = sorted(answer.critical_path.items(), key=lambda item: -item[1])
    rows = [((cause.replace("_", " "),), seconds) for cause, seconds in causes]
    print_table(("cause", "time", "share", ""), _shares(rows, answer), title="critical path by cause")
    print_table(
        ("operator", "pass", "kind", "time", "share", ""),
        _shares(_operators(answer, top), answer),
        title="critical path by operator",
    )
    for line in why_lines(answer.why, reasons):
        click.echo(line)


def _operators(answer: Answer, top: int) -> list[tuple[tuple[str, ...], float]]:
    """The longest operators, and what all others take together."""
    shown = [(o.name, o.phase, o.kind, o.seconds) for o in answer.critical_operators if o.name != OTHERS]
    rows: list[tuple[tuple[str, ...], float]] = [
        ((name, phase, kind), seconds) for name, phase, kind, seconds in shown[:top]
    ]
    rest = sum(o.seconds for o in answer.critical_operators) - sum(seconds for _, seconds in rows)
    hidden = len(answer.critical_operators) > len(rows)
    return [*rows, ((OTHERS, "", ""), max(0.0, rest))] if hidden else rows


def _shares(rows: Sequence[tuple[tuple[str, ...], float]], answer: Answer) -> list[tuple[str, ...]]:
    """Rows of names with their seconds, share of the step and bar; none for what is added up."""
    longest = max(seconds for names, seconds in rows if names[0] != OTHERS)
    return [
        (
            *names,
            format_seconds(seconds),
            f"{seconds / answer.step_time:.1%}",
            "" if names[0] == OTHERS else bar(seconds / longest, BAR).rstrip("."),
        )
        for names, seconds in rows
    ]
