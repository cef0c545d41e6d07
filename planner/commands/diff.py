"""`simdl diff`: two answers side by side, and why one is faster."""

from pathlib import Path
from typing import Any

import click

from hardware.units import format_quantity
from planner.answer_file import Answer, load_answer
from planner.console import print_json, print_table, reporting_errors
from planner.explain import AXES, describe_differences
from planner.format import format_seconds

SAME = 1e-9  # relative difference below which two times are one
AXIS_NAMES = {"dp": "data parallelism", **AXES, "ep": "expert parallelism", "stages": "cut"}


@click.command()
@click.argument("first", metavar="A.json", type=click.Path(path_type=Path))
@click.argument("second", metavar="B.json", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units.")
@reporting_errors()
def diff(*, first: Path, second: Path, as_json: bool) -> None:
    """Say why one of two plans or simulations is faster.

    The files are what `simdl plan --json` (its best plan counts) or `simdl simulate --json` printed. Steps
    of different global batches are compared by their samples per second.
    """
    one, two = load_answer(first), load_answer(second)
    causes = _causes(one, two)
    if as_json:
        print_json(
            {
                "step_time": [one.step_time, two.step_time],
                "samples_per_s": [one.samples_per_s, two.samples_per_s],
                "speedup": one.samples_per_s / two.samples_per_s,
                "breakdown": {cause: list(seconds) for cause, seconds in causes.items()},
                "strategy": _choices(one, two),
            }
        )
        return
    click.echo("\n".join(_sentences(one, two)))
    _print_table(one, two, causes)


def _causes(one: Answer, two: Answer) -> dict[str, tuple[float, float]]:
    """[s] of both by cause, the largest difference first."""
    names = {*one.breakdown, *two.breakdown}
    pairs = {name: (one.breakdown.get(name, 0.0), two.breakdown.get(name, 0.0)) for name in names}
    return dict(sorted(pairs.items(), key=lambda item: (-abs(item[1][1] - item[1][0]), item[0])))


def _choices(one: Answer, two: Answer) -> dict[str, list[Any]]:
    """Values of both on every axis on which the strategies differ."""
    keys = [*one.strategy, *(key for key in two.strategy if key not in one.strategy)]
    pairs = {key: [one.strategy.get(key), two.strategy.get(key)] for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _sentences(one: Answer, two: Answer) -> list[str]:
    speedup = one.samples_per_s / two.samples_per_s
    if abs(speedup - 1) < SAME:
        lines = [f"A and B are equally fast: {format_seconds(one.step_time)}."]
    else:
        names = ("A", "B") if speedup > 1 else ("B", "A")
        fast, slow = (one, two) if speedup > 1 else (two, one)
        times = f"{format_seconds(fast.step_time)} a step against {format_seconds(slow.step_time)}"
        lines = [
            f"{names[0]} is {max(speedup, 1 / speedup):.4g} times as fast as {names[1]}: {times}.",
            f"{names[1]} against {names[0]}: {describe_differences(fast.breakdown, slow.breakdown)}.",
        ]
    if choices := _choices(one, two):
        texts = (f"{AXIS_NAMES.get(key, key)} {a} and {b}" for key, (a, b) in choices.items())
        lines.append(f"strategies of A and B: {', '.join(texts)}")
    return [*lines, *_different_questions(one, two)]


def _different_questions(one: Answer, two: Answer) -> list[str]:
    lines = [
        f"different {key}: {one.provenance.get(key)} and {two.provenance.get(key)}"
        for key in ("cluster", "device", "network", "stack")
        if one.provenance.get(key) != two.provenance.get(key)
    ]
    batches = [round(answer.samples_per_s * answer.step_time) for answer in (one, two)]
    if batches[0] != batches[1]:
        lines.append(f"different global batch: {batches[0]} and {batches[1]} samples a step")
    return lines


def _print_table(one: Answer, two: Answer, causes: dict[str, tuple[float, float]]) -> None:
    rows: list[tuple[str, ...]] = [
        (cause.replace("_", " "), format_seconds(a), format_seconds(b), _change(b - a))
        for cause, (a, b) in causes.items()
    ]
    change = two.step_time - one.step_time
    rows.append(("step time", format_seconds(one.step_time), format_seconds(two.step_time), _change(change)))
    rows.append(("MFU", f"{one.mfu:.1%}", f"{two.mfu:.1%}", f"{100 * (two.mfu - one.mfu):+.1f} points"))
    memory = [format_quantity(answer.peak_memory, "bytes") for answer in (one, two)]
    more = two.peak_memory - one.peak_memory
    sign = "-" if more < 0 else "+"
    rows.append(("peak memory", *memory, f"{sign}{format_quantity(abs(more), 'bytes')}"))
    print_table(("cause", "A", "B", "B - A"), rows)


def _change(seconds: float) -> str:
    return f"{'-' if seconds < 0 else '+'}{format_seconds(abs(seconds))}"
