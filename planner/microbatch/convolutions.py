"""Which convolution passes a network or a layer list runs.

A layer list is a CSV with the columns of mu-cuDNN's benchmarks (``COLUMNS``): independent convolutions, so
each runs all three passes. In a network, nobody needs the gradient of the images: layers that read them run
two.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from simdl.csv_rows import CsvRow, read_csv_rows
from simdl.errors import SimdlError
from workloads.errors import WorkloadError
from workloads.layer import Layer
from workloads.layers.images.convolution import convolution
from workloads.network import Network
from workloads.operators import ConvolutionShape, Pass
from workloads.tensors import Tensor

DIGITS = 9
"""Of an extent, at most."""
_EXTENTS = ("W", "H", "C_in", "N", "C_out", "kernel_w", "kernel_h", "stride_w", "stride_h")
_PADDINGS = ("pad_w", "pad_h")
_TEXTS = ("list", "layer_or_source")
COLUMNS = (*_TEXTS, *_EXTENTS, *_PADDINGS)
"""Columns that a layer list needs; others are ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionPass:
    """One pass of one convolution.

    Attributes:
        layer: full name, unique with ``which``.
        block_layer: the name without the index of a repeated block; a table may use either.
        which: pass of the convolution; the forward pass of a transposed one is its input gradient.
        shape: of one image.
        elements: activation elements read and written per sample.
        weights: parameter elements read or written, however many samples.
    """

    layer: str
    block_layer: str
    which: Pass
    shape: ConvolutionShape
    elements: int
    weights: int


def nameless(part: ConvolutionPass) -> ConvolutionPass:
    """The pass without the names of its layer: equal ones take as long."""
    return replace(part, layer="", block_layer="")


def network_convolutions(network: Network) -> tuple[ConvolutionPass, ...]:
    """Every convolution pass of a network in layer order.

    Raises:
        SimdlError: the network has no convolution.
    """
    found = tuple(_network_passes(network))
    if not found:
        raise SimdlError(f"network {network.name}: no convolution; expected a convolutional network")
    return found


def _network_passes(network: Network) -> Iterator[ConvolutionPass]:
    for block in network.blocks:
        for index in range(block.count):
            place = block.name if block.count == 1 else f"{block.name}.{index}"
            for layer in block.layers:
                yield from _layer_passes(f"{place}/{layer.name}", f"{block.name}/{layer.name}", layer)


def _layer_passes(name: str, block_name: str, layer: Layer) -> Iterator[ConvolutionPass]:
    for which in Pass:
        for operator in layer.operators(which):
            if isinstance(operator.shape, ConvolutionShape):
                yield ConvolutionPass(
                    layer=name,
                    block_layer=block_name,
                    which=operator.convolved(which),
                    shape=operator.shape,
                    elements=operator.reads + operator.writes,
                    weights=operator.weights,
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerList:
    """The convolutions of a list and the batch they are given for (None where rows differ)."""

    convolutions: tuple[ConvolutionPass, ...]
    batch: int | None


def read_layer_list(path: str | Path, name: str = "") -> LayerList:
    """The convolutions of a layer list.

    Args:
        path: CSV with the columns of ``COLUMNS``; extents in pixels, N the batch.
        name: take only the rows whose ``list`` this is; all rows if empty.

    Raises:
        SimdlError: a column is missing, a cell is no positive whole number, a filter does not fit, or there
            is no such list; one line per fault. Or the file cannot be read.
    """
    columns, rows = read_csv_rows(path)
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise SimdlError(f"{path}: no column {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    chosen = [row for row in rows if name in {"", row.cells["list"]}]
    if not chosen:
        known = ", ".join(sorted({row.cells["list"] for row in rows})) or "no row"
        raise SimdlError(f"{path}: no list {name!r}; it holds {known}")
    batches = {row.cells["N"] for row in chosen}
    layers = _list_layers(path, chosen)
    passes = [part for named, layer in layers for part in _layer_passes(named, named, layer)]
    return LayerList(convolutions=tuple(passes), batch=int(batches.pop()) if len(batches) == 1 else None)


def _list_layers(path: str | Path, rows: Sequence[CsvRow]) -> list[tuple[str, Layer]]:
    names = [f"{row.cells['list']}/{row.cells['layer_or_source']}" for row in rows]
    total, seen = Counter(names), Counter[str]()
    layers, faults = [], []
    for name, row in zip(names, rows, strict=True):
        unique = name if total[name] == 1 else f"{name}.{seen[name]}"
        seen[name] += 1
        try:
            layers.append((unique, _list_layer(unique, row)))
        except (SimdlError, WorkloadError) as error:
            faults.append(f"{path}: line {row.line}: {error}")
    if faults:
        raise SimdlError("\n".join(faults))
    return layers


def _list_layer(name: str, row: CsvRow) -> Layer:
    if row.surplus:
        raise SimdlError("more cells than columns")
    extents = {column: _whole(row, column, 1) for column in _EXTENTS}
    padding = tuple(_whole(row, column, 0) for column in _PADDINGS)
    return convolution(
        name,
        Tensor(name="input", shape=(extents["C_in"], extents["H"], extents["W"])),
        out_channels=extents["C_out"],
        kernel=(extents["kernel_h"], extents["kernel_w"]),
        stride=(extents["stride_h"], extents["stride_w"]),
        padding=(padding[1], padding[0]),
        bias=False,
    )


def _whole(row: CsvRow, column: str, least: int) -> int:
    text = row.cells[column]
    if not text.isdecimal() or len(text) > DIGITS or int(text) < least:
        expected = f"a whole number of at least {least}, of at most {DIGITS} digits"
        raise SimdlError(f"column {column}: found {text!r}; expected {expected}")
    return int(text)
