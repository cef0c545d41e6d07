"""Fixes: what a card that is refused or does not fit offers to change, each with the state it leads to.

What does not fit gets the remedies of `simdl simulate`. What cannot be carried out gets the nearest choices
that can, of one setting each; where none suffices alone, the least memory saving that fits. A question that
is refused gets back the defaults that stand in its way, and names that are near.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlencode

from dash import html

from planner.console.options.strategy_options import format_flags
from planner.dashboard.catalog import REFUSALS, Asked, Catalog, ask
from planner.dashboard.positions import faults, nearest_fixes, offers, without_left
from planner.dashboard.sides import LIVE, Side, asked_of, count_passes, question_for, values_of
from planner.dashboard.state import (
    HARDWARE,
    SIDES,
    State,
    StateError,
    Values,
    changed_values,
    format_state,
    parse_state,
)
from planner.questions.question import Options, Question
from planner.questions.strategy_file import build_strategy
from planner.remedies.least_saving import NOTHING, choose_rest
from planner.remedies.ways_out import ways_out
from simdl.errors import StrategyError
from simdl.step.strategy import Strategy

SHOWN = 3  # fixes of one card
OPEN = tuple(each.name for each in fields(Asked) if each.default is None)
"""What a question may leave open."""


@dataclass(frozen=True, slots=True)
class Fix:
    """One way out.

    Attributes:
        text: what it changes, as one would type it.
        query: the state that it leads to.
    """

    text: str
    query: str


def fix_buttons(fixes: Iterator[Fix]) -> list[html.Button]:
    """Buttons that apply fixes, the first few, each target once."""
    found = dict[str, str]()
    with suppress(*REFUSALS):  # of what is left of a question that is refused anyway
        found |= {fix.query: fix.text for fix in islice(fixes, SHOWN)}
    return [
        html.Button(f"Apply {text}", id={"type": "go", "to": query}, type="button", className="fix")
        for query, text in found.items()
    ]


def memory_fixes(state: State, side: int, found: Side, catalog: Catalog) -> Iterator[Fix]:
    """What would fit instead of a strategy that does not."""
    question = question_for(found.asked, catalog, found.strategy)
    ways = ways_out(found.strategy, question, _options(question, found.asked))
    for name in ways.stacks:
        yield Fix(f"--stack {name}", format_state(with_hardware(state, side, {"stack": name})))
    for strategy in ways.strategies:
        yield _changed(state, side, strategy, found.strategy, question)


def strategy_fixes(state: State, side: int, catalog: Catalog, reasons: tuple[str, ...]) -> Iterator[Fix]:
    """The nearest strategies that can be carried out; those first that change what the first reason names."""
    asked = asked_of(state, side, catalog)
    question = ask(asked, catalog)
    values = without_left(state.strategies[side], question.cluster.devices)
    before = None
    with suppress(StrategyError):
        before = build_strategy(values, question.cluster)
    if before is not None and not faults(question, asked.stack, values):
        yield from _shorter(state, side, question, asked, values)
        return
    nearest = nearest_fixes(question, asked.stack, values)
    single = [
        _changed(state, side, build_strategy(each, question.cluster), before, question) for each in nearest
    ]
    first = reasons[0].replace("_", " ").split()
    yield from sorted(single, key=lambda fix: not any(word in first for word in _names(fix.text)))
    if not single:
        rest = choose_rest(question, _options(question, asked), {})
        if NOTHING not in rest.chosen:
            yield _changed(state, side, rest.strategy, before, question)


def question_fixes(query: str, catalog: Catalog) -> Iterator[Fix]:
    """What makes a refused question one that can be answered."""
    try:
        state = parse_state(query)
    except StateError as error:
        yield from _without(query, error.faults)
        return
    try:
        ask(state.asked, catalog)
    except REFUSALS:
        yield from _other_questions(state, catalog)
        return
    for name in state.hardware:
        less = replace(state, hardware=values_of(state.hardware, **{name: None}))
        with suppress(*REFUSALS):
            ask(asked_of(less, 1, catalog), catalog)
            yield Fix(f"B's {name} as A's", format_state(less))


def _other_questions(state: State, catalog: Catalog) -> Iterator[Fix]:
    """Near names for unknown ones, and defaults for what stands in the way."""
    asked = state.asked
    for name, known in (("model", catalog.models), ("node", catalog.nodes)):
        if getattr(asked, name) not in known:
            for near in get_close_matches(getattr(asked, name), known, n=SHOWN):
                yield from _tried(state, replace(asked, **{name: near}), f"{name} {near}", catalog)
    for name in OPEN:
        if getattr(asked, name) is not None:
            left = replace(asked, **{name: None})  # type: ignore[arg-type]  # which may be left open
            yield from _tried(state, left, f"the default of {name.replace('_', ' ')}", catalog)


def with_hardware(state: State, side: int, changed: Values) -> State:
    """A state whose side runs on other hardware or software; A's is that of the question."""
    if side:
        return replace(state, hardware=values_of(state.hardware, **changed))
    return replace(state, asked=replace(state.asked, **changed))


