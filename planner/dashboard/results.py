"""What the page shows of its strategies: cards with the main numbers or the reasons, then the sections."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from dash import html

from planner.console.answers.headline import step_sentence
from planner.console.format import format_memory, format_rate, format_seconds, format_strategy
from planner.dashboard.answers import (
    QUICK,
    Outline,
    first_sections,
    lines_of,
    other_sections,
    outline,
    reasons_of,
    simulation,
)
from planner.dashboard.catalog import REFUSALS, Catalog
from planner.dashboard.downloads import download_links
from planner.dashboard.fixes import fix_buttons, memory_fixes, question_fixes, strategy_fixes
from planner.dashboard.money import Costs, costs_of
from planner.dashboard.sections import show_sections
from planner.dashboard.sides import Side, check_side, count_passes, question_for, side_names
from planner.dashboard.sketch import sketch
from planner.dashboard.state import State, format_state
from planner.pages.figures.timeline import on_one_time_axis
from planner.pages.page import Section, Table
from planner.pages.sections.comparison import comparison_sections
from planner.pages.sections.step import totals_table
from planner.questions.question import Question
from planner.reasons.comparison import compare_in_words, reported_step
from simdl.errors import StrategyError
from simdl.report.step_report import StepReport
from workloads.network import Network

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
    for number, name in enumerate(side_names(state)):
        try:
            side = check_side(state, number, catalog)
            question = question_for(side.asked, catalog, side.strategy)
            later = not wait and count_passes(question, side.strategy) > QUICK
            card = _bounded if later else _answered
            cards.append(card(side, number, state, catalog))
        except REFUSALS as error:
            cards.append(_refused(name, number, error, state, catalog))
            continue
        drawable, complete = True, complete and not later
    return Verdict(cards=cards, drawable=drawable, complete=complete)


def show_refusal(query: str, error: Exception, catalog: Catalog) -> html.Div:
    """The card of a question that cannot be answered."""
    reasons = html.Ul([html.Li(reason) for reason in reasons_of(error)])
    buttons = html.Div(fix_buttons(question_fixes(query, catalog)), className="buttons")
    return html.Div([html.H2("The question cannot be answered"), reasons, buttons], className="card refused")


def show_sketches(state: State, catalog: Catalog) -> list[Any]:
    """What can be drawn of long steps at once; nothing of the sides that are simulated within a moment."""
    shown = []
    for number, name in enumerate(side_names(state)):
        with suppress(*REFUSALS):
            side = check_side(state, number, catalog)
            if count_passes(question_for(side.asked, catalog, side.strategy), side.strategy) > QUICK:
                sections = sketch(side.asked, catalog, side.strategy)
                drawn = show_sections(sections, f"{name.lower()}-sketch", still=True)
                shown += [html.H2(f"Strategy {name}"), *drawn]
    return shown


def show_figures(state: State, catalog: Catalog) -> list[Any]:
    """What changes with every control: time, pipeline and memory; of two strategies, their comparison."""
    found = _carried_out(state, catalog)
    if not found:
        return []
    if len(found) == 1:
        (side,) = found
        sections = first_sections(side.asked, catalog, side.strategy)
        return [_lines(side, catalog), *show_sections(sections, side.name.lower())]
    return [
        *_comparison(found, catalog),
        *show_sections(_pipelines(found, catalog), "pipelines"),
    ]


def show_details(state: State, catalog: Catalog) -> list[Any]:
    """All other sections, those of two strategies side by side."""
    found = _carried_out(state, catalog)
    if len(found) == 1:
        (side,) = found
        sections = other_sections(side.asked, catalog, side.strategy)
        return show_sections(sections, f"{side.name.lower()}-more")
    columns = [
        html.Div(
            [
                html.H2(f"Strategy {side.name}"),
                _lines(side, catalog),
                *show_sections(_narrow(side, catalog), side.name.lower()),
            ],
            className="column",
        )
        for side in found
    ]
    return [html.Div(columns, className="columns")]


def _narrow(side: Side, catalog: Catalog) -> list[Section]:
    """All sections that fit into a column."""
    asked = side.asked, catalog, side.strategy
    return [part for part in (*first_sections(*asked), *other_sections(*asked)) if not part.wide]


def _carried_out(state: State, catalog: Catalog) -> list[Side]:
    """The sides that can be simulated; the cards of the others say why they cannot."""
    found = []
    for number, _ in enumerate(side_names(state)):
        with suppress(*REFUSALS):
            side = check_side(state, number, catalog)
            simulation(side.asked, catalog, side.strategy)
            found.append(side)
    return found


def _lines(side: Side, catalog: Catalog) -> html.Details:
    lines = lines_of(side.asked, catalog, side.strategy)
    return html.Details([html.Summary("Assumptions and warnings"), *map(html.P, lines)])


def _pipelines(sides: list[Side], catalog: Catalog) -> Iterator[Section]:
    """The wide sections of two strategies one above the other, on one axis of time."""
    wide = [
        (side.name, part)
        for side in sides
        for part in first_sections(side.asked, catalog, side.strategy)
        if part.wide
    ]
    figures = on_one_time_axis([part.body for _, part in wide if not isinstance(part.body, Table)])
    for (name, part), figure in zip(wide, figures, strict=True):
        yield replace(part, title=f"{part.title} of {name}", body=figure)


def _card(name: str, title: str, body: list[Any], kind: str) -> html.Div:
    return html.Div([html.H2([html.Span(name), f" {title}"]), *body], className=f"card {kind}")


def _refused(name: str, number: int, error: Exception, state: State, catalog: Catalog) -> html.Div:
    found = reasons_of(error)
    reasons = html.Ul([html.Li(reason) for reason in found])
    fixes = question_fixes(format_state(state), catalog)
    if isinstance(error, StrategyError):
        fixes = strategy_fixes(state, number, catalog, found)
    buttons = html.Div(fix_buttons(fixes), className="buttons")
    return _card(name, "cannot be carried out", [html.P("Because:"), reasons, buttons], "refused")


def _bounded(side: Side, number: int, state: State, catalog: Catalog) -> html.Div:
    known = outline(side.asked, catalog, side.strategy)
    question = question_for(side.asked, catalog, side.strategy)
    note = html.P("A long step: simulating its timeline takes a moment.", className="note")
    body = [
        _metrics([*_bounds(known, question)]),
        *_shortfalls(known.shortfalls, side, number, state, catalog),
        note,
    ]
    return _card(side.name, _title(side, state, catalog), body, "waiting")


def _bounds(known: Outline, question: Question) -> Iterator[tuple[str, str]]:
    """Main numbers of a step that is still being simulated, as limits; memory is exact."""
    workload, cluster = question.workload, question.cluster
    network, samples = workload.network, workload.global_batch / known.bound
    peak = cluster.devices * cluster.device.flop_rate(workload.precision.matmul)
    yield "step time", f"at least {format_seconds(known.bound)}"
    name = "tokens/s" if network.tokens > 1 else "samples/s"
    yield name, f"at most {format_rate(samples * network.tokens)}"
    yield "MFU", f"at most {float(network.model_flops) * samples / peak:.1%}"
    yield "peak memory", format_memory(max(sum(parts.values()) for parts in known.memory))


def _answered(side: Side, number: int, state: State, catalog: Catalog) -> html.Div:
    found = simulation(side.asked, catalog, side.strategy)
    report, question = found.report, question_for(side.asked, catalog, side.strategy)
    costs = costs_of(report, question, state.criteria) if report.feasible else Costs(pairs=())
    body = [
        *([_headline(report, question, costs)] if report.feasible else []),
        _metrics([*_totals(report, question.workload.network), *costs.pairs]),
        *([html.P(costs.problem, className="reasons")] if costs.problem else []),
        *_shortfalls(report.reasons, side, number, state, catalog),
        *_notes(report, costs, [len(stage.blocks) for stage in found.step.stages]),
        download_links(side.name, state, fits=report.feasible),
    ]
    title = _title(side, state, catalog)
    return _card(side.name, title, body, "fits" if report.feasible else "short")


def _headline(report: StepReport, question: Question, costs: Costs) -> html.P:
    """The sentence that is the first line of the command's answer."""
    return html.P(step_sentence(question, report, also=costs.clauses), className="headline")


