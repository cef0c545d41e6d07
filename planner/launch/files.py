"""Launch files on disk: all of them or none."""

from collections.abc import Mapping
from pathlib import Path

from planner.console.output_files import check_new
from simdl.atomic_write import write_together
from simdl.errors import SimdlError


def write_files(directory: Path, files: Mapping[str, str], *, force: bool) -> None:
    """Write every file into a directory, which is made if it is missing.

    Raises:
        SimdlError: a file exists and ``force`` is off, or the directory cannot be written to.
    """
    for name in files:
        check_new(directory / name, force=force, what="launch file")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SimdlError(
            f"{directory}: cannot be made: {error.strerror}; expected a directory for launch files"
        ) from None
    write_together([(directory / name, text) for name, text in files.items()], what="launch file")
