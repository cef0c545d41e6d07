"""The frame of the page: controls on the left, what they give on the right, the limits at the foot."""

from dash import dcc, html

from planner.dashboard.limits import BODY
from planner.dashboard.plain_html import plain_html
from planner.dashboard.plan_view import plan_panel
from planner.dashboard.state import LENGTH
from planner.dashboard.takeaway import launch_panel
from planner.pages.glossary import glossary_html


def page_layout(place: str) -> html.Div:
    """The page without its state; ``place`` is the address that the server listens at."""
    controls = [html.Div(id="controls")]
    results = [
        html.Div(id="notice", role="alert"),
        html.Div(id="pressed", role="alert"),
        plan_panel(),
        html.Div(id="verdict", role="status"),
        launch_panel(),
        html.Div(id="figures"),
        html.Div(id="details"),
        html.Div(id="plan"),
    ]
    return html.Div(
        [
            dcc.Store(id="address"),
            dcc.Store(id="state"),
            dcc.Store(id="possible"),
            dcc.Store(id="offered"),
            dcc.Store(id="answered"),
            dcc.Store(id="drawn"),
            dcc.Store(id="simulated"),
            dcc.Store(id="detailed"),
            dcc.Store(id="near"),
            html.Header([html.H1("simdl"), html.P("One training step, priced before anyone pays for it.")]),
            html.Div([html.Aside(controls), html.Main(results)], className="frame"),
            plain_html(glossary_html()),
            _foot(place),
        ],
        id="page",
    )


def _foot(place: str) -> html.Footer:
    return html.Footer(
        f"Served at {place}. Nothing is uploaded: there is no way to, requests above {BODY // 1024} KiB "
        f"and addresses above {LENGTH:,} characters are refused, and no file is read but what simdl ships "
        "and the model and cluster files named when this server was started. The address holds all choices; "
        "copy it to share them."
    )
