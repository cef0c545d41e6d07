"""Size of the report pages of 100,000 devices, and how fast headless Chromium opens them.

    python benchmarks/report_page.py [--cluster dgx-a100:12500] [--model megatron-1t] [--batch 100000]

- size: of the page of a plan (target 10 MB);
- opens: from the request to the load event, when the page shows and scrolls (target 3 s); the median of
  five fresh browsers, which share the machine with whatever else runs;
- drawn: from the request until all figures but the parallel coordinates are there (target 3 s), and until
  those are, which start last: their WebGL takes a second to get ready where there is no graphics card.

Needs Playwright and a Chromium on the path.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from chromium import fresh_page

SIZE, OPENS = 10e6, 3.0  # [bytes], [s]
RUNS = 5
READY = "typeof waiting !== 'undefined' && !waiting.length && document.readyState === 'complete'"
DRAWN = "performance.getEntriesByName('drawn').map(mark => mark.startTime / 1e3)"
OPENED = "performance.getEntriesByType('navigation')[0].loadEventEnd / 1e3"


def write_page(options, directory: Path) -> Path:
    command = [sys.executable, "-c", "from planner.cli import main; main()", "plan", options.model]
    command += [
        "--cluster",
        options.cluster,
        "--global-batch",
        str(options.batch),
        "--report",
        str(directory),
    ]
    done = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True)  # noqa: S603
    answer = json.loads(done.stdout)
    print(f"{'plans, candidates':<30}{len(answer['plans']):>10}{answer['space']['candidates']:>10,}")
    print(f"{'time of the planner':<30}{answer['wall_time']:>10.3g} s")
    return directory / "plan.html"


def open_page(path: Path) -> tuple[float, float, float]:
    """Seconds to the load event, to the last figure but one, and to the last."""
    with fresh_page() as page:
        page.goto(path.as_uri(), wait_until="load")
        page.wait_for_function(READY, timeout=60_000)
        drawn = page.evaluate(DRAWN)
        opened = page.evaluate(OPENED)
    return opened, drawn[-2], drawn[-1]


def report(name: str, value: float, unit: str, target: float) -> None:
    verdict = "met" if value <= target else "MISSED"
    print(f"{name:<30}{value:>10.3g} {unit:<4} target {target:g} {unit}: {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="megatron-1t")
    parser.add_argument("--cluster", default="dgx-a100:12500")
    parser.add_argument("--batch", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = write_page(options, Path(directory))
        report("size", path.stat().st_size / 1e6, "MB", SIZE / 1e6)
        opened, drawn, last = zip(*(open_page(path) for _ in range(RUNS)), strict=True)
    report("opens", median(opened), "s", OPENS)
    report("drawn", median(drawn), "s", OPENS)
    print(f"{'parallel coordinates too':<30}{median(last):>10.3g} s")


if __name__ == "__main__":
    main()