def _title(side: Side, state: State, catalog: Catalog) -> str:
    """The strategy, and where two machines or programs are compared, on what."""
    text = format_strategy(side.strategy)
    if not state.hardware:
        return text
    question = question_for(side.asked, catalog, side.strategy)
    precision = question.workload.precision.name
    return f"{question.cluster.name}, {precision}, stack {question.stack.name}: {text}"


def _notes(report: StepReport, costs: Costs, cut: list[int]) -> Iterator[html.Details]:
    """What was chosen, assumed and warned of, folded away; nothing where there is nothing."""
    lines = [f"warning: {sentence}" for sentence in report.warnings]
    lines += [f"assumed: {sentence}" for sentence in costs.notes]
    if len(cut) > 1 and not report.strategy.stages:
        lines.append(f"blocks by stage, cut automatically: {_runs(cut)}")
    if lines:
        what = f"{len(lines)} note{'s' * (len(lines) > 1)}"
        yield html.Details([html.Summary(what), *map(html.P, lines)], className="note")


def _runs(counts: list[int]) -> str:
    """Counts one after the other, equal neighbours once: ``13, 6 x 12, 13``."""
    runs = [(count, len(list(same))) for count, same in groupby(counts)]
    return ", ".join(str(count) if times == 1 else f"{times} x {count}" for count, times in runs)


