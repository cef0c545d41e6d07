"""How long `simdl --help` takes next to a bare click program of as many commands.

    python benchmarks/command_line.py [--runs 31]

- help: median of the one over the median of the other (target 1.5). Both are fresh interpreters of this
  environment, in turn, so that other work on the machine slows both;
- processor: the same for the processor time that they took, which other work changes less.
"""

import argparse
import re
import resource
import subprocess
import sys
from statistics import median
from time import perf_counter

from planner.console.command_entries import command_entries, short_help

TARGET = 1.5
SIMDL = "from planner.cli import main; main(prog_name='simdl')"
COMMAND = re.compile(r"^  \w", re.MULTILINE)  # the first line of one


def bare_program() -> str:
    """Source of a click program with the commands of `simdl`, their helps and nothing behind them."""
    helps = {name: short_help(entry) for name, entry in sorted(command_entries().items())}
    return (
        "import click\n"
        "main = click.Group()\n"
        f"for name, text in {helps!r}.items():\n"
        "    main.add_command(click.Command(name, help=text))\n"
        "main(prog_name='bare')\n"
    )


def run_help(program: str) -> tuple[float, float, str]:
    """Seconds and processor seconds of an interpreter that prints the help of a program, and the help."""
    before, began = processor_seconds(), perf_counter()
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program, "--help"], check=True, capture_output=True, text=True
    )
    return perf_counter() - began, processor_seconds() - before, done.stdout


def processor_seconds() -> float:
    """Of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=31)
    runs = parser.parse_args().runs
    programs = {"simdl": SIMDL, "bare": bare_program()}
    rows = [{name: run_help(program) for name, program in programs.items()} for _ in range(runs + 1)][1:]
    listed = [
        len(COMMAND.findall(rows[0][name][2].partition("this message and exit.")[2])) for name in programs
    ]
    print(f"{'commands':<12}{listed[0]:>10}{listed[1]:>10}")
    for place, what in enumerate(("help", "processor")):
        own, bare = (median(row[name][place] for row in rows) for name in programs)
        verdict = f" target {TARGET}: {'met' if own <= TARGET * bare else 'MISSED'}" if what == "help" else ""
        print(f"{what:<12}{own * 1e3:>7.0f} ms{bare * 1e3:>7.0f} ms{own / bare:>8.2f}{verdict}")


if __name__ == "__main__":
    main()
