"""`simdl diff`: two answers side by side, and why one is faster."""

from pathlib import Path

import click

from planner.console.answers.headline import answer_header
from planner.console.output import bar, print_json, print_table
from planner.console.refusals import reporting_errors
from planner.questions.answer_file import Answer, load_answer
from planner.reasons.comparison import (
    HEADER,
    compare_causes,
    compare_in_words,
    comparison_json,
    comparison_rows,
)

BAR = 20  # characters of the longest bar


@click.command()
@click.argument("first", metavar="A.json", type=click.Path(path_type=Path))
@click.argument("second", metavar="B.json", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units: seconds, bytes, FLOP.")
@reporting_errors()
def diff(*, first: Path, second: Path, as_json: bool) -> None:
    """Say why one of two plans or simulations is faster.

    The files are what `simdl plan --json` (its best plan counts) or `simdl simulate --json` printed. Every
    difference of their questions is named. Steps of different global batches are compared by their samples
    per second, samples of different length also by their tokens per second.
    """
    one, two = load_answer(first), load_answer(second)
    if as_json:
        print_json(comparison_json(one, two))
        return
    click.echo("\n".join(compare_in_words(one, two)))
    for name, answer in (("A", one), ("B", two)):
        click.echo(f"{name}: {answer_header(answer)}")
    print_table((*HEADER[:2], "", HEADER[2], "", HEADER[3]), _rows_with_bars(one, two))


def _rows_with_bars(one: Answer, two: Answer) -> list[tuple[str, ...]]:
    """The rows of the comparison; causes with bars on one scale."""
    causes = list(compare_causes(one, two).values())
    longest = max(seconds for pair in causes for seconds in pair)
    bars = [tuple(bar(seconds / longest, BAR).rstrip(".") for seconds in pair) for pair in causes]
    rows = list(comparison_rows(one, two))
    bars += [("", "")] * (len(rows) - len(bars))
    return [
        (name, a, drawn[0], b, drawn[1], change)
        for (name, a, b, change), drawn in zip(rows, bars, strict=True)
    ]
