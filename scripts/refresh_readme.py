# ruff: noqa: INP001 - a program, not part of a package
"""Put the output of commands into README.md, so that what it shows is what they print.

A block to refresh stands between two comments:

    <!-- output of: simdl validate published -->
    ...
    <!-- end of output -->
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"<!-- output of: (.+?) -->\n.*?<!-- end of output -->", re.DOTALL)


def output(command: str) -> str:
    """What a ``simdl`` command prints on standard output, run with this interpreter's environment."""
    program, *arguments = shlex.split(command)
    path = Path(sys.executable).with_name(program)
    done = subprocess.run([path, *arguments], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())


def block(found: re.Match[str]) -> str:
    """The block with today's output."""
    command = found[1]
    return f"<!-- output of: {command} -->\n```text\n{output(command)}\n```\n<!-- end of output -->"


def main() -> None:
    """Refresh every block of the README."""
    README.write_text(BLOCK.sub(block, README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
