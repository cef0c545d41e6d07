"""The best plan handed on: as a strategy file, and as the launch file of a framework."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from planner.console.output_files import check_new_file
from planner.questions.question import Question
from planner.questions.strategy_file import format_strategy_file
from simdl.atomic_write import write_atomically
from simdl.step.strategy import Strategy

OPTIONS = (
    click.option(
        "--out",
        "strategy_path",
        type=click.Path(path_type=Path),
        help="Write the best plan into this file as a strategy to read, change and ask again about: "
        "`simdl simulate --strategy FILE`.",
    ),
    click.option(
        "--emit",
        "format_name",
        metavar="FORMAT",
        help="Print the best plan also as what a framework is launched with, such as megatron: a FORMAT of "
        "`simdl export`, which writes it into files.",
    ),
)


def best_plan_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options; the command gets ``strategy_path`` and ``format_name``."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def check_best_plan(strategy_path: Path | None, format_name: str | None, *, force: bool) -> None:
    """Refuse a file that could not be written, or a format that there is not, before any work is done.

    Raises:
        SimdlError: one of the two.
    """
    if strategy_path is not None:
        check_new_file(strategy_path, force=force, what="strategy file")
    if format_name is not None:
        from planner.launch.registry import launch_format  # noqa: PLC0415 - only where it is asked for

        launch_format(format_name)


def written_line(question: Question, path: Path) -> str:
    """Which file was written, and the command that asks about it."""
    options = question.options
    words = [options.model, "--cluster", options.cluster, "--global-batch", str(options.global_batch)]
    words += ["--seq-len", str(options.seq_len)] if options.seq_len else []
    words += ["--precision", str(options.precision), "--optimizer", str(options.optimizer)]
    words += ["--stack", str(options.stack), "--strategy", str(path)]
    return f"written: {path}; ask again: simdl simulate {shlex.join(words)}"


def hand_on(
    question: Question, strategy: Strategy, strategy_path: Path | None, format_name: str | None
) -> dict[str, Any] | None:
    """Write the strategy file, and give the launch as JSON keys, its warnings said on standard error.

    Raises:
        SimdlError: the file cannot be written, or the framework cannot run the strategy.
    """
    workload, cluster = question.workload, question.cluster
    if strategy_path is not None:
        title = f"{workload.network.name} on {cluster.name}, global batch {workload.global_batch}"
        write_atomically(strategy_path, format_strategy_file(strategy, title=title), what="strategy file")
    if format_name is None:
        return None
    from planner.launch.job import Job, launch_json, say  # noqa: PLC0415
    from planner.launch.registry import launch_format  # noqa: PLC0415

    found = launch_format(format_name)
    launch = found.write(Job(question=question, strategy=strategy))
    for line in say(launch):
        click.echo(line, err=True)
    return launch_json(found, launch)
