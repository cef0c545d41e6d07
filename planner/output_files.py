"""Files that a command writes beside its answer: where they go, and that nothing is lost."""

from pathlib import Path
from typing import Any

import click

from simdl.errors import SimdlError


class OutputPath(click.Path):
    """The path of a file or directory to write. An empty one is refused, which would be this directory."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """The path.

        Raises:
            click.BadParameter: it is empty.
        """
        if value == "":
            self.fail("found an empty path; expected one to write to, '.' for this directory", param, ctx)
        return super().convert(value, param, ctx)


force_option = click.option("--force", is_flag=True, help="Replace existing files.")
report_option = click.option(
    "--report",
    "report_directory",
    type=OutputPath(),
    help="Write an HTML page with figures into this directory.",
)


def check_new(path: Path, *, force: bool, what: str) -> None:
    """Refuse to replace what exists.

    Raises:
        SimdlError: the path is a file, or a directory that is not empty, and ``force`` is off.
    """
    taken = any(path.iterdir()) if path.is_dir() else path.exists()
    if taken and not force:
        raise SimdlError(f"{path}: exists; expected a new {what}, or --force to replace it")
