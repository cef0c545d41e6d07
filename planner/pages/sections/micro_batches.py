"""The page of `simdl microbatch`."""

from collections.abc import Sequence
from typing import Any

from planner.microbatch.plan import Choice, MicrobatchPlan
from planner.pages.figures.micro_batches import Division, workspace_figure
from planner.pages.page import Cell, Page, Section, Table


def micro_batch_page(
    result: MicrobatchPlan, header: Sequence[str], rows: Sequence[Sequence[str]], data: dict[str, Any]
) -> Page:
    """The page of micro-batches; header and rows are the command's table, ``data`` its JSON."""
    title = f"{data['model']} on {data['device']}, batch {data['batch']}: micro-batches of convolutions"
    undivided = data["undivided_time"]
    against = "undivided does not fit" if undivided is None else f"{undivided:.6g} s undivided"
    cells = tuple(_row(row, choice) for row, choice in zip(rows, result.choices, strict=True))
    return Page(
        title=title,
        headline=data["headline"],
        lines=(f"{data['time']:.6g} s against {against}; {data['policy']} sizes, {data['mode']}.",),
        sections=(
            Section(
                title="Time against workspace",
                body=workspace_figure(
                    [_division(choice) for choice in result.choices], data["workspace_limit"]
                ),
                note="A line leads from the fastest undivided convolution that fits to the chosen division.",
            ),
            Section(title="Table", body=Table(header=tuple(header), rows=cells)),
        ),
        data=data,
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
