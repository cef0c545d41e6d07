"""Data sets: how much one epoch is."""

from dataclasses import dataclass

from workloads.errors import UnknownNameError, WorkloadError
from workloads.fact_tables import load_facts
from workloads.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What networks are trained on.

    Attributes:
        name: registered name.
        size: samples or tokens of its training part.
        unit: ``"image"`` or ``"token"``.
        source: where the size is printed.
        nbytes: [bytes] of the training part as it is stored.
        encoding: how: ``"jpeg"``, ``"raw"`` pixels, or ``"token"`` numbers.
    """

    name: str
    size: int
    unit: str
    source: str
    nbytes: float
    encoding: str


DATASETS = load_facts("datasets", Dataset)


def load_dataset(name: str) -> Dataset:
    """The registered data set of this name.

    Raises:
        UnknownNameError: there is none; the message suggests the nearest.
    """
    try:
        return DATASETS[name.lower()]
    except KeyError:
        raise UnknownNameError("data set", name, DATASETS) from None


def epoch_samples(dataset: Dataset, network: Network) -> float:
    """Samples of a network in one epoch.

    Raises:
        WorkloadError: the network's samples are not made of what the data set holds.
    """
    if (dataset.unit == "image") != (network.sample == "image"):
        raise WorkloadError(
            f"data set {dataset.name}: holds {dataset.unit}s; {network.name} expects {network.sample}s"
        )
    return dataset.size / (1 if dataset.unit == "image" else network.tokens)
