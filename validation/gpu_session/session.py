"""Runs the parts of a session, each in a process of its own with a limit, and packs what they leave.

The archive is written anew after each part, so that a session which is cut off still leaves what it had.
"""

import json
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from validation.gpu_session.parts import Part

ARCHIVE, SUMMARY = "session.tar.gz", "session.json"
ROOT = Path(__file__).resolve().parents[2]

LEAST = 5.0
"""[s] below which no further part is begun."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a part ended.

    Attributes:
        name: of the part.
        status: ``done``, ``failed``, ``timed out`` or ``no time left``.
        seconds: that it took.
        said: last line on standard error of a part that did not end well.
    """

    name: str
    status: str
    seconds: float = 0.0
    said: str = ""


def run_session(
    parts: Sequence[Part], work: Path, out: Path, budget: float, progress: Progress
) -> tuple[Outcome, ...]:
    """Run parts until the budget is spent.

    Args:
        parts: in order.
        work: directory where each part has one of its own.
        out: directory of the archive and its summary.
        budget: [s] for all.
        progress: told how each part ended.
    """
    work.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + budget
    outcomes: list[Outcome] = []
    for part in parts:
        left = end - time.monotonic()
        if left < LEAST:
            outcome = Outcome(name=part.name, status="no time left")
        else:
            outcome = run_part(part, work / part.name, min(part.limit, left))
        outcomes.append(outcome)
        progress(f"{outcome.name}: {outcome.status} ({outcome.seconds:.0f} s) {outcome.said}".rstrip())
        pack(work, out, outcomes)
    return tuple(outcomes)


def run_part(part: Part, place: Path, limit: float) -> Outcome:
    """Run a part; its output and what it writes stay in ``place``."""
    place.mkdir(parents=True, exist_ok=True)
    command = [argument.replace("{out}", str(place)) for argument in part.command]
    begun = time.monotonic()
    with (place / "stdout").open("wb") as output, (place / "stderr").open("wb") as errors:
        try:
            process = subprocess.run(  # noqa: S603 - commands of this package
                command,
                cwd=ROOT,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                timeout=limit,
                check=False,
            )
            status = "done" if process.returncode == 0 else "failed"
        except subprocess.TimeoutExpired:
            status = "timed out"
        except OSError as error:
            errors.write(f"{error}\n".encode())
            status = "failed"
    said = "" if status == "done" else last_line(place / "stderr")
    return Outcome(name=part.name, status=status, seconds=time.monotonic() - begun, said=said)


def environment() -> Mapping[str, str]:
    """The environment of a part: this package on the path, output written at once."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def last_line(path: Path) -> str:
    """Of a file, without blank ones."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def pack(work: Path, out: Path, outcomes: Sequence[Outcome]) -> None:
    """Write archive and summary anew, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    fresh = out / f"{ARCHIVE}.new"
    with tarfile.open(fresh, "w:gz") as archive:
        archive.add(work, arcname="session")
    fresh.replace(out / ARCHIVE)
    summary = out / f"{SUMMARY}.new"
    summary.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1), encoding="utf-8")
    summary.replace(out / SUMMARY)
