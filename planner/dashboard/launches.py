"""Texts that a strategy is taken away as: launch files of a framework, its TOML file, the command line."""

import shlex

from planner.dashboard.catalog import Asked
from planner.launch.job import Job, Launch
from planner.launch.registry import launch_format
from planner.questions.question import Question
from planner.questions.strategy_file import format_strategy_file
from simdl.step.strategy import Strategy


def launch_of(question: Question, strategy: Strategy, framework: str) -> Launch:
    """What `simdl export` writes.

    Raises:
        LaunchError: no such framework, or it cannot run the strategy.
    """
    return launch_format(framework).write(Job(question=question, strategy=strategy))


def strategy_text(question: Question, strategy: Strategy) -> str:
    """The file that `simdl simulate --strategy` reads."""
    workload, cluster = question.workload, question.cluster
    title = f"{workload.network.name} on {cluster.name}, global batch {workload.global_batch}"
    return format_strategy_file(strategy, title=title)


def launch_command(launch: Launch) -> str:
    """What to paste into a shell: the main file where that is a script with the line, else the line."""
    main = next(iter(launch.files.values()))
    return main if launch.line in main else f"{launch.line}\n"


def command_line(asked: Asked, question: Question) -> str:
    """The `simdl simulate` that gives the numbers of a card, for the strategy file beside it."""
    options = question.options
    words = ["simdl", "simulate", options.model, "--cluster", options.cluster]
    words += ["--global-batch", str(options.global_batch)]
    for name in ("seq_len", "precision", "optimizer", "stack"):
        if (value := getattr(asked, name)) is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join([*words, "--strategy", "strategy.toml"])
