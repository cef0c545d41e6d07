"""What the page shows of its strategies: cards with the main numbers or the reasons, then the sections."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from dash import html

from planner.console.format import format_seconds, format_strategy
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
from planner.pages.figures.timeline import on_one_time_axis
from planner.pages.page import Page, Section, Table
from planner.pages.sections.comparison import comparison_sections
from planner.pages.sections.step import totals_table
from planner.search.comparison import compare_in_words, reported_step
from simdl.report.step_report import StepReport
from simdl.step.strategy import Strategy
from workloads.network import Network

CARD = ("step time", "tokens/s", "samples/s", "MFU", "peak memory", "bubble")
"""Rows of the totals that a card shows."""
FIRST = 4
"""Sections of a step that are drawn before the others: totals, time, pipeline, memory."""


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
            later = not wait and count_passes(ask(state.asked, catalog), strategy) > QUICK
            card = _bounded if later else _answered
            cards.append(card(name, state, strategy, catalog))
        except REFUSALS as error:
            cards.append(_refused(name, error))
            continue
        drawable, complete = True, complete and not later
    return Verdict(cards=cards, drawable=drawable, complete=complete)


def show_figures(state: State, catalog: Catalog) -> list[Any]:
    """What changes with every control: time, pipeline and memory; of two strategies, their comparison."""
    found = _carried_out(state, catalog)
    pages = {name: step_page(state.asked, catalog, strategy) for name, strategy in found.items()}
    if not found:
        return []
    if len(found) == 1:
        (name, page), *_ = pages.items()
        return [_lines(page), *show_sections(page.sections[:FIRST], name.lower())]
    return [
        *_comparison(state, list(found.values()), catalog),
        *show_sections(_pipelines(pages), "pipelines"),
    ]


def show_details(state: State, catalog: Catalog) -> list[Any]:
    """All other sections, those of two strategies side by side."""
    found = _carried_out(state, catalog)
    pages = {name: step_page(state.asked, catalog, strategy) for name, strategy in found.items()}
    if len(found) == 1:
        (name, page), *_ = pages.items()
        return show_sections(page.sections[FIRST:], f"{name.lower()}-more")
    columns = [
        html.Div(
            [
                html.H2(f"Strategy {name}"),
                _lines(page),
                *show_sections([part for part in page.sections if not part.wide], name.lower()),
            ],
            className="column",
        )
        for name, page in pages.items()
    ]
    return [html.Div(columns, className="columns")]


def _carried_out(state: State, catalog: Catalog) -> dict[str, Strategy]:
    """The strategies that can be simulated; the cards of the others say why they cannot."""
    found: dict[str, Strategy] = {}
    for side, name in enumerate(side_names(state)):
        with suppress(*REFUSALS):
            strategy = check_strategy(state, side, catalog)
            simulation(state.asked, catalog, strategy)
            found[name] = strategy
    return found


def _lines(page: Page) -> html.Details:
    return html.Details([html.Summary("Assumptions and warnings"), *map(html.P, page.lines)])


def _pipelines(pages: Mapping[str, Page]) -> Iterator[Section]:
    """The wide sections of two strategies one above the other, on one axis of time."""
    wide = [(name, part) for name, page in pages.items() for part in page.sections if part.wide]
    figures = on_one_time_axis([part.body for _, part in wide if not isinstance(part.body, Table)])
    for (name, part), figure in zip(wide, figures, strict=True):
        yield replace(part, title=f"{part.title} of {name}", body=figure)


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
    network = ask(state.asked, catalog).workload.network
    body = [
        _metrics(list(_totals(report, network))),
        *_shortfalls(report.reasons, state, strategy, catalog),
        *(html.P(f"warning: {sentence}", className="note") for sentence in report.warnings),
        download_links(name, state, fits=report.feasible),
    ]
    return _card(name, format_strategy(strategy), body, "fits" if report.feasible else "short")


def _totals(report: StepReport, network: Network) -> Iterator[tuple[str, str]]:
    """Texts of the totals table; sequences are counted in tokens, images in samples."""
    for metric, value in totals_table(report, network).rows:
        if metric.text in CARD and (metric.text != "samples/s" or network.tokens == 1):
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


def _comparison(state: State, strategies: list[Strategy], catalog: Catalog) -> list[Any]:
    one, two = (simulation(state.asked, catalog, strategy).report for strategy in strategies)
    words = compare_in_words(reported_step(one), reported_step(two))
    sections = comparison_sections(ask(state.asked, catalog), one, two)
    return [
        html.Div([html.H2("A against B"), *map(html.P, words)], id="words"),
        *show_sections(sections, "ab"),
    ]
