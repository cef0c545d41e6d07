"""The folder of a sweep: which grid it answers, a journal of rows that only grows, and the table at the end.

``grid.json`` is the manifest: the hash of the grid and how many questions it has. ``rows.jsonl`` is the
journal: one line per row, on its way to the disk before the next is taken, so that what ends the sweep,
however suddenly, costs the rows under way and no other. A last line that is torn is cut off when the sweep
goes on.
``results.csv`` or ``results.parquet`` is written whole when every question has its row.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

from planner.sweep.grid import Ask, Grid
from planner.sweep.row import FAILED, LOST, Row, is_registered
from simdl.atomic_write import write_atomically
from simdl.errors import SimdlError

MANIFEST, JOURNAL = "grid.json", "rows.jsonl"
FORMAT = 1
"""Of manifest and journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder that answers one grid.

    Attributes:
        path: of the folder.
        rows: answered so far, by place in the grid.
        seconds: that their workers took, by place.
        unreadable: lines of the journal that held no row; their questions are asked again.
    """

    path: Path
    rows: dict[int, Row] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    unreadable: int = 0


def grid_hash(grid: Grid) -> str:
    """Of the questions, of the files they name, and of the release that answers them."""
    digest = sha256(f"{FORMAT} {release()}\n".encode())
    for ask in grid.asks:
        digest.update(f"{ask!r}\n".encode())
    for path in sorted({path for ask in grid.asks for path in _files(ask)}):
        digest.update(f"{path}\n".encode())
        with suppress(OSError):  # of the journal's concern only: the question itself says what is wrong
            digest.update(path.read_bytes())
    return digest.hexdigest()


def release() -> str:
    """The version of simdl that answers."""
    try:
        return version("simdl")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"


def _files(ask: Ask) -> Iterator[Path]:
    """Files whose contents decide the answer."""
    if not is_registered(ask.options.model):
        path = Path(ask.options.model)
        yield path / "config.json" if path.is_dir() else path
    for part in ask.options.cluster.split(","):
        if ".toml" in part:
            yield Path(part.strip()[: part.strip().index(".toml") + len(".toml")])


def open_folder(path: Path, grid: Grid, *, fresh: bool) -> Folder:
    """The folder of a grid, with the rows that it has already.

    Args:
        path: of the folder, created where it is not there.
        grid: whose questions it answers.
        fresh: answer all of them anew, whatever is there.

    Raises:
        SimdlError: it answers another grid, holds something else, or cannot be written.
    """
    if path.exists() and not path.is_dir():
        raise SimdlError(f"--out {path}: is a file; expected a directory")
    manifest, digest = path / MANIFEST, grid_hash(grid)
    if not fresh and manifest.exists():
        _check_same(manifest, digest, grid)
        return _resumed(path, len(grid.asks))
    if not fresh and path.is_dir() and any(path.iterdir()):
        raise SimdlError(
            f"--out {path}: not empty and no sweep ({MANIFEST} is missing); expected a new or empty "
            "directory, that of an earlier run of this grid, or --force"
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name in ("results.csv", "results.parquet", JOURNAL):
            (path / name).unlink(missing_ok=True)
    except OSError as error:
        raise SimdlError(
            f"--out {path}: {error.strerror}; expected a directory that can be written"
        ) from None
    told = {
        "format": FORMAT,
        "simdl": release(),
        "hash": digest,
        "questions": len(grid.asks),
        "grid": grid.text,
    }
    write_atomically(manifest, json.dumps(told, indent=2) + "\n", what="manifest")
    return Folder(path=path)


def _check_same(manifest: Path, digest: str, grid: Grid) -> None:
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))["hash"]
    except (OSError, ValueError, KeyError, TypeError):
        raise SimdlError(
            f"{manifest}: not the manifest of a sweep; expected one, a new directory, or --force to start "
            "anew"
        ) from None
    if found != digest:
        raise SimdlError(
            f"{manifest}: answers another grid (hash {str(found)[:12]}) than {grid.place} (hash "
            f"{digest[:12]}); expected the grid, files and release that it was started with, another --out, "
            "or --force to start anew"
        )


def _resumed(path: Path, questions: int) -> Folder:
    """The rows of a journal; what follows its last whole line is cut off."""
    journal = path / JOURNAL
    try:
        data = journal.read_bytes() if journal.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            os.truncate(journal, len(whole))
    except OSError as error:
        raise SimdlError(f"{journal}: {error.strerror}; expected the journal of a sweep") from None
    folder, unreadable = Folder(path=path), 0
    for line in whole.splitlines():
        entry = _entry(line, questions)
        if entry is None:
            unreadable += 1
        elif entry["row"]["status"] not in {LOST, FAILED}:  # which another run may answer
            folder.rows[entry["place"]] = entry["row"]
            folder.seconds[entry["place"]] = entry["seconds"]
    return Folder(path=path, rows=folder.rows, seconds=folder.seconds, unreadable=unreadable)


def _entry(line: bytes, questions: int) -> dict[str, Any] | None:
    """A line of the journal; None where it is none."""
    try:
        entry = json.loads(line)
        place, row = entry["place"], entry["row"]
        float(entry["seconds"])
        whole = isinstance(row["status"], str) and 0 <= place < questions
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return entry if whole else None


@contextmanager
def appending(folder: Folder) -> Iterator["Journal"]:
    """The journal, open for more rows and for nobody else.

    Raises:
        SimdlError: another process writes to it, or it cannot be written.
    """
    path = folder.path / JOURNAL
    try:
        file = path.open("ab")
    except OSError as error:
        raise SimdlError(f"{path}: {error.strerror}; expected a file that can be written") from None
    with file:
        _lock(file, path)
        yield Journal(file, path)


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        import fcntl  # noqa: PLC0415 - only where the system has it
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SimdlError(
            f"{path}: another sweep writes to it; expected that one to end first, or another --out"
        ) from None
    except OSError:  # a file system without locks
        return


class Journal:
    """The file that rows are added to, one whole line at a time."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path

    def add(self, place: int, row: Mapping[str, Any], seconds: float) -> None:
        """Add a row; it is with the system when this returns.

        Raises:
            SimdlError: it cannot be written; a part that was is cut off when the sweep goes on.
        """
        line = json.dumps({"place": place, "seconds": seconds, "row": row}, allow_nan=False)
        try:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise SimdlError(
                f"{self._path}: {error.strerror}; expected room for the rows (those before are kept)"
            ) from None
