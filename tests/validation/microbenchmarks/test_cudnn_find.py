"""cuDNN's legacy functions through ctypes, against a stand-in library on host memory that gcc builds."""

import ctypes
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from simdl.kernels.kernel import ConvolutionCall
from validation.microbenchmarks.arrays.convolutions import convolve, operand_shapes
from validation.microbenchmarks.backend import OutOfMemoryError, UnsupportedCaseError
from validation.microbenchmarks.nvidia.cudnn_algorithms import ALGORITHMS, NAMES, read_rows
from validation.microbenchmarks.nvidia.cudnn_find import CudnnConvolutions
from validation.microbenchmarks.nvidia.cudnn_library import CudnnLibrary, Performance, load_cudnn
from workloads.operators import ConvolutionShape, Pass

SHAPE = ConvolutionShape(
    in_channels=3, out_channels=4, in_height=9, in_width=8, out_height=5, out_width=4,
    kernel_height=3, kernel_width=3, stride_height=2, stride_width=2,
)  # fmt: skip
GROUPED = ConvolutionShape(
    in_channels=4, out_channels=6, in_height=5, in_width=5, out_height=5, out_width=5,
    kernel_height=3, kernel_width=3, groups=2,
)  # fmt: skip


class Memory:
    """Device memory that is host memory."""

    def __init__(self, nbytes):
        self._bytes = ctypes.create_string_buffer(max(nbytes, 1))
        self.ptr = ctypes.addressof(self._bytes)


class Placed:
    """An array with an address, as CuPy's have."""

    def __init__(self, array):
        self.array = np.ascontiguousarray(array)
        self.data = SimpleNamespace(ptr=self.array.ctypes.data)


class Allocator:
    def __init__(self, most):
        self.most, self.asked = most, []

    def __call__(self, nbytes):
        self.asked.append(nbytes)
        if nbytes > self.most:
            raise MemoryError(f"{nbytes} bytes")
        return Memory(nbytes)


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler builds the stand-in for libcudnn")
    built = tmp_path_factory.mktemp("stub") / "libcudnn.so.9"
    source = Path(__file__).with_name("cudnn_stub.c")
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", built, source]
    subprocess.run(command, check=True)  # noqa: S603 - the compiler found above
    return str(built)


@pytest.fixture
def failing_search(stub):
    flag = ctypes.c_int.in_dll(ctypes.CDLL(stub), "stub_search_fails")
    flag.value = 1
    yield
    flag.value = 0


@pytest.fixture
def cudnn(stub):
    return CudnnConvolutions(load_cudnn([stub]), Allocator(1 << 20), lambda: 2.0**21)


def fresh(seed=0):
    numbers = np.random.default_rng(seed)
    made = []

    def place(extents):
        made.append(Placed(numbers.standard_normal(extents).astype(np.float32)))
        return made[-1]

    return place, made


@pytest.mark.theory
@pytest.mark.parametrize("which", Pass)
def test_a_pass_is_computed_from_the_right_operands(cudnn, which):
    call = ConvolutionCall(SHAPE, 2, which)
    place, made = fresh()
    prepared = cudnn.prepare(call, NAMES[which][1], "fp32", place)
    found = prepared.calls[0]()
    expected = convolve(np, call, "gemm", made[0].array, made[1].array)
    np.testing.assert_allclose(found.array, expected, rtol=1e-4, atol=1e-4)
    assert prepared.workspace == 1024.0
    assert [placed.array.shape for placed in made[:2]] == list(operand_shapes(call))


@pytest.mark.parametrize("which", Pass)
def test_groups_have_filters_of_their_own_channels(cudnn, which):
    call = ConvolutionCall(GROUPED, 2, which)
    place, made = fresh()
    found = cudnn.prepare(call, NAMES[which][0], "fp32", place).calls[0]().array
    halves = []
    for group in range(2):
        inner, outer = slice(2 * group, 2 * group + 2), slice(3 * group, 3 * group + 3)
        cut = {
            Pass.FORWARD: ((slice(None), inner), (outer,)),
            Pass.INPUT_GRADIENT: ((outer,), (slice(None), outer)),
            Pass.WEIGHT_GRADIENT: ((slice(None), inner), (slice(None), outer)),
        }[which]
        half = ConvolutionShape(
            in_channels=2, out_channels=3, in_height=5, in_width=5, out_height=5, out_width=5,
            kernel_height=3, kernel_width=3,
        )  # fmt: skip
        operands = (made[0].array[cut[0]], made[1].array[cut[1]])
        halves.append(convolve(np, ConvolutionCall(half, 2, which), "gemm", *operands))
    axis = 0 if which is Pass.WEIGHT_GRADIENT else 1
    np.testing.assert_allclose(found, np.concatenate(halves, axis=axis), rtol=1e-4, atol=1e-4)


