"""Writing of result files: whole or not at all."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from os import link
from pathlib import Path
from secrets import token_hex

from simdl.errors import SimdlError

_NEW: set[Path] = set()
"""Places at which nothing was when a command began, and nothing may be when it writes."""


def expect_new(path: Path, *, new: bool) -> None:
    """Say whether what is written to a place must be the first there.

    A command looks before it works and writes when it is done; meanwhile another may have written the same
    file, and then one of the two answers would be lost without a word.
    """
    (_NEW.add if new else _NEW.discard)(path.absolute())


def write_atomically(path: Path, text: str | bytes, *, what: str) -> None:
    """Write a file beside its place and move it there when it is complete.

    Args:
        path: where it goes; an older file is replaced.
        text: contents; text is written in UTF-8.
        what: what the file is, for the message, such as ``"trace"``.

    Raises:
        SimdlError: the directory is missing or not writable, or the path is a directory.
    """
    write_together([(path, text)], what=what)


def write_together(files: Iterable[tuple[Path, str | bytes]], *, what: str) -> None:
    """Write several files; none is moved to its place before all of them are complete.

    Args:
        files: place and contents of each, taken one at a time; older files are replaced.
        what: what a file is, for the message.

    Raises:
        SimdlError: a directory is missing or not writable, or a path is a directory.
    """
    partials: dict[Path, Path] = {}  # by the place that each is for
    try:
        for path, text in files:
            with _refusing(path, what):
                if path.is_dir():
                    raise IsADirectoryError(None, "Is a directory")
                partials[path] = path.with_name(f".{path.name}.{token_hex(4)}.partial")
                partials[path].write_bytes(text.encode() if isinstance(text, str) else text)
        for path, partial in partials.items():
            with _refusing(path, what):
                _place(partial, path, what)
    finally:
        for partial in partials.values():
            with suppress(OSError):
                partial.unlink(missing_ok=True)  # those that were not moved


def _place(partial: Path, path: Path, what: str) -> None:
    """Move a complete file to its place.

    Raises:
        SimdlError: it must be the first there, and is not.
    """
    if path.absolute() not in _NEW:
        partial.replace(path)
        return
    try:
        try:
            link(partial, path)  # which, unlike a move, replaces nothing
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            path.open("xb").close()
            partial.replace(path)
    except FileExistsError:
        message = (
            f"{path}: was written by another run meanwhile; expected a new {what}, or --force to replace it"
        )
        raise SimdlError(message) from None


@contextmanager
def _refusing(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = (
            f"{path}: cannot write the {what}: {error.strerror}; expected a file in a writable directory"
        )
        raise SimdlError(message) from error
