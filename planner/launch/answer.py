"""Jobs from an answer or a strategy file, and strategies from a launch file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from hardware.profiles import load_mixed_cluster
from planner.launch.job import Context, Job, LaunchError
from planner.launch.registry import read_launch_file
from planner.questions.answer_file import load_answer
from planner.questions.question import Options, Question, for_strategy, load_question
from planner.questions.strategy_file import build_strategy, load_strategy
from simdl.step.strategy import Strategy
from workloads.registry import load_network

ASKED = ("global_batch", "seq_len", "precision", "optimizer")
"""Keys of the question that a launch file may say."""


def job_of_answer(path: Path, *, number: int) -> Job:
    """The job of one plan of an answer.

    Raises:
        SimdlError: the file cannot be read or has no such plan.
        HardwareError, WorkloadError, SimdlError: what its question names is not there any more.
    """
    answer = load_answer(path, number=number)
    question = load_question(answer.question)
    strategy = build_strategy(answer.strategy, question.cluster, place=f"{answer.place}: strategy.")
    return Job(question=question, strategy=strategy)


def job_of_strategy(path: Path, options: Options) -> Job:
    """The job of a strategy file for a question.

    Raises:
        SimdlError: the file cannot be read or is not a strategy.
        HardwareError, WorkloadError, SimdlError: the question names what does not exist.
    """
    question = load_question(options)
    return Job(question=question, strategy=load_strategy(str(path), question.cluster))


def ask_launch_file(path: str, options: Options) -> tuple[Question, Strategy]:
    """The question and the strategy of a launch file, for a model and a cluster.

    What the file says of batch, length, precision and optimizer counts as said; what it says that is not
    modelled becomes an assumption of the question. Where the options name no software stack, it is that of
    the framework, or the one that usually runs such a strategy.

    Raises:
        LaunchError: the file cannot be read, or says other than the options.
        HardwareError, WorkloadError, SimdlError: the question names what does not exist.
    """
    network, cluster = load_network(options.model), load_mixed_cluster(options.cluster)
    first, layers = network.repeated
    context = Context(
        devices=cluster.devices,
        devices_per_node=cluster.node.devices,
        layers=layers,
        before=first,
        behind=network.depth - first - layers,
    )
    found, said = read_launch_file(path, context)
    given: dict[str, Any] = {key: getattr(options, key) for key in ASKED}
    for key, value in said.question.items():
        if given.get(key) not in {None, value}:
            option = f"--{key.replace('_', '-')}"
            raise LaunchError(
                f"{path}: {key}: found {value}, but {option} {given[key]}; expected one of them"
            )
        given[key] = value
    own = found.stack if network.sample == "sequence" else ""
    asked = replace(options, **given, stack=options.stack or own or None)
    question = load_question(asked)
    strategy = build_strategy(said.strategy, question.cluster, place=f"{path}: ")
    question = for_strategy(question, asked, strategy)
    notes = [f"strategy read from {path} ({found.title})", *(f"{path}: {note}" for note in said.notes)]
    if options.stack is None and own:
        notes.append(f"software stack {own} (the framework of {path})")
    return replace(question, assumptions=(*question.assumptions, *notes)), strategy
