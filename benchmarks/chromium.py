"""A headless Chromium for benchmarks, found automatically."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SIZE = {"width": 1280, "height": 900}  # [px]


@contextmanager
def fresh_page() -> Iterator[Page]:
    """A page of a browser of its own, without a graphics card."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        sys.exit(f"no Chromium on the path; expected one of {', '.join(NAMES)}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        yield chromium.new_page(viewport=SIZE)
        chromium.close()
