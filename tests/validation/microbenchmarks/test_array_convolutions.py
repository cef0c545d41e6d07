"""Convolutions in array code against a loop over every product; their workspace against what they take."""

import tracemalloc

import numpy as np
import pytest

from simdl.kernels.costs.convolution import REDUCTIONS as SIMULATED
from simdl.kernels.kernel import ConvolutionCall
from validation.microbenchmarks.arrays.convolutions import (
    ALGORITHMS,
    build_convolution,
    convolve,
    operand_shapes,
    padding_of,
    result_shape,
    workspace_of,
)
from validation.microbenchmarks.backend import UnsupportedCaseError
from workloads.operators import ConvolutionShape, Pass

pytestmark = pytest.mark.theory


def shape(channels, filters, size, out, kernel, *, stride=1, groups=1):
    high, wide = size
    return ConvolutionShape(
        in_channels=channels,
        out_channels=filters,
        in_height=high,
        in_width=wide,
        out_height=out[0],
        out_width=out[1],
        kernel_height=kernel[0],
        kernel_width=kernel[1],
        stride_height=stride,
        stride_width=stride,
        groups=groups,
    )


SHAPES = {
    "padded 3x3": shape(3, 5, (6, 7), (6, 7), (3, 3)),
    "unpadded 3x3": shape(2, 4, (7, 8), (5, 6), (3, 3)),
    "padded by two": shape(2, 3, (4, 5), (6, 7), (3, 3)),
    "one pixel": shape(4, 3, (5, 5), (5, 5), (1, 1)),
    "5x5": shape(2, 3, (6, 6), (6, 6), (5, 5)),
    "oblong filter": shape(2, 3, (6, 6), (6, 5), (3, 2)),
    "strided": shape(3, 4, (9, 9), (5, 5), (3, 3), stride=2),
    "strided, last rows unused": shape(3, 4, (8, 8), (4, 4), (3, 3), stride=2),
    "strided pixel": shape(3, 4, (6, 6), (3, 3), (1, 1), stride=2),
    "7x7 strided": shape(3, 2, (12, 12), (6, 6), (7, 7), stride=2),
    "rows cut off": shape(2, 3, (8, 8), (5, 5), (3, 3)),
}


def direct(call, first, second):
    """Every product of a pass, one by one."""
    s = call.shape
    pad = padding_of(s)
    source = np.zeros((call.batch, s.in_channels, s.in_height, s.in_width))
    weights = np.zeros((s.out_channels, s.in_channels, s.kernel_height, s.kernel_width))
    result = np.zeros((call.batch, s.out_channels, s.out_height, s.out_width))
    for y, x, i, j in np.ndindex(s.out_height, s.out_width, s.kernel_height, s.kernel_width):
        row, column = y * s.stride_height + i - pad[0], x * s.stride_width + j - pad[1]
        if not (0 <= row < s.in_height and 0 <= column < s.in_width):
            continue
        if call.which is Pass.FORWARD:
            result[:, :, y, x] += first[:, :, row, column] @ second[:, :, i, j].T
        elif call.which is Pass.INPUT_GRADIENT:
            source[:, :, row, column] += second[:, :, y, x] @ first[:, :, i, j]
        else:
            weights[:, :, i, j] += second[:, :, y, x].T @ first[:, :, row, column]
    return {Pass.FORWARD: result, Pass.INPUT_GRADIENT: source, Pass.WEIGHT_GRADIENT: weights}[call.which]


def operands(call, seed=0, dtype=np.float64):
    numbers = np.random.default_rng(seed)
    return tuple(numbers.standard_normal(extents).astype(dtype) for extents in operand_shapes(call))


def runs(algorithm, which, kernel=(3, 3), stride=1):
    if algorithm == "winograd_nonfused":
        return kernel == (3, 3) and stride == 1 and which is not Pass.WEIGHT_GRADIENT
    return algorithm != "fft" or stride == 1


