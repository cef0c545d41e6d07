"""`simdl dashboard`: a live page that answers while a user turns the knobs."""

import click

from planner.console.refusals import bad_input, reporting_errors
from planner.dashboard.limits import BODY, HOST, PORT

INSTALL = "pip install -e '.[dash]' from a checkout"


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port to listen at; 0: any free one.",
)
@click.option(
    "--host",
    default=HOST,
    show_default=True,
    help="Address to listen at. Any but this machine's own lets other machines in; there is no login.",
)
@click.option("--model", "models", multiple=True, help="TOML file or config.json to offer; may be repeated.")
@click.option("--cluster", "clusters", multiple=True, help="TOML file to offer; may be repeated.")
@reporting_errors()
def dashboard(*, port: int, host: str, models: tuple[str, ...], clusters: tuple[str, ...]) -> None:
    """Serve a live page: choose, see step time, memory and timeline change, compare, plan, download.

    Needs the extra `dash`. Everything comes from this machine; no network is needed. Nothing is uploaded:
    requests above 64 KiB are refused, and no file is read but what simdl ships and what --model and --cluster
    name. Ends with Ctrl-C, or when it is told to terminate.
    """
    try:
        from planner.dashboard.catalog import build_catalog  # noqa: PLC0415 - only when it is served
        from planner.dashboard.server import (  # noqa: PLC0415 - needs the extra
            LOOPBACK,
            listening,
            serve,
            until_told,
        )
    except ModuleNotFoundError as error:
        if error.name not in {"dash", "flask", "werkzeug"}:
            raise
        raise bad_input(f"the dashboard needs dash, which is not installed; expected {INSTALL}") from None
    catalog = build_catalog(models, clusters)
    with listening(host, port) as opened, until_told():
        name = f"[{host}]" if ":" in host else host
        place = f"http://{name}:{opened.getsockname()[1]}/"
        click.echo(f"simdl dashboard at {place} (requests up to {BODY // 1024} KiB, no uploads; Ctrl-C ends)")
        if host not in LOOPBACK:
            click.echo(f"warning: --host {host} lets other machines in; there is no login", err=True)
        serve(catalog, opened, host=host, place=place)