def test_what_the_search_refuses_is_refused_with_its_reason(cudnn):
    call = ConvolutionCall(SHAPE, 2, Pass.FORWARD)
    with pytest.raises(UnsupportedCaseError, match="cuDNN: gemm: not supported"):
        cudnn.prepare(call, "gemm", "fp32", fresh()[0])
    with pytest.raises(OutOfMemoryError, match=r"fft_tiling: .*allocation failed"):
        cudnn.prepare(call, "fft_tiling", "fp32", fresh()[0])
    with pytest.raises(UnsupportedCaseError, match="winograd: not among those that were tried"):
        cudnn.prepare(call, "winograd", "fp32", fresh()[0])
    with pytest.raises(UnsupportedCaseError, match="cuDNN has no direct for forward"):
        cudnn.prepare(call, "direct", "fp32", fresh()[0])
    with pytest.raises(UnsupportedCaseError, match="cuDNN has no gemm for input_gradient"):
        cudnn.prepare(ConvolutionCall(SHAPE, 2, Pass.INPUT_GRADIENT), "gemm", "fp32", fresh()[0])


def test_one_search_serves_every_algorithm_of_a_shape(stub):
    allocate = Allocator(1 << 20)
    cudnn = CudnnConvolutions(load_cudnn([stub]), allocate, lambda: 2.0**21)
    call = ConvolutionCall(SHAPE, 2, Pass.FORWARD)
    for name in ("implicit_gemm", "implicit_precomp_gemm", "implicit_gemm"):
        cudnn.prepare(call, name, "fp32", fresh()[0])
    assert allocate.asked == [1 << 20, 1024]


def test_a_search_makes_do_with_the_memory_there_is(stub):
    allocate = Allocator(1 << 19)
    cudnn = CudnnConvolutions(load_cudnn([stub]), allocate, lambda: 2.0**21)
    cudnn.prepare(ConvolutionCall(SHAPE, 2, Pass.FORWARD), "implicit_gemm", "fp32", fresh()[0])
    assert allocate.asked == [1 << 20, 1 << 19]


def test_fp32_keeps_off_matrix_units_and_others_take_what_is_fastest(cudnn):
    call = ConvolutionCall(SHAPE, 2, Pass.FORWARD)
    assert cudnn.prepare(call, "implicit_gemm", "fp32", fresh()[0]).workspace == 0.0
    assert cudnn.prepare(call, "implicit_gemm", "tf32", fresh()[0]).workspace == 4096.0


@pytest.mark.usefixtures("failing_search")
def test_without_a_search_workspaces_are_asked_for_one_by_one(cudnn):
    call = ConvolutionCall(SHAPE, 2, Pass.WEIGHT_GRADIENT)
    place, made = fresh()
    found = cudnn.prepare(call, "algo_1", "fp32", place).calls[0]().array
    expected = convolve(np, call, "gemm", made[0].array, made[1].array)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(UnsupportedCaseError, match=r"fft: .*not supported"):
        cudnn.prepare(call, "fft", "fp32", fresh()[0])
    with pytest.raises(OutOfMemoryError, match="workspace of"):
        cudnn.prepare(call, "winograd_nonfused", "fp32", fresh()[0])


def test_the_library_is_found_and_names_its_version(stub, tmp_path):
    assert load_cudnn([stub]).version == "9.10.2"
    assert load_cudnn([str(tmp_path / "nowhere.so")]) is None
    assert load_cudnn([]) is None


def test_versions_before_nine_are_counted_differently():
    old = Mock(cudnnGetVersion=Mock(return_value=8904))
    assert CudnnLibrary(old).version == "8.9.4"


@pytest.mark.theory
def test_a_row_of_a_search_is_laid_out_as_in_c():
    assert ctypes.sizeof(Performance) == 48
    offsets = [getattr(Performance, name).offset for name in ("algo", "status", "time", "memory", "mathType")]
    assert offsets == [0, 4, 8, 16, 28]


def test_names_cover_every_pass_and_leave_out_what_never_ran():
    assert "direct" not in ALGORITHMS
    for which in Pass:
        assert list(NAMES[which]) == list(range(len(NAMES[which])))
        assert len(set(NAMES[which].values())) == len(NAMES[which])


def test_rows_of_unknown_algorithms_are_left_alone(stub):
    row = Performance(algo=99, status=0, time=1.0, memory=0, mathType=0)
    found = read_rows(load_cudnn([stub]), Pass.FORWARD, "fp32", [row])
    assert all(algorithm.refused for algorithm in found.values())
