"""How a command ends when it is interrupted, or when nobody can read what it prints.

Exit statuses are those of a shell: 130 after Ctrl-C, 141 where the reader of a pipe has gone (`| head`).
Standard output that is closed or full is bad input: 2.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import TextIO

import click

from planner.console.refusals import bad_input

INTERRUPTED = 128 + 2  # by the signal INT
READER_GONE = 128 + 13  # by the signal PIPE
LOST = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""What a write to standard output fails with, other than a closed pipe."""


@contextmanager
def ending_well() -> Iterator[None]:
    """End the process quietly where its reader has gone, with one message where it cannot go on.

    Raises:
        BadInputError: standard output takes nothing.
    """
    try:
        yield
    except KeyboardInterrupt:
        click.echo("\nInterrupted.", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _discard_output()
        sys.exit(READER_GONE)
    except OSError as error:
        if error.filename is not None or error.errno not in LOST:
            raise
        _discard_output()
        raise bad_input(f"standard output: {error.strerror}; expected room for the answer") from None


def check_streams() -> None:
    """End with 2 where there is no standard output; without standard error, nothing is said there."""
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - stays open
    if sys.stdout is None:
        click.echo("Error: standard output is closed; expected a terminal, a file or a pipe", err=True)
        sys.exit(2)
    sys.stdout = _written_whole(sys.stdout)


def _written_whole(stream: TextIO) -> TextIO:
    """The stream with a buffer, where it has none, as under PYTHONUNBUFFERED.

    What a file without a buffer takes of a text is dropped beyond, without an error, where a disk becomes
    full; a buffer writes until all is written or refused.
    """
    raw = getattr(stream, "buffer", None)
    if not isinstance(raw, RawIOBase):
        return stream
    stream.flush()
    return TextIOWrapper(
        BufferedWriter(raw), encoding=stream.encoding, errors=stream.errors, line_buffering=raw.isatty()
    )


def _discard_output() -> None:
    """Let what is still buffered go nowhere, so that the end of the process does not fail on it again."""
    try:
        place = sys.stdout.fileno()
    except (OSError, ValueError):  # no file
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, place)
    os.close(nowhere)