def _totals(report: StepReport, network: Network) -> Iterator[tuple[str, str]]:
    """Texts of the totals table; sequences are counted in tokens, images in samples."""
    for metric, value in totals_table(report, network).rows:
        if metric.text in CARD and (metric.text != "samples/s" or network.tokens == 1):
            yield metric.text, value.text


def _metrics(pairs: list[tuple[str, str]]) -> html.Dl:
    return html.Dl([html.Div([html.Dt(name), html.Dd(text)]) for name, text in pairs], className="metrics")


def _shortfalls(
    reasons: tuple[str, ...], side: Side, number: int, state: State, catalog: Catalog
) -> Iterator[html.Div]:
    """Why a step does not fit in memory, and buttons for what would; nothing where it fits."""
    if not reasons:
        return
    buttons = fix_buttons(memory_fixes(state, number, side, catalog))
    advice = "These fit:" if buttons else "Nothing else fits either: more devices, or larger ones."
    more = f" (and {len(reasons) - 1} more stages)" if len(reasons) > 1 else ""
    reason = html.Ul([html.Li(f"{reasons[0]}{more}")])
    offered = html.Div(buttons, className="buttons")
    yield html.Div([html.P("Does not fit in memory:"), reason, html.P(advice), offered], className="reasons")


def _comparison(sides: list[Side], catalog: Catalog) -> list[Any]:
    reports = [simulation(side.asked, catalog, side.strategy).report for side in sides]
    questions = [question_for(side.asked, catalog, side.strategy) for side in sides]
    elsewhere = questions[0].options != questions[1].options
    steps = [
        reported_step(report, question.options if elsewhere else None)
        for report, question in zip(reports, questions, strict=True)
    ]
    words = compare_in_words(*steps)
    sections = comparison_sections(questions[0], *reports)
    return [
        html.Div([html.H2("A against B"), *map(html.P, words)], id="words"),
        *show_sections(sections, "ab"),
    ]