def with_strategy(state: State, side: int, strategy: Values) -> State:
    """A state whose side has another strategy; B may be new."""
    first, *rest = state.strategies
    return replace(state, strategies=(strategy, *rest) if side == 0 else (first, strategy))


def with_plan(state: State, plan: State, side: str, *, of: str) -> State:
    """A state with a planned strategy as A or B, on what it was planned for.

    Where the plan answers another training than the page now asks for, the page asks for that again.

    Args:
        state: of the page.
        plan: the question and the strategy of the plan.
        side: that gets it.
        of: side whose question was planned.
    """
    strategy = plan.strategies[0]
    if side == SIDES[0]:
        hardware = state.hardware if of == side else {}
        return with_strategy(replace(state, asked=plan.asked, hardware=hardware), 0, strategy)
    kept: dict[str, Any] = {"global_batch": state.asked.global_batch} if of == side else {}
    kept |= {name: getattr(state.asked, name) for name in HARDWARE}
    if replace(plan.asked, **kept) != state.asked:
        return with_strategy(replace(state, asked=plan.asked, hardware={}), 1, strategy)
    found = {name: getattr(plan.asked, name) for name in HARDWARE}
    hardware = {name: value for name, value in found.items() if value not in {None, kept[name]}}
    return with_strategy(replace(state, hardware=hardware), 1, strategy)


def _options(question: Question, asked: Asked) -> Options:
    """The question in words, the stack as its user named it."""
    return replace(question.options, stack=asked.stack)


def _changed(state: State, side: int, after: Strategy, before: Strategy | None, question: Question) -> Fix:
    values, given = changed_values(after, question.cluster), state.strategies[side]
    text = format_flags(after, before) if before is not None else ""
    if not text:
        names = [name for name in given if given[name] != getattr(after, name)]
        text = f"the default of {', '.join(names).replace('_', ' ')}"
    return Fix(text, format_state(with_strategy(state, side, values)))


def _names(flags: str) -> list[str]:
    """Fields that flags change, as reasons name them."""
    return [word.removeprefix("--").replace("-", " ") for word in flags.split() if word.startswith("--")]


def _shorter(state: State, side: int, question: Question, asked: Asked, values: Values) -> Iterator[Fix]:
    """Larger micro-batches whose step is short enough for the page."""
    before = build_strategy(values, question.cluster)
    for text in offers(question, asked.stack, values)["micro_batch"].texts:
        after = replace(before, micro_batch=int(text))
        if count_passes(question, after) <= LIVE and after.micro_batch > before.micro_batch:
            yield _changed(state, side, after, before, question)
            return


def _tried(state: State, asked: Asked, text: str, catalog: Catalog) -> Iterator[Fix]:
    """The fix, if it makes the question one that can be answered."""
    with suppress(*REFUSALS):
        ask(asked, catalog)
        yield Fix(text, format_state(replace(state, asked=asked)))


def _without(query: str, found: tuple[str, ...]) -> Iterator[Fix]:
    """The query without the keys that are at fault."""
    wrong = {fault.partition(":")[0] for fault in found}
    pairs = [(key, value) for key, value in parse_qsl(query.removeprefix("?")) if key not in wrong]
    left = urlencode([*pairs, *([("count", 1)] if "count" in wrong else [])])
    with suppress(StateError):
        parse_state(left)
        names = ", ".join(sorted(name.replace("_", " ") for name in wrong))
        yield Fix(f"the default of {names}", left)
