"""Headless Chromium for tests: found automatically, and ended where a page does not come to rest."""

import os
import shutil
import signal
import threading
from contextlib import contextmanager
from functools import cache

PATIENCE = 45_000  # [ms] of a wait
LIMIT = 150  # [s] of a test: what a page runs has no limit of its own
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
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


@contextmanager
def launched():
    """A browser, and the process that it runs as."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        asked = browser.new_browser_cdp_session()
        processes = asked.send("SystemInfo.getProcessInfo")["processInfo"]
        asked.detach()
        yield browser, next(each["id"] for each in processes if each["type"] == "browser")
        browser.close()


@contextmanager
def bounded(process, seconds=LIMIT):
    """Ends the browser if this takes longer: whoever waits for its page is told, and not left waiting."""
    timer = threading.Timer(seconds, os.kill, (process, signal.SIGKILL))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def remarks(lines):
    """Lines of the console that are the page's own: a software renderer remarks on its speed."""
    return [line for line in lines if "GL Driver Message" not in line]


class Tab:
    """One page for the documents of many tests, and the lines that they write to the console."""

    def __init__(self, browser, folder):
        self.lines = []
        self.page = browser.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", lambda message: self.lines.append(message.text))
        self.page.on("pageerror", lambda error: self.lines.append(str(error)))
        self.file = folder / "page.html"  # the browser keeps what it compiled by the place of a document

    def open(self, path, *, width=1280, height=1200):
        """Open a report page, and wait until its figures are drawn."""
        shutil.copyfile(path, self.file)
        self.page.goto("about:blank")  # what stood there would be drawn anew in the new size
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.goto(self.file.as_uri())
        self.page.wait_for_selector("html[data-drawn]", state="attached")
        return self.page
