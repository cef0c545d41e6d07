"""Headless Chromium for tests: found automatically; a page is opened and its document handed back."""

import shutil
from contextlib import contextmanager
from functools import cache

PATIENCE = 45_000  # [ms]; a busy machine takes long, and a page that never ends is a failure all the same
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)

FITS = """width => {
  const page = document.documentElement;
  const tables = [...document.querySelectorAll(".table, .wide, .block pre")];
  return page.clientWidth === width && page.scrollWidth === width
    && tables.every(each => each.getBoundingClientRect().right <= width
      && (each.scrollWidth <= each.clientWidth || getComputedStyle(each).overflowX === "auto"));
}"""
"""Whether a page is as wide as its window, and what is wider scrolls within it."""


@cache
def find_browser():
    """Path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def open_page(path, *, width=1280, height=1200, narrow=None):
    """The document once its own check has ended, and the lines that the page wrote to the console.

    The page says so by ``data-checked`` on its root element, however long that takes. With ``narrow`` it is
    made so wide afterwards, and must come to scroll sideways no more.
    """
    with using_page(path, width=width, height=height) as (page, lines):
        page.wait_for_selector("html[data-checked]", state="attached", timeout=PATIENCE)
        document = page.content()
        if narrow:
            page.set_viewport_size({"width": narrow, "height": height})
            page.wait_for_function(FITS, arg=narrow, timeout=PATIENCE)
    return document, remarks(lines)


def remarks(lines):
    """Lines of the console that are the page's own: a software renderer remarks on its speed."""
    return [line for line in lines if "GL Driver Message" not in line]


@contextmanager
def using_page(path, *, width=1280, height=1200):
    """A page to click on, opened from its file, and the lines that it writes to the console."""
    from playwright.sync_api import sync_playwright

    lines = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        page = browser.new_page(viewport={"width": width, "height": height})
        page.on("console", lambda message: lines.append(message.text))
        page.on("pageerror", lambda error: lines.append(str(error)))
        page.goto(path.as_uri())
        yield page, lines
        browser.close()
