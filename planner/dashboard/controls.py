"""The controls: menus and fields of the question, sliders and menus of each strategy.

The name of a control is its key in the state; ``assets/dashboard.js`` composes the query from them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dash import dcc, html

from planner.console.format import format_splits
from planner.dashboard.catalog import Catalog
from planner.dashboard.positions import EXPERTS, MENUS, SLIDERS, Offer, offers, position_of, without_left
from planner.dashboard.state import SIDES, State, Values
from planner.questions.question import Question
from simdl.compression.method import EXAMPLES
from simdl.software.reader import stack_names
from workloads.datasets import DATASETS
from workloads.dtypes import PRECISIONS, load_precision
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
    "price": "Price [USD per device-hour]",
    "horizon": "Train for",
    "dataset": "Data set of epochs",
    "dp": "Data parallel (dp)",
    "tp": "Tensor parallel (tp)",
    "pp": "Pipeline parallel (pp)",
    "cp": "Context parallel (cp)",
    "ep": "Expert parallel (ep)",
    "etp": "Expert tensor parallel (etp)",
    "micro_batch": "Micro-batch [samples]",
    "virtual_stages": "Virtual stages per rank",
    "zero": "ZeRO stage",
    "shard_degree": "Replicas per ZeRO shard group",
    "schedule": "Schedule",
    "recompute": "Recompute",
    "recompute_layers": "Blocks of a stage recomputed",
    "savers": "Memory savers by block",
    "sequence_parallel": "Sequence parallel",
    "compression": "Compression of gradients",
    "stages": "Blocks by stage, such as 3-3-2",
    "shares": "Microbatches by node type, such as 3-5",
    "split_degree": "Ranks that split layers",
    "splits": "Splits, such as fc/fc: row 4",
}


def question_controls(state: State, catalog: Catalog, question: Question | None) -> list[html.Div]:
    """Model, cluster and what training leaves open."""
    asked = state.asked
    return [
        _menu("model", catalog.models, asked.model),
        _menu("node", catalog.nodes, asked.node),
        _field("count", asked.count),
        _field("global_batch", asked.global_batch, hint="auto"),
        _field("seq_len", asked.seq_len, hint="auto"),
        _menu("precision", precisions_of(question), asked.precision, hint="auto"),
        _menu("optimizer", OPTIMIZERS, asked.optimizer, hint="auto"),
        _menu("stack", stack_names(), asked.stack, hint="auto"),
    ]


def money_controls(state: State) -> list[html.Div]:
    """What a device costs and how long the training is."""
    criteria = state.criteria
    return [
        _field("price", criteria.get("price"), hint="such as 2.5", numeric=False),
        _field("horizon", criteria.get("horizon"), hint="300B, 90ep, 30d", numeric=False),
        _menu("dataset", DATASETS, criteria.get("dataset"), hint="usual"),
    ]


def hardware_controls(state: State, catalog: Catalog, question: Question | None) -> list[html.Div]:
    """What B runs on where that is not what A runs on; all left open: as A."""
    given, side = state.hardware, SIDES[1]
    return [
        _menu("node", catalog.nodes, given.get("node"), side=side, hint="auto"),
        _field("count", given.get("count"), side=side, hint="auto"),
        _menu("precision", precisions_of(question), given.get("precision"), side=side, hint="auto"),
        _menu("stack", stack_names(), given.get("stack"), side=side, hint="auto"),
    ]


def precisions_of(question: Question | None) -> list[str]:
    """Precisions whose products the devices have, or all where no question says which devices."""
    if question is None:
        return list(PRECISIONS)
    devices = [part.device for part in question.cluster.parts]
    return [
        name
        for name in PRECISIONS
        if all(load_precision(name).matmul in device.peak_flop_rate for device in devices)
    ]


def strategy_controls(state: State, questions: Sequence[Question | None], catalog: Catalog) -> list[Any]:
    """The controls of every strategy, and the button that adds or removes B."""
    alone = len(state.strategies) == 1
    text = "Compare with a second strategy" if alone else "Remove strategy B"
    blocks = []
    for side, values, question in zip(SIDES, state.strategies, questions, strict=False):
        hardware = []
        if side != SIDES[0]:
            elsewhere = html.Div(hardware_controls(state, catalog, question), className="question")
            hardware = [html.Details([html.Summary("Hardware and software of B"), elsewhere], open=True)]
        stack = state.hardware.get("stack", state.asked.stack) if side != SIDES[0] else state.asked.stack
        controls = html.Div(_side_controls(side, values, question, stack), className="controls")
        blocks.append(
            html.Details(
                [html.Summary(f"Strategy {side.upper()}"), *hardware, controls],
                open=True,
                className=f"side-{side}",
            )
        )
    return [*blocks, html.Button(text, id="compare", type="button")]


def _side_controls(side: str, values: Values, question: Question | None, stack: str | None) -> list[html.Div]:
    if question is not None:
        values = without_left(values, question.cluster.devices)
    found = offers(question, stack, values)
    sliders = [
        _slider(side, name, found[name], position_of(name, found[name].texts, values)) for name in SLIDERS
    ]
    menus = [
        _menu(name, found[name].texts, _chosen(name, found, values), side=side, hint=None) for name in MENUS
    ]
    return [
        *sliders,
        *menus,
        _switch(side, on=bool(values.get("sequence_parallel", False))),
        _field("recompute_layers", values.get("recompute_layers") or None, side=side, hint="all"),
        _field(
            "savers",
            values.get("savers") or None,
            side=side,
            hint="as Recompute says",
            numeric=False,
            known=found["savers"].texts,
        ),
        _field(
            "compression",
            values.get("compression") or None,
            side=side,
            hint="none",
            numeric=False,
            known=EXAMPLES,
        ),
        _field("stages", "-".join(map(str, values.get("stages", ()))) or None, side=side, hint="automatic"),
        _field("shares", "-".join(map(str, values.get("shares", ()))) or None, side=side, hint="alike"),
        _field("split_degree", values.get("split_degree", 1), side=side),
        _field(
            "splits",
            format_splits(values.get("splits", ())) or None,
            side=side,
            hint="by sample",
            numeric=False,
        ),
    ]


def _chosen(name: str, found: Mapping[str, Offer], values: Values) -> str:
    texts = found[name].texts
    return texts[position_of(name, texts, values)]


def _identity(name: str, side: str) -> dict[str, str]:
    return {"type": "choice", "name": f"{side}.{name}" if side else name}


def _menu(
    name: str, names: Iterable[str], chosen: str | None, *, side: str = "", hint: str | None = ""
) -> html.Div:
    """A menu; with a hint it may be left open. What is chosen is in it even if nobody knows it.

    No label holds it: a click into its search box would count as one on the menu, and close it.
    """
    options = list(dict.fromkeys([*names, *([chosen] if chosen else [])]))
    menu = dcc.Dropdown(
        id=_identity(name, side),
        options=options,
        value=chosen,
        clearable=bool(hint),
        placeholder=hint or "",
        optionHeight="auto",
        maxHeight=320,
    )
    return html.Div([html.Span(LABELS[name], className="label"), menu], className="control")


def _field(
    name: str,
    value: int | str | None,
    *,
    side: str = "",
    hint: str = "",
    numeric: bool = True,
    known: Iterable[str] = (),
) -> html.Div:
    """A number as text, so that a wrong one is explained rather than swallowed by the browser.

    Texts that are ``known`` are suggested as one types.
    """
    identity = _identity(name, side)
    suggested = f"known-{identity['name'].replace('.', '-')}" if known else None
    control = dcc.Input(
        id=identity,
        type="text",
        inputMode="numeric" if numeric else "verbatim",
        value="" if value is None else str(value),
        placeholder=hint,
        debounce=True,
    )
    if suggested:
        control.list = suggested  # type: ignore[attr-defined]  # set as it would be by name
    listed = [html.Datalist([html.Option(value=each) for each in known], id=suggested)] if suggested else []
    return html.Div([html.Label([html.Span(LABELS[name]), control]), *listed], className="control")


def _switch(side: str, *, on: bool) -> html.Div:
    options = [{"label": LABELS["sequence_parallel"], "value": "true"}]
    identity = _identity("sequence_parallel", side)
    return html.Div(
        dcc.Checklist(id=identity, options=options, value=["true"] if on else []), className="control"
    )


def _slider(side: str, name: str, offer: Offer, position: int) -> html.Div:
    """A slider over positions; its marks hold the texts, and every few of them show.

    With a single position there is nothing to slide, and the track is hidden.
    """
    key = f"{side}.{name}"
    slider = dcc.Slider(
        id={"type": "slider", "name": key},
        min=0,
        max=max(len(offer.texts) - 1, 1),
        step=1,
        marks=slider_marks(offer.texts),
        value=position,
        included=False,
        updatemode="mouseup",
        allow_direct_input=False,
    )
    shown = html.Output(offer.texts[position], id={"type": "shown", "name": key})
    caption = html.Div([html.Span(LABELS[name]), shown], className="caption")
    return html.Div(
        [caption, html.Div(slider, className="track")],
        id={"type": "room", "name": key},
        className=slider_class(name, offer),
        title="; ".join(offer.withheld),
    )


def slider_marks(texts: Sequence[str]) -> dict[int, Any]:
    """Marks of positions."""
    every = -(-len(texts) // MARKS)
    return {
        place: {"label": text, "style": {} if place % every == 0 else {"visibility": "hidden"}}
        for place, text in enumerate(texts)
    }


def slider_class(name: str, offer: Offer) -> str:
    """How a slider stands: alone where there is one position, not at all where nothing has experts."""
    alone = len(offer.texts) == 1
    return "control" + (" fixed" if alone else "") + (" none" if alone and name in EXPERTS else "")