@pytest.mark.parametrize("which", Pass)
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_computes_the_convolution_or_says_that_it_cannot(algorithm, name, which):
    s = SHAPES[name]
    call = ConvolutionCall(s, 3, which)
    first, second = operands(call)
    if runs(algorithm, which, (s.kernel_height, s.kernel_width), s.stride_height):
        found = convolve(np, call, algorithm, first, second)
        np.testing.assert_allclose(found, direct(call, first, second), atol=1e-12)
        assert found.shape == result_shape(call)
    else:
        with pytest.raises(UnsupportedCaseError, match=algorithm):
            convolve(np, call, algorithm, first, second)


def test_algorithms_have_names_of_the_simulator():
    assert set(ALGORITHMS) <= set(SIMULATED)


@pytest.mark.parametrize("which", Pass)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_pass_of_a_batch_is_that_of_its_parts(algorithm, which):
    if not runs(algorithm, which):
        return
    call = ConvolutionCall(SHAPES["padded 3x3"], 5, which)
    first, second = operands(call)
    whole = convolve(np, call, algorithm, first, second)
    sizes = [slice(0, 2), slice(2, 5)]
    if which is Pass.FORWARD:
        parts = np.concatenate([convolve(np, call, algorithm, first[part], second) for part in sizes])
    elif which is Pass.INPUT_GRADIENT:
        parts = np.concatenate([convolve(np, call, algorithm, first, second[part]) for part in sizes])
    else:
        parts = sum(convolve(np, call, algorithm, first[part], second[part]) for part in sizes)
    np.testing.assert_allclose(parts, whole, atol=1e-12)


@pytest.mark.parametrize("which", Pass)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_single_precision_stays_single(algorithm, which):
    if runs(algorithm, which):
        call = ConvolutionCall(SHAPES["padded 3x3"], 2, which)
        assert convolve(np, call, algorithm, *operands(call, dtype=np.float32)).dtype == np.float32


def peak_of(call, algorithm):
    """[bytes] that NumPy held at most beside operands and result."""
    first, second = operands(call, dtype=np.float32)
    convolve(np, call, algorithm, first, second)
    tracemalloc.start()
    try:
        result = convolve(np, call, algorithm, first, second)
        return tracemalloc.get_traced_memory()[1] - np.asarray(result).nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("which", Pass)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("filters", [8, 64])
def test_the_workspace_is_what_a_call_takes(filters, algorithm, which):
    if not runs(algorithm, which):
        return
    call = ConvolutionCall(shape(16, filters, (24, 24), (24, 24), (3, 3)), 8, which)
    found, counted = peak_of(call, algorithm), workspace_of(call, algorithm)
    least, most = (0.6, 2.5) if algorithm == "fft" else (0.8, 1.25)  # NumPy's FFT works in pieces of its own
    assert least * counted < found < most * counted


def test_a_built_convolution_runs_and_says_its_workspace():
    call = ConvolutionCall(SHAPES["padded 3x3"], 2, Pass.FORWARD)
    made = []

    def fresh(extents):
        made.append(extents)
        return np.ones(extents, dtype=np.float16 if len(extents) == 1 else np.float32)

    prepared = build_convolution(np, call, "gemm", fresh)
    assert made[1:] == list(operand_shapes(call))
    assert prepared.calls[0]().shape == (2, 5, 6, 7)
    assert prepared.workspace == workspace_of(call, "gemm", 2)


def test_what_array_code_has_not_is_refused_before_buffers_are_made():
    grouped = ConvolutionCall(shape(4, 4, (6, 6), (6, 6), (3, 3), groups=2), 1, Pass.FORWARD)
    plain = ConvolutionCall(SHAPES["padded 3x3"], 1, Pass.FORWARD)

    def one(extents):
        assert extents == (1,)
        return np.ones(extents, dtype=np.float16)

    with pytest.raises(UnsupportedCaseError, match="grouped"):
        build_convolution(np, grouped, "gemm", one)
    with pytest.raises(UnsupportedCaseError, match="fft_tiling is not written"):
        build_convolution(np, plain, "fft_tiling", one)
    with pytest.raises(UnsupportedCaseError, match="16-bit"):
        build_convolution(np, plain, "fft", one)
