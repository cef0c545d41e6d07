"""Sections of a report page as components of Dash: the same figures and tables, live."""

from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go
from dash import dcc, html

from planner.dashboard.plain_html import plain_html
from planner.pages.page import CONFIG, Section, Table, table_html

STILL: Any = {**CONFIG, "staticPlot": True, "responsive": False}
"""Of figures that others take the place of within a moment: nothing follows the pointer or the window."""


def show_sections(sections: Iterable[Section], prefix: str, *, still: bool = False) -> list[html.Section]:
    """Every section under its heading.

    Args:
        sections: of a page.
        prefix: keeps identities apart on the page.
        still: others take their place within a moment.
    """
    return [_section(f"{prefix}-{place}", section, still=still) for place, section in enumerate(sections)]


def _section(name: str, section: Section, *, still: bool) -> html.Section:
    body = (
        plain_html(table_html(section.body))
        if isinstance(section.body, Table)
        else _graph(name, section.body, still=still)
    )
    note = [html.P(section.note, className="note")] if section.note else []
    framed = html.Div(html.Div(body), className="wide") if section.wide else body
    return html.Section([html.H3(section.title), *note, framed], id=f"section-{name}")


def _graph(name: str, figure: go.Figure, *, still: bool) -> dcc.Graph:
    height = f"{figure.layout.height}px"
    config: Any = STILL if still else CONFIG  # a closed kind of dictionary in Dash
    return dcc.Graph(
        id=f"graph-{name}",
        figure=figure,
        config=config,
        responsive=False if still else "auto",
        style={"height": height},
    )
