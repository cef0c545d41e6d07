"""Headless Chromium for tests: found automatically; a page is opened and its document handed back."""

import shutil
import subprocess
from functools import cache

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--virtual-time-budget=10000",
)


@cache
def find_browser():
    """Path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def open_page(path, *, profile, width=1280, height=1200):
    """The document after its scripts ran, and the lines that the page wrote to the console."""
    command = [find_browser(), *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
    done = subprocess.run(  # noqa: S603 - the browser found above
        [*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, check=True, timeout=60
    )
    lines = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    # a software renderer remarks on its own speed
    return done.stdout, [line for line in lines if "GL Driver Message" not in line]
