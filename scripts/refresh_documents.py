# ruff: noqa: INP001 - a program, not part of a package
"""Put the output of commands into README.md and docs/, so that what they show is what the commands print.

A block to refresh stands between two comments:

    <!-- output of: simdl validate kernels -->
    ...
    <!-- end of output -->
"""

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START = "from planner.cli import main; main()"
BLOCK = re.compile(r"<!-- output of: simdl (.+?) -->\n.*?<!-- end of output -->", re.DOTALL)


def documents_with_blocks() -> list[Path]:
    """README.md and the pages of docs/ that show an output."""
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [path for path in documents if BLOCK.search(path.read_text(encoding="utf-8"))]


def output(arguments: str) -> str:
    """What ``simdl`` of this checkout prints on standard output with these arguments."""
    command = [sys.executable, "-c", START, *shlex.split(arguments)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())


def block(found: re.Match[str]) -> str:
    """The block with today's output."""
    arguments = found[1]
    return f"<!-- output of: simdl {arguments} -->\n```text\n{output(arguments)}\n```\n<!-- end of output -->"


def main() -> None:
    """Refresh every block of the documents named, or of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "documents",
        nargs="*",
        type=Path,
        metavar="DOCUMENT",
        help="file to refresh [default: README.md and docs/*.md]",
    )
    for document in parser.parse_args().documents or documents_with_blocks():
        if not document.is_file():
            parser.error(f"{document}: no such file")
        text = document.read_text(encoding="utf-8")
        if not BLOCK.search(text):
            parser.error(f"{document}: no block '<!-- output of: simdl ... -->'")
        document.write_text(BLOCK.sub(block, text), encoding="utf-8")


if __name__ == "__main__":
    main()
