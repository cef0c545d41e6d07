"""The controls: menus and fields of the question, sliders and menus of each strategy.

The name of a control is its key in the state; ``assets/dashboard.js`` composes the query from them.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from dash import dcc, html

from planner.console.format import format_splits
from planner.dashboard.catalog import Asked, Catalog
from planner.dashboard.positions import position_of, slider_positions
from planner.dashboard.state import SIDES, State, Values
from planner.questions.question import Question
from simdl.pipelines import PIPELINES
from simdl.software.reader import stack_names
from simdl.step.strategy import Recompute, Strategy
from workloads.dtypes import PRECISIONS
from workloads.optimizers import OPTIMIZERS

MARKS = 8  # labels that stand side by side below a slider
LABELS = {
    "model": "Model",
    "node": "Node type",
    "count": "Nodes",
    "global_batch": "Global batch [samples]",
    "seq_len": "Sequence [tokens]",
    "precision": "Precision",
    "optimizer": "Optimizer",
    "stack": "Software stack",
    "dp": "Data parallel (dp)",
    "tp": "Tensor parallel (tp)",
    "pp": "Pipeline parallel (pp)",
    "cp": "Context parallel (cp)",
    "micro_batch": "Micro-batch [samples]",
    "virtual_stages": "Virtual stages per rank",
    "zero": "ZeRO stage",
    "shard_degree": "Replicas per ZeRO shard group",
    "schedule": "Schedule",
    "recompute": "Recompute",
    "sequence_parallel": "Sequence parallel",
    "stages": "Blocks by stage, such as 3-3-2",
    "split_degree": "Ranks that split layers",
    "splits": "Splits, such as fc/fc: row 4",
}


def question_controls(asked: Asked, catalog: Catalog) -> list[html.Div]:
    """Model, cluster and what training leaves open."""
    return [
        _menu("model", catalog.models, asked.model),
        _menu("node", catalog.nodes, asked.node),
        _field("count", asked.count),
        _field("global_batch", asked.global_batch, hint="default"),
        _field("seq_len", asked.seq_len, hint="default"),
        _menu("precision", PRECISIONS, asked.precision, hint="default"),
        _menu("optimizer", OPTIMIZERS, asked.optimizer, hint="default"),
        _menu("stack", stack_names(), asked.stack, hint="default"),
    ]


def strategy_controls(state: State, question: Question | None) -> list[Any]:
    """The controls of every strategy, and the button that adds or removes B."""
    alone = len(state.strategies) == 1
    text = "Compare with a second strategy" if alone else "Remove strategy B"
    blocks = [
        html.Details(
            [
                html.Summary(f"Strategy {side.upper()}"),
                html.Div(_side_controls(side, values, question), className="controls"),
            ],
            open=True,
            className=f"side-{side}",
        )
        for side, values in zip(SIDES, state.strategies, strict=False)
    ]
    return [*blocks, html.Button(text, id="compare", type="button")]


def _side_controls(side: str, values: Values, question: Question | None) -> list[html.Div]:
    positions = slider_positions(question, values)
    sliders = [
        _slider(f"{side}.{name}", name, texts, position_of(name, texts, values))
        for name, texts in positions.items()
    ]
    default = Strategy()
    schedule = values.get("schedule", default.schedule)
    recompute = str(values.get("recompute", default.recompute.value))
    return [
        *sliders,
        _menu("schedule", sorted(PIPELINES), schedule, side=side, hint=None),
        _menu("recompute", [mode.value for mode in Recompute], recompute, side=side, hint=None),
        _switch(side, on=bool(values.get("sequence_parallel", False))),
        _field("stages", "-".join(map(str, values.get("stages", ()))) or None, side=side, hint="even"),
        _field("split_degree", values.get("split_degree", 1), side=side),
        _field("splits", format_splits(values.get("splits", ())) or None, side=side, hint="by sample"),
    ]


def _identity(name: str, side: str) -> dict[str, str]:
    return {"type": "choice", "name": f"{side}.{name}" if side else name}


def _labelled(name: str, control: Any) -> html.Div:  # noqa: ANN401 - any component
    return html.Div(html.Label([html.Span(LABELS[name]), control]), className="control")


def _menu(
    name: str, names: Iterable[str], chosen: str | None, *, side: str = "", hint: str | None = ""
) -> html.Div:
    """A menu; with a hint it may be left open. What is chosen is in it even if nobody knows it."""
    options = list(dict.fromkeys([*names, *([chosen] if chosen else [])]))
    menu = dcc.Dropdown(
        id=_identity(name, side),
        options=options,
        value=chosen,
        clearable=bool(hint),
        placeholder=hint or "",
    )
    return _labelled(name, menu)


def _field(name: str, value: int | str | None, *, side: str = "", hint: str = "") -> html.Div:
    """A number as text, so that a wrong one is explained rather than swallowed by the browser."""
    text = "" if value is None else str(value)
    identity = _identity(name, side)
    return _labelled(
        name,
        dcc.Input(
            id=identity,
            type="text",
            inputMode="verbatim" if name == "splits" else "numeric",
            value=text,
            placeholder=hint,
            debounce=True,
        ),
    )


def _switch(side: str, *, on: bool) -> html.Div:
    options = [{"label": LABELS["sequence_parallel"], "value": "true"}]
    identity = _identity("sequence_parallel", side)
    return html.Div(
        dcc.Checklist(id=identity, options=options, value=["true"] if on else []), className="control"
    )


def _slider(key: str, name: str, texts: Sequence[str], position: int) -> html.Div:
    """A slider over positions; its marks hold the texts, and every few of them show."""
    every = -(-len(texts) // MARKS)
    marks = {
        place: {"label": text, "style": {} if place % every == 0 else {"visibility": "hidden"}}
        for place, text in enumerate(texts)
    }
    slider = dcc.Slider(
        id={"type": "slider", "name": key},
        min=0,
        max=max(len(texts) - 1, 1),
        step=1,
        marks=marks,
        value=position,
        included=False,
        updatemode="mouseup",
        allow_direct_input=False,
    )
    shown = html.Output(texts[position], id={"type": "shown", "name": key})
    return html.Div(
        [html.Div([html.Span(LABELS[name]), shown], className="caption"), slider], className="control"
    )
