"""What the page shows of its strategies: cards with the main numbers or the reasons, then the sections."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dash import html

from planner.comparison import compare_in_words, reported_step
from planner.dashboard.answers import (
    QUICK,
    check_strategy,
    count_passes,
    fitting_changes,
    outline,
    reasons_of,
    side_names,
    simulation,
    step_page,
)
from planner.dashboard.catalog import REFUSALS, Catalog, ask
from planner.dashboard.downloads import download_links
from planner.dashboard.sections import show_sections
from planner.dashboard.state import State
from planner.format import format_seconds, format_strategy
from planner.report_pages.comparison import comparison_sections
from planner.report_pages.step import totals_table
from simdl.report import StepReport
from simdl.strategy import Strategy

CARD = ("step time", "tokens/s", "samples/s", "MFU", "peak memory", "bubble")
"""Rows of the totals that a card shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The cards of a page, and whether figures follow.

    Attributes:
        cards: one per strategy.
        drawable: whether any strategy can be simulated.
        complete: whether all that can be simulated are.
    """

    cards: list[html.Div]
    drawable: bool
    complete: bool


def show_verdict(state: State, catalog: Catalog, *, wait: bool) -> Verdict:
    """The card of every strategy; a long step is simulated only if the caller will wait for it."""
    cards, drawable, complete = [], False, True
    for side, name in enumerate(side_names(state)):
        try:
            strategy = check_strategy(state, side, catalog)
        except REFUSALS as error:
            cards.append(_refused(name, error))
            continue
        drawable = True
        long = count_passes(ask(state.asked, catalog), strategy) > QUICK
        if long and not wait:
            complete = False
            cards.append(_bounded(name, state, strategy, catalog))
        else:
            cards.append(_answered(name, state, strategy, catalog))
    return Verdict(cards=cards, drawable=drawable, complete=complete)


def show_figures(state: State, catalog: Catalog) -> list[Any]:
    """The sections of every strategy that can be simulated, under those that compare them."""
    found: dict[str, Strategy] = {}
    for side, name in enumerate(side_names(state)):
        try:
            found[name] = check_strategy(state, side, catalog)
        except REFUSALS:
            continue  # its card says why
    columns = [
        html.Div(_column(name, state, strategy, catalog, several=len(found) > 1), className="column")
        for name, strategy in found.items()
    ]
    compared = _comparison(state, list(found.values()), catalog) if len(found) > 1 else []
    return [*compared, html.Div(columns, className="columns")]


def _card(name: str, title: str, body: list[Any], kind: str) -> html.Div:
    return html.Div([html.H2([html.Span(name), f" {title}"]), *body], className=f"card {kind}")


def _refused(name: str, error: Exception) -> html.Div:
    reasons = html.Ul([html.Li(reason) for reason in reasons_of(error)])
    return _card(name, "cannot be carried out", [html.P("Because:"), reasons], "refused")


def _bounded(name: str, state: State, strategy: Strategy, catalog: Catalog) -> html.Div:
    known = outline(state.asked, catalog, strategy)
    metrics = _metrics([("step time", f"at least {format_seconds(known.bound)}")])
    note = html.P("A long step: simulating its timeline takes a moment.", className="note")
    body = [metrics, *_shortfalls(known.shortfalls, state, strategy, catalog), note]
    return _card(name, format_strategy(strategy), body, "waiting")


def _answered(name: str, state: State, strategy: Strategy, catalog: Catalog) -> html.Div:
    report = simulation(state.asked, catalog, strategy).report
    tokens = ask(state.asked, catalog).workload.network.tokens > 1
    body = [
        _metrics(list(_totals(report, tokens=tokens))),
        *_shortfalls(report.reasons, state, strategy, catalog),
        *(html.P(f"warning: {sentence}", className="note") for sentence in report.warnings),
        download_links(name, state, fits=report.feasible),
    ]
    return _card(name, format_strategy(strategy), body, "fits" if report.feasible else "short")


def _totals(report: StepReport, *, tokens: bool) -> Iterator[tuple[str, str]]:
    """Texts of the totals table; sequences are counted in tokens, images in samples."""
    hidden = "samples/s" if tokens else "tokens/s"
    for metric, value in totals_table(report).rows:
        if metric.text in CARD and metric.text != hidden:
            yield metric.text, value.text


def _metrics(pairs: list[tuple[str, str]]) -> html.Dl:
    return html.Dl([html.Div([html.Dt(name), html.Dd(text)]) for name, text in pairs], className="metrics")


def _shortfalls(
    reasons: tuple[str, ...], state: State, strategy: Strategy, catalog: Catalog
) -> Iterator[html.Div]:
    """Why a step does not fit in memory, and what would; nothing where it fits."""
    if not reasons:
        return
    fitting = fitting_changes(ask(state.asked, catalog), strategy)
    advice = f"These fit: {'; '.join(fitting)}." if fitting else "No single change fits; a plan searches all."
    more = f" (and {len(reasons) - 1} more stages)" if len(reasons) > 1 else ""
    lines = [html.Li(f"{reasons[0]}{more}"), html.Li(advice)]
    yield html.Div([html.P("Does not fit in memory:"), html.Ul(lines)], className="reasons")


def _column(name: str, state: State, strategy: Strategy, catalog: Catalog, *, several: bool) -> list[Any]:
    page = step_page(state.asked, catalog, strategy)
    heading = [html.H2(f"Strategy {name}")] if several else []
    lines = html.Details([html.Summary("Assumptions and warnings"), *map(html.P, page.lines)])
    return [*heading, lines, *show_sections(page.sections, name.lower())]


def _comparison(state: State, strategies: list[Strategy], catalog: Catalog) -> list[Any]:
    one, two = (simulation(state.asked, catalog, strategy).report for strategy in strategies)
    words = compare_in_words(reported_step(one), reported_step(two))
    sections = comparison_sections(ask(state.asked, catalog), one, two)
    return [
        html.Div([html.H2("A against B"), *map(html.P, words)], id="words"),
        *show_sections(sections, "ab"),
    ]
