"""Convolutions by algorithm: each has a time and a workspace, and a library takes the fastest that fits.

Every algorithm reduces a pass to matrix products (``ConvolutionEfficiency.fraction`` says how close it comes
to them) and to memory traffic of what it writes down on the way:

- implicit GEMM: one product, its patch matrix formed on the fly; the precomputed form stores the offsets; the
  gradient of the input may be a sum of products instead, whose results are added where they belong;
- GEMM: the patch matrix (im2col) is written to the workspace and read back;
- direct: one product in all but name, no workspace;
- FFT: spectra of images, filters and results, and one complex product per frequency; tiled or whole image;
- Winograd F(o x o, r x r): one product per point of a (o + r - 1)-square tile; fused with o = 2 (filter
  transforms stored), or not fused with o = 4 for r = 3 and o = 9 for r = 5 (all transforms stored).

On devices that cuDNN serves, each of its enumerated algorithms of a pass (`simdl.kernels.cudnn`) is priced by
the reduction that it stands for, where the library takes the shape and the model has the arithmetic: spectra
and transformed tiles of images without groups, and of formats that do not run on matrix units. There only
products are priced, those of algorithms without tensor cores at the FP32 rate of vector units; all 94 FP16
rows of DeepBench's V100 took a product. On other devices every reduction that the profile names is offered
under its own name. Groups are priced as products, where narrow ones go together, and by a kernel of their own
(`simdl.kernels.costs.grouped`).

Sources: Chetlur et al., "cuDNN" (2014); NVIDIA, "cuDNN API reference", version 7, cudnnConvolutionForward,
-BackwardData and -BackwardFilter; Mathieu et al., "Fast Training of Convolutional Networks through FFTs"
(2014); Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), section 4.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from math import ceil, log2

from hardware.architecture import architecture_named
from hardware.device import Device
from hardware.errors import HardwareError
from simdl.kernels.costs.grouped import GROUPED, grouped_time, joined_calls
from simdl.kernels.costs.matmul import ELEMENT_SIZE, matmul_time, uses_matrix_units
from simdl.kernels.costs.memory_bound import traffic_time
from simdl.kernels.costs.tilings import VECTOR_TILES, Tiling, matrix_tiling
from simdl.kernels.cudnn import is_served, padded, supported
from simdl.kernels.kernel import ConvolutionCall, Product
from workloads.amounts import is_table, larger, smaller
from workloads.operators import ConvolutionShape, Pass

CHANNEL_LOAD = 16
"""[bytes] of channels that a matrix-unit convolution loads at once (eight FP16 channels)."""

SUM = 4
"""[bytes] of a partial sum, FP32 in every format."""

TILE = 32
"""[pixels] on a side of a tile of tiled spectra."""

VECTOR = "fp32"
"""Arithmetic of algorithms that do not run on matrix units."""

PLAIN = frozenset({"implicit_gemm", "implicit_precomp_gemm"})
"""Algorithms that form their patches on the fly."""

IMPLICIT = Tiling(((128, 128), (128, 64), (128, 32)))
"""Pixels by channels of a block (``scudnn_128x64_relu_small`` and the like, NeuSight's convolution table)."""

IMPLICIT_FILTERS = Tiling(((128, 128), (64, 128), (32, 128)))
"""The same of the filter gradient, whose rows are filters (``scudnn_128x64_stridedB_splitK``)."""

NONFUSED = Tiling(((128, 128),))
"""Products of Winograd that is not fused (``sgemm_128x128_nn``, NeuSight's convolution table)."""

NONFUSED_OUTPUTS = {3: 4, 5: 9}
"""Pixels on a side that come out of a tile, by those of the filter.

Kernels are called ``winogradForwardData4x4`` and ``winogradForwardData9x9_5x5`` (profiles of TensorFlow); of
2, 4, 5 and 9 pixels, 9 come closest to DeepBench's rows of 5 x 5.
"""

FUSED = Tiling(((128, 128),), splits=(1,))
"""A block of fused Winograd: 16 points of 32 tiles by 32 channels, all of their depth
(``scudnn_winograd_128x128_ldg1_ldg4_tile148t_nt``, NeuSight's convolution table and profiles of PyTorch)."""

FUSED_CHANNELS = 32
FUSED_PIXELS = (8, 16)
"""Height and width, or the reverse, of the 4 x 8 tiles of one image that a block of fused Winograd takes."""

SPECTRAL = Tiling(VECTOR_TILES)

SLOWER_BACKWARD = frozenset({"implicit_gemm", "implicit_precomp_gemm", "gemm", "direct"})
"""Reductions whose kernels differ from pass to pass; spectra and tiles are multiplied alike in all three."""


@dataclass(frozen=True, slots=True)
class AlgorithmCost:
    """One way to carry out a convolution.

    Attributes:
        algorithm: cuDNN's name of this pass where it serves the device (`simdl.kernels.cudnn`), otherwise as
            in ``ConvolutionEfficiency.fraction``.
        time: [s]; of the arithmetic here, of a whole launch in `simdl.kernels.costs.convolution_launch`.
        workspace: [bytes] of scratch memory.
    """

    algorithm: str
    time: float
    workspace: float


def convolution_times(call: ConvolutionCall, device: Device, dtype: str) -> tuple[AlgorithmCost, ...]:
    """Arithmetic time, without latency and traffic, and workspace of every algorithm the device offers.

    Raises:
        HardwareError: the device has no such dtype, or its profile names an unknown algorithm.
    """
    if call.shape.groups == call.shape.in_channels > 1 and is_served(device):
        return (AlgorithmCost(GROUPED, grouped_time(call, device, dtype), 0.0),)
    speed = _pass_speed(call.which, device)
    products: dict[object, float] = {}
    costs = []
    for name, reduction, rate in _offers(call, device, dtype):
        work = _reduction(reduction, device)(call, device, dtype, rate)
        if work is None:
            continue
        key = _key(work), rate
        if key not in products:
            products[key] = reduce(smaller, _product_times(work, call, device, rate))
        share = device.convolution.fraction[reduction] * (speed if reduction in SLOWER_BACKWARD else 1.0)
        if reduction in PLAIN and _runs_as_product(call.shape, device, rate):
            share = device.convolution.pointwise
        costs.append(AlgorithmCost(name, products[key] / share + work.transforms, work.workspace))
    if call.shape.groups > 1:
        costs.append(AlgorithmCost(GROUPED, grouped_time(call, device, dtype), 0.0))
    return tuple(costs)


def _runs_as_product(shape: ConvolutionShape, device: Device, rate: str) -> bool:
    """Whether the device runs filters of one pixel as matrix products: there are no patches to form."""
    plain = shape.taps == shape.strides == shape.groups == 1 and shape.inputs == shape.outputs
    return device.convolution.pointwise > 0 and plain and uses_matrix_units(device, rate)


def _offers(call: ConvolutionCall, device: Device, dtype: str) -> Iterator[tuple[str, str, str]]:
    """Name, reduction and arithmetic of every algorithm of this pass that the device's profile has.

    Raises:
        HardwareError: the profile names an unknown reduction.
    """
    fraction = device.convolution.fraction
    for name in fraction:
        _reduction(name, device)
    if not is_served(device):
        yield from ((name, name, dtype) for name in fraction)
        return
    matrix = uses_matrix_units(device, dtype)
    for each in supported(call.which, call.shape, dtype, call.library):
        rate = VECTOR if matrix and not each.tensor_cores else dtype
        if each.reduction in fraction and (rate == dtype or rate in device.matmul.fraction):
            yield each.name, each.reduction, rate


def _key(work: "_Work") -> object:
    """What two algorithms of equal arithmetic have in common, for one call or a table of them."""
    if not is_table(work.product.m, work.product.n, work.product.k):
        return work.product, work.tiling
    extents = (work.product.m, work.product.n, work.product.k, work.product.count)
    return *(each.tobytes() if is_table(each) else each for each in extents), work.tiling  # type: ignore[attr-defined]


def _product_times(work: "_Work", call: ConvolutionCall, device: Device, rate: str) -> Iterator[float]:
    """Seconds of an algorithm's product, and of those with narrow groups joined."""
    yield matmul_time(work.product, device, rate, tiling=work.tiling)
    if call.shape.groups > 1:
        for joined in joined_calls(call, device):
            yield matmul_time(_product_of(joined, device, rate), device, rate)


def algorithm_workspace(name: str, call: ConvolutionCall, device: Device, dtype: str) -> float | None:
    """[bytes] of workspace of an algorithm; None where it does not apply to the call."""
    work = _reduction(name, device)(call, device, dtype, dtype)
    return None if work is None else work.workspace


def _reduction(name: str, device: Device) -> "_Reduction":
    try:
        return _REDUCTIONS[name]
    except KeyError:
        raise HardwareError(
            f"device {device.name}: efficiency.convolution.fraction.{name}: no such algorithm; "
            f"known: {', '.join(sorted(_REDUCTIONS))}"
        ) from None


def _pass_speed(which: Pass, device: Device) -> float:
    match which:
        case Pass.FORWARD:
            return 1.0
        case Pass.INPUT_GRADIENT:
            return device.convolution.input_gradient
        case Pass.WEIGHT_GRADIENT:
            return device.convolution.weight_gradient


def reduced_product(call: ConvolutionCall) -> Product:
    """The matrix product that a pass reduces to (one per group).

    A strided input gradient meets each kernel position only at every stride-th pixel.
    """
    s = call.shape
    channels, filters = s.in_channels // s.groups, s.out_channels // s.groups
    pixels = call.batch * s.outputs
    match call.which:
        case Pass.FORWARD:
            return Product(pixels, filters, channels * s.taps, s.groups)
        case Pass.INPUT_GRADIENT:
            return Product(call.batch * s.inputs, channels, ceil(filters * s.taps / s.strides), s.groups)
        case Pass.WEIGHT_GRADIENT:
            return Product(filters, channels * s.taps, pixels, s.groups)


def _product_of(call: ConvolutionCall, device: Device, dtype: str) -> Product:
    """The product as it runs.

    Matrix units pad channels to whole vector loads. Kernels of vector units that give the gradient of a
    strided convolution's input as one product meet every position of the filter at every pixel, and multiply
    by zeros (`_scattered` does not).
    """
    if not uses_matrix_units(device, dtype):
        product, s = reduced_product(call), call.shape
        if call.which is not Pass.INPUT_GRADIENT or s.strides == 1 or not is_served(device):
            return product
        return replace(product, k=s.out_channels // s.groups * s.taps)
    lanes = int(CHANNEL_LOAD // ELEMENT_SIZE[dtype]) * call.shape.groups
    channels = ceil(call.shape.in_channels / lanes) * lanes
    return reduced_product(replace(call, shape=replace(call.shape, in_channels=channels)))


@dataclass(frozen=True, slots=True)
class _Work:
    """What an algorithm makes of a pass.

    Attributes:
        product: the matrix product it comes down to.
        workspace: [bytes].
        transforms: [s] on the way to the product and back.
        tiling: its kernels; those of any product if None.
    """

    product: Product
    workspace: float = 0.0
    transforms: float = 0.0
    tiling: Tiling | None = None


_Reduction = Callable[[ConvolutionCall, Device, str, str], _Work | None]
"""Of a call on a device, with tensors of one dtype and arithmetic of another."""


def _implicit(call: ConvolutionCall, device: Device, _: str, rate: str) -> _Work:
    if call.which is Pass.INPUT_GRADIENT and is_served(device):
        return _scattered(call, device, rate)
    return _Work(_product_of(call, device, rate), tiling=_tiling(call, device, rate))


def _scattered(call: ConvolutionCall, device: Device, rate: str) -> _Work:
    """The gradient of the input as a sum of products: what each result means to its pixels is added to them.

    Strides and few channels waste nothing; every partial sum is read and written in the cache (atomic adds).
    """
    s = call.shape
    product = Product(
        call.batch * s.outputs, s.in_channels // s.groups * s.taps, s.out_channels // s.groups, s.groups
    )
    added = 2.0 * SUM * product.m * product.n * product.count
    transforms = traffic_time(added, device) / device.matmul.cache_ratio
    return _Work(product, transforms=transforms, tiling=_tiling(call, device, rate))


def _precomputed(call: ConvolutionCall, device: Device, _: str, rate: str) -> _Work:
    """Offsets take one 4-byte index for each row of the patch matrix."""
    product = _product_of(call, device, rate)
    return _Work(product, 4.0 * (product.k + product.m), tiling=_tiling(call, device, rate))


def _tiling(call: ConvolutionCall, device: Device, rate: str) -> Tiling | None:
    """Kernels of cuDNN's products; other libraries', and those of groups, are taken to be any product's."""
    if not is_served(device) or call.shape.groups > 1:
        return None
    if uses_matrix_units(device, rate):
        return matrix_tiling(architecture_named(device.generation).convolution_wave)
    return IMPLICIT_FILTERS if call.which is Pass.WEIGHT_GRADIENT else IMPLICIT


def _explicit(call: ConvolutionCall, device: Device, dtype: str, _: str) -> _Work:
    s = call.shape
    patches = s.taps * s.in_channels * s.outputs * call.batch
    workspace = 1.0 * patches * ELEMENT_SIZE[dtype]
    return _Work(reduced_product(call), workspace, transforms=traffic_time(2 * workspace, device))


def _winograd_fused(call: ConvolutionCall, device: Device, dtype: str, _: str) -> _Work | None:
    """Only the transformed filters are stored; tiles stay on chip, and blocks do not reach over images."""
    s = call.shape
    if uses_matrix_units(device, dtype) or not _is_winograd(s, (3,)):
        return None
    product = _winograd_product(call, 2)
    workspace = float(product.count * s.in_channels * s.out_channels * ELEMENT_SIZE[dtype])
    backward = call.which is Pass.INPUT_GRADIENT
    height, width = (s.in_height, s.in_width) if backward else (s.out_height, s.out_width)
    tall, wide = FUSED_PIXELS
    regions = min(ceil(height / tall) * ceil(width / wide), ceil(height / wide) * ceil(width / tall))
    blocks = call.batch * regions * ceil(product.n / FUSED_CHANNELS)
    rows, columns = FUSED.tiles[0]
    return _Work(Product(blocks * rows, columns, product.k), workspace, tiling=FUSED)


def _winograd_nonfused(call: ConvolutionCall, device: Device, dtype: str, _: str) -> _Work | None:
    if uses_matrix_units(device, dtype) or not _is_winograd(call.shape, tuple(NONFUSED_OUTPUTS)):
        return None
    product = _winograd_product(call, NONFUSED_OUTPUTS[call.shape.kernel_height])
    elements = product.count * (product.m * product.k + product.k * product.n + product.m * product.n)
    workspace = 1.0 * elements * ELEMENT_SIZE[dtype]
    return _Work(product, workspace, traffic_time(2 * workspace, device), NONFUSED)


def _is_winograd(shape: ConvolutionShape, sizes: tuple[int, ...]) -> bool:
    square = shape.kernel_height == shape.kernel_width and shape.kernel_height in sizes
    return square and shape.strides == shape.groups == 1 and not _is_volume(shape)


def _is_volume(shape: ConvolutionShape) -> bool:
    return shape.in_depth > 1 or shape.kernel_depth > 1


def _winograd_product(call: ConvolutionCall, outputs: int) -> Product:
    """One product per point of the transformed tile; ``outputs`` pixels on a side come out of each tile."""
    s = call.shape
    tiles = call.batch * ceil(s.out_height / outputs) * ceil(s.out_width / outputs)
    points = (outputs + s.kernel_height - 1) ** 2
    return _per_pass(call, tiles, points)


def _per_pass(call: ConvolutionCall, tiles: int, points: int) -> Product:
    s = call.shape
    match call.which:
        case Pass.FORWARD:
            return Product(tiles, s.out_channels, s.in_channels, points)
        case Pass.INPUT_GRADIENT:
            return Product(tiles, s.in_channels, s.out_channels, points)
        case Pass.WEIGHT_GRADIENT:
            return Product(s.out_channels, s.in_channels, tiles, points)


def _fft(call: ConvolutionCall, device: Device, dtype: str, _: str) -> _Work | None:
    """Whole images, padded to a power of two."""
    return _spectral(call, device, dtype, side=2 ** ceil(log2(max(padded(call.shape)))), images=call.batch)


def _fft_tiled(call: ConvolutionCall, device: Device, dtype: str, _: str) -> _Work | None:
    """Square tiles, of which neighbours share all but one more than what the filter leaves of a side."""
    s = call.shape
    if max(s.kernel_height, s.kernel_width) > TILE:
        return None
    tiles = ceil(s.in_height / (TILE + 1 - s.kernel_height)) * ceil(s.in_width / (TILE + 1 - s.kernel_width))
    return _spectral(call, device, dtype, side=TILE, images=call.batch * tiles)


def _is_spectral(shape: ConvolutionShape) -> bool:
    """Images at stride one and without groups."""
    return shape.strides == shape.groups == 1 and not _is_volume(shape)


def _spectral(call: ConvolutionCall, device: Device, dtype: str, *, side: int, images: int) -> _Work | None:
    """Complex products count as four real ones; a real image has half the frequencies."""
    if uses_matrix_units(device, dtype) or not _is_spectral(call.shape):
        return None
    frequencies = side * (side // 2 + 1)
    product = _per_pass(call, images, frequencies)
    elements = product.m * product.k + product.k * product.n + product.m * product.n
    workspace = 8.0 * frequencies * elements
    real = Product(2 * product.m, product.n, 2 * product.k, frequencies)
    transforms = 2.5 * side * side * 2 * log2(side) * elements / device.vector_flop_rate
    return _Work(real, workspace, larger(transforms, traffic_time(2 * workspace, device)), SPECTRAL)


_REDUCTIONS: dict[str, _Reduction] = {
    "implicit_gemm": _implicit,
    "implicit_precomp_gemm": _precomputed,
    "gemm": _explicit,
    "direct": _implicit,
    "fft": _fft,
    "fft_tiling": _fft_tiled,
    "winograd": _winograd_fused,
    "winograd_nonfused": _winograd_nonfused,
}

REDUCTIONS = tuple(_REDUCTIONS)
"""Names of a profile's fractions, and of algorithms where cuDNN does not run."""
