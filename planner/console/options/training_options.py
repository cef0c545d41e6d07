"""Epochs and data sets: the options, and the hours that a training takes."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from planner.console.format import format_duration
from planner.console.output import print_table
from planner.questions.question import Question
from simdl.errors import SimdlError
from workloads.datasets import DATASETS, Dataset, epoch_samples, load_dataset
from workloads.operators import Pass


def training_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--epochs`` and ``--dataset``."""
    for option in (
        click.option("--dataset", help=f"Data set of the epochs: {', '.join(DATASETS)}."),
        click.option("--epochs", type=float, help="Also say how long so many epochs take; with --dataset."),
    ):
        command = option(command)
    return command


def asked_training(epochs: float | None, dataset: str | None) -> tuple[float, Dataset] | None:
    """Epochs and data set; None where neither was given.

    Raises:
        SimdlError: one without the other, or epochs that are not above 0.
        UnknownNameError: no such data set.
    """
    if epochs is None and dataset is None:
        return None
    if epochs is None:
        raise SimdlError(f"--dataset {dataset}: given without --epochs; expected both")
    if dataset is None:
        raise SimdlError(f"--epochs {epochs:g}: given without --dataset; expected both")
    if not 0 < epochs < float("inf"):
        raise SimdlError(f"--epochs: found {epochs:g}; expected above 0")
    return epochs, load_dataset(dataset)


def training_json(question: Question, samples_per_s: float, asked: tuple[float, Dataset]) -> dict[str, Any]:
    """A training by key, in base units.

    ``ideal_time`` is that of three times the forward flops of every operator at the peak rate of matrix
    products, the usual count of a backward pass as two forward passes.

    Raises:
        WorkloadError: the network's samples are not made of what the data set holds.
    """
    (epochs, dataset), workload, cluster = asked, question.workload, question.cluster
    samples = epochs * epoch_samples(dataset, workload.network)
    flops = 3.0 * workload.network.flops(Pass.FORWARD) * samples
    peak = sum(part.devices * part.device.flop_rate(workload.precision.matmul) for part in cluster.parts)
    return {
        "epochs": epochs,
        "dataset": dataset.name,
        "samples": samples,
        "steps": samples / workload.global_batch,
        "time": samples / samples_per_s,
        "ideal_time": flops / peak,
        "source": dataset.source,
    }


def print_training(training: dict[str, Any]) -> None:
    """A training as a table."""
    rows = [
        ("steps", f"{training['steps']:,.0f}"),
        ("time", format_duration(training["time"])),
        ("ideal time, flops at the peak rate", format_duration(training["ideal_time"])),
    ]
    print_table(("", ""), rows, title=f"{training['epochs']:g} epochs of {training['dataset']}")


def training_clause(training: Mapping[str, Any]) -> str:
    """A training in a clause of a sentence."""
    return f"{training['epochs']:g} epochs of {training['dataset']} take {format_duration(training['time'])}"
