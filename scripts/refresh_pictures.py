# ruff: noqa: INP001 - a program, not part of a package
"""Take the pictures of `docs/` anew: report pages and dashboard in headless Chromium.

    python scripts/refresh_pictures.py

Needs Dash, Playwright and a Chromium on the path.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).resolve().parents[1] / "docs"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTH = 1280  # [px]
START = "from planner.cli import main; main()"
STEP = "--global-batch 64 --dp 2 --tp 8 --pp 8 --recompute selective --zero 1"
REPORTS = {  # picture: command, page, height [px]
    "report-plan": ("plan gpt3-175b --cluster dgx-a100:128", "plan", 1550),
    "report-step": (f"simulate gpt3-175b --cluster dgx-a100:16 {STEP}", "simulate", 1660),
    "report-validation": ("validate published", "validate-published", 1500),
}
READY = "typeof waiting !== 'undefined' && !waiting.length && document.readyState === 'complete'"
ASKED = (
    "?model=gpt3-175b&node=dgx-a100&count=128"
    "&a.tp=8&a.pp=8&a.micro_batch=2&a.recompute=selective&a.zero=1&a.sequence_parallel=true"
)
RANKED = "() => document.querySelector('#plan-status')?.textContent.includes('certified')"
PATIENCE = 120_000  # [ms] of a plan
SETTLED = 1500  # [ms] for drawings to end


def simdl(*arguments: str) -> list[str]:
    """A command of this interpreter's simdl."""
    return [sys.executable, "-c", START, *arguments]


@contextmanager
def open_page() -> Iterator[Page]:
    """A page of a headless browser."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        sys.exit(f"no Chromium on the path; expected one of {', '.join(NAMES)}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        yield chromium.new_page(viewport={"width": WIDTH, "height": 900})
        chromium.close()


def take_reports(page: Page) -> None:
    """Make every report and take its upper part."""
    with tempfile.TemporaryDirectory() as folder:
        for picture, (command, name, height) in REPORTS.items():
            subprocess.run(  # noqa: S603 - commands above
                simdl(*command.split(), "--report", folder), check=True, capture_output=True
            )
            page.goto((Path(folder) / f"{name}.html").as_uri())
            page.wait_for_function(READY)
            page.wait_for_timeout(SETTLED)
            clip = {"x": 0, "y": 0, "width": WIDTH, "height": height}
            page.screenshot(path=DOCS / f"{picture}.png", clip=clip, full_page=True)


def take_dashboard(page: Page) -> None:
    """Take a ranking above the card of one of its strategies."""
    server = subprocess.Popen(simdl("dashboard", "--port", "0"), stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert server.stdout is not None  # noqa: S101 - a pipe
        found = re.search(r"http://\S+/", server.stdout.readline())
        assert found is not None  # noqa: S101 - its first line names the address
        page.goto(found[0] + ASKED)
        page.wait_for_selector("#figures .js-plotly-plot")
        page.click("#plan-start")
        page.wait_for_function(RANKED, timeout=PATIENCE)
        page.wait_for_timeout(SETTLED)
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=DOCS / "dashboard.png")
    finally:
        server.terminate()


KINDS = {"reports": take_reports, "dashboard": take_dashboard}


def main() -> None:
    """Take all pictures, or those of one kind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=KINDS, help="take these alone")
    only = parser.parse_args().only
    with open_page() as page:
        for kind, take in KINDS.items():
            if only in {None, kind}:
                take(page)


if __name__ == "__main__":
    main()
