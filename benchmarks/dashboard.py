"""How soon the dashboard follows a slider, in headless Chromium: GPT-3 175B on 1,024 GPUs.

    python benchmarks/dashboard.py [--stages 4,8,16,32]

The pipeline slider moves from one number of stages to the next. For every position that is new to the server:

- numbers: from the key press until the card of the strategy is there (step time, MFU, memory);
- figures: until breakdown, pipeline and memory over the step are drawn, too (target 1 s);
- all: until the other figures are.

Server and browser share the machine; without a graphics card the browser draws in software. Needs Dash,
Playwright and a Chromium on the path.
"""

import argparse
import re
import subprocess
import sys

from chromium import fresh_page

QUESTION = "?model=gpt3-175b&node=dgx-a100&count=128&a.tp=8&a.recompute=full&a.pp="
TARGET = 1.0  # [s]
START = "from planner.cli import main; main()"
QUIET = 2000  # [ms] without a change after which a page is complete
WATCH = """quiet => {
    const seen = new Map(), shown = [];
    const look = () => {
        const now = performance.now();
        const texts = [["numbers", document.querySelector("#verdict")?.innerText]];
        for (const plot of document.querySelectorAll(".js-plotly-plot")) {
            const section = plot.closest("section")?.id ?? "";
            const part = plot.closest("#figures") ? "figures" : "all";
            texts.push([part, section + plot.querySelector(".main-svg")?.innerHTML.length]);
        }
        for (const [part, text] of texts) {
            if (!seen.has(part + text)) shown.push([part, now]);
            seen.set(part + text, now);
        }
        requestAnimationFrame(look);
    };
    look();
    window.restart = () => { seen.forEach((_, key) => seen.set(key, 0)); shown.length = 0; };
    window.since = () => shown;
}"""


def serve():
    """The server and its address."""
    command = [sys.executable, "-c", START, "dashboard", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return server, re.search(r"http://\S+/", server.stdout.readline())[0]


def follow(page, position: int) -> dict[str, float]:
    """Seconds from a key press on the slider to the last change of each part."""
    slider = page.locator('[id*="a.pp"] [role=slider]').first
    slider.focus()
    page.evaluate("() => { restart(); window.pressed = performance.now(); }")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("count => location.search.includes(`a.pp=${count}&`)", arg=position)
    page.wait_for_function(
        "quiet => since().length && performance.now() - since().at(-1)[1] > quiet", arg=QUIET, timeout=60_000
    )
    shown = page.evaluate("since().map(([part, now]) => [part, (now - pressed) / 1e3])")
    return {part: max(seconds for name, seconds in shown if name == part) for part, _ in shown}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stages", default="4,8,16,32", help="positions of the slider, one after the other")
    first, *others = map(int, parser.parse_args().stages.split(","))
    server, address = serve()
    try:
        with fresh_page() as page:
            page.goto(f"{address}{QUESTION}{first}")
            page.wait_for_selector("#details .js-plotly-plot", timeout=60_000)
            page.wait_for_timeout(QUIET)
            page.evaluate(WATCH, QUIET)
            for position in others:
                took = follow(page, position)
                verdict = "met" if took["figures"] <= TARGET else "MISSED"
                parts = "  ".join(f"{part} {took[part]:.2f} s" for part in ("numbers", "figures", "all"))
                print(f"{position:>3} stages  {parts}  target {TARGET:g} s: {verdict}")
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
