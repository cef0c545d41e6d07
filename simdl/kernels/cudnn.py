"""Algorithms that cuDNN enumerates for each pass: where each applies, and what is known of it.

The list is data with sources (``cudnn_algorithms.toml``): eight for the forward pass, six for the gradient of
the input, seven for that of the filters, two of which NVIDIA never implemented. Those of the backward passes
that are numbered keep their numbers: ``algo_0`` adds partial sums atomically and so gives other roundings in
every run, ``algo_1`` is the product whose patch matrix is never formed, ``algo_3`` is the former with
precomputed offsets. What each costs is `simdl.kernels.costs.convolution`'s business.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from hardware.device import Device
from workloads.operators import ConvolutionShape, Pass

GENERATIONS = frozenset(
    {"kepler", "maxwell", "pascal", "volta", "turing", "ampere", "ada", "hopper", "blackwell"}
)
"""Architectures of devices that cuDNN serves."""

LAYOUTS = ("NCHW", "NHWC")
"""Orders of a tensor's axes in memory; of volumes with a depth before the height."""

ALIASES: Mapping[tuple[Pass, str], str] = {
    (Pass.INPUT_GRADIENT, "implicit_gemm"): "algo_0",
    (Pass.INPUT_GRADIENT, "implicit_precomp_gemm"): "algo_1",
    (Pass.WEIGHT_GRADIENT, "implicit_gemm"): "algo_0",
    (Pass.WEIGHT_GRADIENT, "implicit_precomp_gemm"): "algo_3",
}
"""Names of tables that call algorithms of backward passes what they are closest to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CudnnAlgorithm:
    """One enumerated algorithm of one pass.

    Attributes:
        which: the pass.
        name: in tables and answers.
        number: cuDNN's.
        reduction: what the cost model reduces it to.
        deterministic: whether results are the same bit by bit in every run.
        layouts, dtypes, dimensions: that it takes.
        workspace: what it holds.
        workspace_known: ``documented``, or ``assumed`` where the manual does not give the bytes.
        since: version that first has it; "" for all.
        evidence: sources of the file that say its conditions.
        assumed: attributes that none of these says.
        implemented: False for names that no version runs.
        tensor_cores: whether it runs on matrix units.
        dilation: whether filters may have holes.
        unit_stride: whether strides must be one.
        below_filter: whether the padding of each side must be smaller than the filter.
        filters: extents that a square filter may have; any if empty.
        largest_filter, largest_filter_3d: [pixels] on a side of a filter; 0 without limit.
        largest_map: [pixels] on a side of a padded map; 0 without limit.
        one_row: only maps one pixel high or wide.
    """

    which: Pass
    name: str
    number: int
    reduction: str
    deterministic: bool
    layouts: tuple[str, ...]
    dtypes: tuple[str, ...]
    dimensions: tuple[int, ...]
    workspace: str
    workspace_known: str
    evidence: tuple[str, ...]
    assumed: tuple[str, ...] = ()
    since: str = ""
    implemented: bool = True
    tensor_cores: bool = False
    dilation: bool = False
    unit_stride: bool = False
    below_filter: bool = False
    filters: tuple[int, ...] = ()
    largest_filter: int = 0
    largest_filter_3d: int = 0
    largest_map: int = 0
    one_row: bool = False


@cache
def cudnn_algorithms(which: Pass | None = None) -> tuple[CudnnAlgorithm, ...]:
    """All algorithms, or those of one pass, in cuDNN's order."""
    text = files("simdl.kernels").joinpath("cudnn_algorithms.toml").read_text(encoding="utf-8")
    listed = (_algorithm(entry) for entry in tomllib.loads(text)["algorithm"])
    return tuple(each for each in listed if which in {None, each.which})


def _algorithm(entry: Mapping[str, object]) -> CudnnAlgorithm:
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return CudnnAlgorithm(which=Pass(values.pop("pass")), **values)  # type: ignore[arg-type]


