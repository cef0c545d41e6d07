"""Published compressions as transforms: the per-layer tables of Deep Compression.

Han, Mao and Dally 2016, arXiv:1510.00149, tables 2 to 5: for each layer the share of weights that pruning
keeps, the bits of a shared weight and of the distance to the next, and the mean bits of both in a code.
Sparsity and bits give the storage without codes. What codes take depends on the weights themselves, and so
does how often a distance is too long: the printed storage without codes gives the entries that are stored,
and the printed code lengths are their means.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from workloads.errors import NetworkError, UnknownNameError
from workloads.network import Network
from workloads.transforms.registry import Transform
from workloads.transforms.weights import Code, Prune, Share
from workloads.weight_format import CODEBOOK_NUMBER

FULL = 32
"""[bit] of a weight that the printed rates refer to."""
DEEP_COMPRESSION = "deep-compression"
PUBLISHED = (DEEP_COMPRESSION,)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedLayer:
    """One row of the tables.

    Attributes:
        network, layer: registered network and its layer.
        density: share of weights that is kept.
        weight_bits, index_bits: [bit] of a stored weight and of its place.
        coded_weight_bits, coded_index_bits: [bit] the same in Huffman codes, on average.
        rate: printed storage without codes over that of 32-bit weights, with codebook and places.
        coded_rate: printed storage with codes over that of 32-bit weights.
        source: paper and table.
    """

    network: str
    layer: str
    density: float
    weight_bits: int
    index_bits: int
    coded_weight_bits: float
    coded_index_bits: float
    rate: float
    coded_rate: float
    source: str


@lru_cache(maxsize=1)
def compressed_layers() -> tuple[CompressedLayer, ...]:
    """Every row of the tables."""
    text = (resources.files("workloads.transforms") / "deep_compression.csv").read_text(encoding="utf-8")
    return tuple(
        CompressedLayer(
            network=row["network"],
            layer=row["layer"],
            density=float(row["weights_pct"]) / 100,
            weight_bits=int(row["weight_bits"]),
            index_bits=int(row["index_bits"]),
            coded_weight_bits=float(row["coded_weight_bits"]),
            coded_index_bits=float(row["coded_index_bits"]),
            rate=float(row["rate_pct"]) / 100,
            coded_rate=float(row["coded_rate_pct"]) / 100,
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def published_transforms(name: str, network: Network, *, coded: bool = True) -> tuple[Transform, ...]:
    """The transforms that a publication applied to a network, layer by layer.

    Args:
        name: of the publication, ``deep-compression``.
        network: one of its networks.
        coded: with Huffman codes.

    Raises:
        UnknownNameError: no such publication.
        NetworkError: it has no table for the network.
    """
    if name != DEEP_COMPRESSION:
        raise UnknownNameError("published compression", name, PUBLISHED)
    rows = [row for row in compressed_layers() if row.network == network.name]
    if not rows:
        known = ", ".join(dict.fromkeys(row.network for row in compressed_layers()))
        raise NetworkError([f"{name}: no table for network {network.name}; it has {known}"])
    sizes = {layer.name: layer.product_weights for block in network.blocks for layer in block.layers}
    return tuple(each for row in rows for each in _row_transforms(row, sizes[row.layer], coded=coded))


def _row_transforms(row: CompressedLayer, weights: int, *, coded: bool) -> Iterator[Transform]:
    layers = (row.layer,)
    yield Prune(layers=layers, sparsity=round(1 - row.density, 6), index_bits=row.index_bits)
    yield Share(layers=layers, weight_bits=row.weight_bits)
    if coded:
        yield Code(
            layers=layers,
            weight_bits=row.coded_weight_bits,
            index_bits=row.coded_index_bits,
            entries=counted_entries(row, weights),
        )


def counted_entries(row: CompressedLayer, weights: int) -> float:
    """Stored entries per kept weight that a printed rate stands for; 1 at least, for shares are rounded."""
    table = 2**row.weight_bits * CODEBOOK_NUMBER / weights
    stored = (row.rate * FULL - table) / (row.weight_bits + row.index_bits)
    return max(1.0, float(round(stored / row.density, 4)))
