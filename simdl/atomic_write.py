"""Writing of result files: whole or not at all."""

from os import getpid
from pathlib import Path

from simdl.errors import SimdlError


def write_atomically(path: Path, text: str, *, what: str) -> None:
    """Write a text file beside its place and move it there when it is complete.

    Args:
        path: where it goes; an older file is replaced.
        text: contents.
        what: what the file is, for the message, such as ``"trace"``.

    Raises:
        SimdlError: the directory is missing or not writable, or the path is a directory.
    """
    partial = path.with_name(f".{path.name}.{getpid()}.partial")
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "Is a directory")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        if partial.is_file():
            partial.unlink()
        message = (
            f"{path}: cannot write the {what}: {error.strerror}; expected a file in a writable directory"
        )
        raise SimdlError(message) from error