def is_served(device: Device) -> bool:
    """Whether cuDNN runs on the device."""
    return device.generation in GENERATIONS


def find_algorithm(which: Pass, name: str) -> CudnnAlgorithm | None:
    """The algorithm of a pass by its name or its alias; None for names that are not cuDNN's."""
    known = {each.name: each for each in cudnn_algorithms(which)}
    return known.get(name) or known.get(ALIASES.get((which, name), ""))


def is_deterministic(which: Pass, name: str) -> bool:
    """Whether a pass's algorithm gives the same bits in every run; kernels of other libraries do.

    PyTorch's and cuDNN's direct kernels for groups add up within a block, in one order.
    """
    found = find_algorithm(which, name)
    return found is None or found.deterministic


@lru_cache(maxsize=4096)
def supported(
    which: Pass, shape: ConvolutionShape, dtype: str, version: str = ""
) -> tuple[CudnnAlgorithm, ...]:
    """The algorithms of a pass that take a shape in some layout, in cuDNN's order.

    Of a version such as ``5.1``; of the newest if "".
    """
    return tuple(
        each
        for each in cudnn_algorithms(which)
        if not refusals(each, shape, dtype) and (not version or _numbers(each.since) <= _numbers(version))
    )


def _numbers(version: str) -> tuple[int, ...]:
    """``5.1`` as numbers that compare; nothing is before every version."""
    return tuple(int(part) for part in version.split(".") if part)


def refusals(
    algorithm: CudnnAlgorithm,
    shape: ConvolutionShape,
    dtype: str,
    *,
    layout: str | None = None,
    dilation: int = 1,
) -> tuple[str, ...]:
    """Why cuDNN refuses an algorithm for a convolution; empty where it takes it.

    Args:
        algorithm: of some pass.
        shape: of one image or volume.
        dtype: of the arithmetic.
        layout: ``NCHW`` or ``NHWC``; any of the algorithm's where None.
        dilation: distance of a filter's taps [pixels].
    """
    if not algorithm.implemented:
        return ("not implemented in any version",)
    volume = shape.in_depth > 1 or shape.kernel_depth > 1
    height, width = padded(shape)
    sides = {shape.kernel_height, shape.kernel_width}
    largest = algorithm.largest_filter_3d if volume else algorithm.largest_filter
    checks = (
        (dtype not in algorithm.dtypes, f"arithmetic in {dtype}"),
        (layout is not None and layout not in algorithm.layouts, f"tensors in {layout}"),
        ((3 if volume else 2) not in algorithm.dimensions, "volumes" if volume else "images"),
        (dilation > 1 and not algorithm.dilation, "filters with holes"),
        (algorithm.unit_stride and shape.strides > 1, "strides above one"),
        (bool(algorithm.filters) and not _is_square_of(sides, algorithm.filters), "filters of this size"),
        (bool(largest) and max(*sides, shape.kernel_depth) > largest, f"filters above {largest} pixels"),
        (algorithm.below_filter and not _is_below_filter(shape), "padding as large as the filter"),
        (
            bool(algorithm.largest_map) and max(height, width) > algorithm.largest_map,
            f"padded maps above {algorithm.largest_map} pixels",
        ),
        (algorithm.one_row and min(shape.in_height, shape.in_width) > 1, "maps of more than one row"),
    )
    return tuple(reason for refused, reason in checks if refused)


def padded(shape: ConvolutionShape) -> tuple[int, int]:
    """Height and width that a filter of stride one has walked over [pixels]."""
    return shape.out_height + shape.kernel_height - 1, shape.out_width + shape.kernel_width - 1


def _is_square_of(sides: set[int], allowed: tuple[int, ...]) -> bool:
    return len(sides) == 1 and sides <= set(allowed)


def _is_below_filter(shape: ConvolutionShape) -> bool:
    height, width = padded(shape)
    return (
        height - shape.in_height < 2 * shape.kernel_height and width - shape.in_width < 2 * shape.kernel_width
    )
