"""The page of `simdl microbatch`."""

from collections.abc import Iterator, Sequence
from typing import Any

from planner.console.format import format_seconds
from planner.microbatch.plan import Choice, MicrobatchPlan
from planner.pages.figures.micro_batches import Division, workspace_figure
from planner.pages.page import Cell, Page, Section, Table


def micro_batch_page(
    result: MicrobatchPlan, header: Sequence[str], rows: Sequence[Sequence[str]], data: dict[str, Any]
) -> Page:
    """The page of micro-batches; header and rows are the command's table, ``data`` its JSON."""
    title = f"{data['model']} on {data['device']}, batch {data['batch']}: micro-batches of convolutions"
    undivided = data["undivided_time"]
    against = "undivided does not fit" if undivided is None else f"{format_seconds(undivided)} undivided"
    changed = [choice.configuration != choice.undivided for choice in result.choices]
    return Page(
        title=title,
        headline=data["headline"],
        lines=(f"{format_seconds(data['time'])} against {against}; {data['policy']} sizes, {data['mode']}.",),
        sections=(
            Section(
                title="Time against workspace",
                body=workspace_figure(
                    [_division(choice) for choice in result.choices], data["workspace_limit"]
                ),
                note="A line leads from the fastest undivided convolution that fits to the chosen division; "
                "passes that stay undivided show the choice alone.",
            ),
            *_tables(result.choices, changed, header, rows),
        ),
        data=data,
    )


def _tables(
    choices: Sequence[Choice], changed: Sequence[bool], header: Sequence[str], rows: Sequence[Sequence[str]]
) -> Iterator[Section]:
    """What runs otherwise than undivided, then, folded away, what does not."""
    for wanted, title in ((True, "Passes that change"), (False, "Passes that stay undivided")):
        cells = [
            _row(row, choice)
            for row, choice, is_changed in zip(rows, choices, changed, strict=True)
            if is_changed is wanted
        ]
        if cells:
            folded = not wanted and any(changed)
            note = f"{len(cells)} of {len(choices)}."
            yield Section(
                title=title, body=Table(header=tuple(header), rows=tuple(cells)), note=note, folded=folded
            )


def _division(choice: Choice) -> Division:
    whole = choice.undivided
    return Division(
        label=f"{choice.layer} {choice.which.value}",
        time=choice.configuration.time,
        workspace=choice.configuration.workspace,
        undivided_time=None if whole is None else whole.time,
        undivided_workspace=None if whole is None else whole.workspace,
    )


def _row(texts: Sequence[str], choice: Choice) -> tuple[Cell, ...]:
    """The printed texts, with the numbers behind times and workspace."""
    values = {3: choice.configuration.time, 5: choice.configuration.workspace}
    if choice.undivided is not None:
        values[4] = choice.undivided.time
    return tuple(Cell(text=text, value=values.get(place)) for place, text in enumerate(texts))
