"""HTML as one component: the browser fills it in (`assets/dashboard.js`).

Each component of Dash is told of every change of any other, so the cells of a few tables would cost more than
the figures beside them.
"""

from typing import Any

from dash import html


def plain_html(text: str) -> html.Div:
    """A component that shows HTML; whatever stands in ``text`` must have been escaped."""
    shown: Any = {"data-html": text}  # an attribute of the page, which the component's types do not list
    return html.Div(**shown)
