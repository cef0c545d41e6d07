"""Launch files of a strategy as a result: texts by name, the line that starts them, what they cannot say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.interface.arguments import FilePath, choice, one_family
from planner.interface.result import Result
from planner.launch.files import write_files
from planner.launch.job import Job, launch_json, say
from planner.launch.registry import FORMATS, launch_format
from planner.questions.question import Question
from simdl.step.strategy import Strategy

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LaunchFiles(Result):
    """What runs a strategy in a framework: the answer of `simdl export`.

    Attributes:
        format: name of the framework's format.
        files: text by file name, the main one first.
        line: the command that starts the training.
        warnings: what the framework cannot express, and notes, one sentence each.
    """

    format: str
    files: Mapping[str, str]
    line: str
    warnings: tuple[str, ...]
    data: Mapping[str, Any]

    @property
    def headline(self) -> str:
        """Framework, files and the number of warnings."""
        said = f"{len(self.warnings)} warning{'' if len(self.warnings) == 1 else 's'}"
        return f"{self.data['title']}: {', '.join(self.files)}; run: {self.line.splitlines()[0]}; {said}"

    @property
    def _data(self) -> Mapping[str, Any]:
        return self.data

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        rows = [(name, str(len(text.splitlines()))) for name, text in self.files.items()]
        return ("file", "lines"), rows

    @property
    def _notes(self) -> Sequence[str]:
        return self.warnings

    def frame(self) -> "pd.DataFrame":
        """One row per file: its name and its text."""
        import pandas as pd  # noqa: PLC0415 - only where a frame is asked for

        return pd.DataFrame({"file": list(self.files), "text": list(self.files.values())})

    @one_family
    def write(self, directory: FilePath, *, force: bool = False) -> tuple[Path, ...]:
        """Write the files into a directory, all of them or none.

        Args:
            directory: made if it is missing.
            force: replace what exists.

        Returns:
            The paths written.

        Raises:
            SimdlError: a file exists and ``force`` is off, or the directory cannot be written to.
        """
        folder = Path(directory)
        write_files(folder, self.files, force=force)
        return tuple(folder / name for name in self.files)

    def __str__(self) -> str:
        return next(iter(self.files.values()))


def launch_files(question: Question, strategy: Strategy, name: str) -> LaunchFiles:
    """The launch files of a strategy.

    Args:
        question: model, cluster and all around the strategy.
        strategy: that runs.
        name: of the format.

    Raises:
        LaunchError: no such format, or the framework cannot run the strategy.
    """
    choice("format", name, FORMATS)
    found = launch_format(name)
    launch = found.write(Job(question=question, strategy=strategy))
    return LaunchFiles(
        format=name,
        files=launch.files,
        line=launch.line,
        warnings=tuple(say(launch)),
        data=launch_json(found, launch),
    )
