"""Files that a command writes beside its answer: where they go, and that nothing is lost."""

from collections.abc import Callable
from pathlib import Path

import click

from simdl.atomic_write import expect_new
from simdl.errors import SimdlError

Command = Callable[..., None]
force_option = click.option("--force", is_flag=True, help="Replace existing files.")
report_option = click.option(
    "--report",
    "report_directory",
    type=click.Path(path_type=Path),
    help="Write an HTML page with figures into this directory.",
)


def answer_options(
    json_help: str = "Print JSON in base units: seconds, bytes, FLOP.",
) -> Callable[[Command], Command]:
    """Adds --report, --force and --json, which nearly every command has."""
    json_option = click.option("--json", "as_json", is_flag=True, help=json_help)
    return lambda command: report_option(force_option(json_option(command)))


def check_new(path: Path, *, force: bool, what: str) -> None:
    """Refuse to replace what exists.

    Raises:
        SimdlError: the path is a file, or a directory that is not empty, and ``force`` is off.
    """
    taken = any(path.iterdir()) if path.is_dir() else path.exists()
    if taken and not force:
        raise SimdlError(f"{path}: exists; expected a new {what}, or --force to replace it")
    expect_new(path, new=not force)


def check_new_file(path: Path, *, force: bool, what: str) -> None:
    """Refuse a file that could not be written, before any work is done for it.

    Raises:
        SimdlError: the path is a directory, lies in none, or exists while ``force`` is off.
    """
    if path.is_dir():
        raise SimdlError(f"{path}: is a directory; expected the name of a {what}")
    if not path.parent.is_dir():
        raise SimdlError(f"{path}: no directory {path.parent}; expected a {what} in an existing directory")
    check_new(path, force=force, what=what)
