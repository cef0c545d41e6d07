"""How soon the dashboard follows a slider, in headless Chromium: GPT-3 175B on 1,024 GPUs.

    python benchmarks/dashboard.py [--stages 4,8,16,32,64]

The pipeline slider moves from one number of stages to the next; with 64 stages a replica has 768
microbatches. For every position that is new to the server:

- numbers: from the key press until the card of the strategy is there (of a long step first its bound);
- first: until the first figures are drawn: breakdown, pipeline and memory of a short step, work and memory by
  rank of a long one (target 0.5 s);
- figures: until those that stay are drawn, too;
- all: until the other figures are;
- processor: seconds of the server's process meanwhile, which another's load does not lengthen.

Server and browser share the machine; without a graphics card the browser draws in software. Needs Dash,
Playwright, a Chromium on the path, and Linux for the processor time.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from chromium import fresh_page

QUESTION = "?model=gpt3-175b&node=dgx-a100&count=128&a.tp=8&a.recompute=full&a.pp="
TARGET = 0.5  # [s]
PARTS = ("numbers", "first", "figures", "all", "processor")
START = "from planner.cli import main; main()"
QUIET = 4000  # [ms] without a change, all parts being there, after which a page is complete
COMPLETE = """([stages, quiet]) => {
    const cards = [...document.querySelectorAll("#verdict .card")];
    const whole = card => card.dataset.complete === "yes" && card.dataset.query.includes(`a.pp=${stages}&`);
    return cards.every(whole)
        && new Set(since().map(([part]) => part)).size === 3 && performance.now() - since().at(-1)[1] > quiet;
}"""
WATCH = """() => {
    const seen = new WeakSet(), shown = [];
    let numbers = "";
    const part = plot => plot.closest("#figures") ? "figures" : "all";
    const look = () => {
        const text = document.querySelector("#verdict")?.textContent;
        if (text !== numbers) shown.push(["numbers", performance.now()]);
        numbers = text;
        for (const plot of document.querySelectorAll(".js-plotly-plot")) {
            if (seen.has(plot) || !plot.querySelector(".main-svg .subplot path")) continue;
            seen.add(plot);
            shown.push([part(plot), performance.now()]);
            plot.on("plotly_afterplot", () => shown.push([part(plot), performance.now()]));
        }
        requestAnimationFrame(look);
    };
    look();
    window.restart = () => { shown.length = 0; };
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
    page.wait_for_function(COMPLETE, arg=[position, QUIET], timeout=180_000)
    shown = page.evaluate("since().map(([part, now]) => [part, (now - pressed) / 1e3])")
    took = {part: max(seconds for name, seconds in shown if name == part) for part, _ in shown}
    return took | {"first": min(seconds for name, seconds in shown if name == "figures")}


def processor_time(server) -> float:
    """[s] of processor that the server's process has had."""
    fields = Path(f"/proc/{server.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--stages", default="4,8,16,32,64", help="positions of the slider, one after the other"
    )
    first, *others = map(int, parser.parse_args().stages.split(","))
    server, address = serve()
    try:
        with fresh_page() as page:
            page.goto(f"{address}{QUESTION}{first}")
            page.wait_for_selector("#verdict .card[data-complete=yes]", timeout=60_000)
            page.wait_for_selector("#section-a-0", timeout=60_000)  # of the figures that stay
            page.locator("#details").scroll_into_view_if_needed()  # so that they are drawn with every change
            page.wait_for_selector("#details .js-plotly-plot", timeout=60_000)
            page.wait_for_timeout(QUIET)
            page.evaluate(WATCH)
            for position in others:
                before = processor_time(server)
                took = follow(page, position) | {"processor": processor_time(server) - before}
                verdict = "met" if took["first"] <= TARGET else "MISSED"
                parts = "  ".join(f"{part} {took[part]:.2f} s" for part in PARTS)
                print(f"{position:>3} stages  {parts}  target of the first {TARGET:g} s: {verdict}")
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
