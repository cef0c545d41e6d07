"""Horizon: how long the training is, as an amount of data or as a time.

An amount (tokens, epochs, samples, steps) says what is trained, so the plan says how long it takes; a time
says how long, so the plan says how much is trained. Either way everything else follows: steps, device-hours,
money and energy.
"""

import re
from dataclasses import dataclass
from math import isfinite

from hardware.errors import UnitError
from hardware.units import parse_quantity
from simdl.errors import SimdlError
from workloads.datasets import DATASETS, Dataset, epoch_samples, load_dataset
from workloads.workload import Workload

SIZES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
WORDS = {
    "": "",
    "tok": "tokens",
    "token": "tokens",
    "tokens": "tokens",
    "ep": "epochs",
    "epoch": "epochs",
    "epochs": "epochs",
    "sample": "samples",
    "samples": "samples",
    "image": "images",
    "images": "images",
    "sequence": "sequences",
    "sequences": "sequences",
    "step": "steps",
    "steps": "steps",
}
AMOUNT = re.compile(
    r"\s*(?P<number>(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*(?P<size>[kKMBGT]?)\s*(?P<word>[a-z]*)\s*"
)
EXPECTED = "expected tokens such as 300B, epochs such as 90ep, samples, steps, or a time such as 30d"
LARGEST = 1e18  # samples or tokens of a training, at most; a thousand times the web
LEAST = 1.0  # [s] of a horizon in time
USUAL = {"image": "imagenet"}
"""Data set of epochs by what a sample is, where none is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """How long a training is.

    Attributes:
        text: as it was asked for.
        samples: that are trained; None where a time is given.
        time: [s] that there is; None where an amount is given.
        epochs: passes over ``dataset``, where those were given.
        dataset: that the epochs are of.
        assumed: what was assumed to read it, sentences.
    """

    text: str
    samples: float | None = None
    time: float | None = None
    epochs: float | None = None
    dataset: Dataset | None = None
    assumed: tuple[str, ...] = ()


def parse_horizon(text: str, workload: Workload, *, dataset: str | None = None) -> Horizon:
    """The horizon that a text says for a workload.

    Args:
        text: such as ``300B``, ``1.5T tokens``, ``90ep``, ``90 epochs``, ``1.2M images``, ``100k steps`` or
            ``30d``; a number without a unit counts tokens.
        workload: what is trained; its samples, tokens and global batch are meant.
        dataset: name of the data set of epochs; for images ImageNet where it is left out.

    Raises:
        SimdlError: the text says no horizon, or none for such samples, or less than one step.
        UnknownNameError: no such data set.
        WorkloadError: the network's samples are not made of what the data set holds.
    """
    seconds = _seconds(text)
    if seconds is not None:
        if dataset is not None:
            raise SimdlError(
                f"--dataset {dataset}: found with --horizon {text}; expected epochs such as 90ep"
            )
        return Horizon(text=text, time=seconds)
    amount, word = _amount(text, workload)
    if word == "epochs":
        return _epochs(text, amount, workload, dataset)
    if dataset is not None:
        raise _without_epochs(text, dataset)
    each = {"tokens": 1 / workload.network.tokens, "steps": float(workload.global_batch)}.get(word, 1.0)
    return Horizon(text=text, samples=_checked(text, amount * each, workload))


def epochs_horizon(epochs: float, workload: Workload, *, dataset: str) -> Horizon:
    """The horizon of ``--epochs`` with ``--dataset``."""
    return _epochs(f"{epochs:g}ep", epochs, workload, dataset)


def _without_epochs(text: str, dataset: str) -> SimdlError:
    return SimdlError(f"--dataset {dataset}: found with --horizon {text}; expected epochs such as 90ep")


def _seconds(text: str) -> float | None:
    """[s] of a time; None where the text is none."""
    try:
        seconds = parse_quantity(text, "time")
    except UnitError:
        return None
    if not LEAST <= seconds <= LARGEST:
        raise SimdlError(f"--horizon: found {text!r}; expected at least 1 s and at most {LARGEST:g} s")
    return seconds


def _amount(text: str, workload: Workload) -> tuple[float, str]:
    """How many of what."""
    found = AMOUNT.fullmatch(text)
    word = WORDS.get(found["word"]) if found else None
    if found is None or word is None:
        raise SimdlError(f"--horizon: {text!r} is not a quantity; {EXPECTED}")
    sample = workload.network.sample
    word = word or "tokens"
    if word not in {
        "epochs",
        "samples",
        "steps",
        f"{sample}s",
        *(["tokens"] if sample == "sequence" else []),
    }:
        raise SimdlError(
            f"--horizon: found {text!r} for {workload.network.name}, whose samples are {sample}s; expected "
            f"epochs such as 90ep, {sample}s such as '1M {sample}s', steps, or a time such as 30d"
        )
    amount = float(found["number"].replace("_", "")) * SIZES[found["size"]]
    if not 0 < amount <= LARGEST:
        raise SimdlError(f"--horizon: found {text!r}; expected above 0 and at most {LARGEST:g}")
    return amount, word


def _epochs(text: str, epochs: float, workload: Workload, name: str | None) -> Horizon:
    sample = workload.network.sample
    assumed: tuple[str, ...] = ()
    if name is None:
        if sample not in USUAL:
            raise SimdlError(
                f"--horizon {text}: epochs of what is not said; expected --dataset: {', '.join(DATASETS)}"
            )
        name = USUAL[sample]
        assumed = (f"data set {name} (usual for networks of {sample}s; --dataset names another)",)
    dataset = load_dataset(name)
    samples = epochs * epoch_samples(dataset, workload.network)
    return Horizon(
        text=text,
        samples=_checked(text, samples, workload),
        epochs=epochs,
        dataset=dataset,
        assumed=assumed,
    )


def _checked(text: str, samples: float, workload: Workload) -> float:
    sample, batch = f"{workload.network.sample}s", workload.global_batch
    if not isfinite(samples) or samples > LARGEST:
        raise SimdlError(f"--horizon: found {text!r}; expected at most {LARGEST:g} {sample}")
    if samples < batch:
        raise SimdlError(
            f"--horizon: found {text!r}, {samples:,.4g} {sample}; expected at least one step of {batch:,}"
        )
    return samples
