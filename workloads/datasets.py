"""Data sets: how much one epoch is."""

from dataclasses import dataclass

from workloads.errors import UnknownNameError, WorkloadError
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


DATASETS: dict[str, Dataset] = {
    each.name: each
    for each in (
        Dataset(
            name="imagenet",
            size=1_281_167,
            unit="image",
            source="Russakovsky et al. 2015, arXiv:1409.0575, table 2 (ILSVRC 2012); 150 GB: NVIDIA, Loading "
            "Data Fast with DALI and the New Hardware JPEG Decoder in A100",
            nbytes=150e9,
            encoding="jpeg",
        ),
        Dataset(
            name="cifar10",
            size=50_000,
            unit="image",
            source="Krizhevsky 2009, section 3.1",
            nbytes=50_000 * 32 * 32 * 3,
            encoding="raw",
        ),
        Dataset(
            name="cifar100",
            size=50_000,
            unit="image",
            source="Krizhevsky 2009, section 3.1",
            nbytes=50_000 * 32 * 32 * 3,
            encoding="raw",
        ),
        Dataset(
            name="mnist",
            size=60_000,
            unit="image",
            source="LeCun et al. 1998, section III.A",
            nbytes=60_000 * 28 * 28,
            encoding="raw",
        ),
        Dataset(
            name="gpt3",
            size=300_000_000_000,
            unit="token",
            source="Brown et al. 2020, arXiv:2005.14165, table 2.2",
            nbytes=2 * 300_000_000_000,  # a number of 16 bit holds its vocabulary
            encoding="token",
        ),
        Dataset(
            name="llama-1",
            size=1_400_000_000_000,
            unit="token",
            source="Touvron et al. 2023, arXiv:2302.13971, table 1",
            nbytes=2 * 1_400_000_000_000,  # a number of 16 bit holds its vocabulary
            encoding="token",
        ),
        Dataset(
            name="llama-2",
            size=2_000_000_000_000,
            unit="token",
            source="Touvron et al. 2023, arXiv:2307.09288, table 1",
            nbytes=2 * 2_000_000_000_000,  # a number of 16 bit holds its vocabulary
            encoding="token",
        ),
        Dataset(
            name="llama-3",
            size=15_600_000_000_000,
            unit="token",
            source="Dubey et al. 2024, arXiv:2407.21783, section 1",
            nbytes=4 * 15_600_000_000_000,  # a number of 32 bit holds its vocabulary
            encoding="token",
        ),
    )
}


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
