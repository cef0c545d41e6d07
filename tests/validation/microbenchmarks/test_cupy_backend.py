"""The CuPy backend on a stand-in for CuPy; on a GPU, on CuPy itself."""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
from fake_cupy import CUDARuntimeError, build_fake_cupy

from simdl.kernels.kernel import ConvolutionCall
from validation.micro_batching.cudnn_runner import load_cupy_runner
from validation.microbenchmarks.arrays.convolutions import ALGORITHMS, convolve, operand_shapes
from validation.microbenchmarks.arrays.kernels import BUILDERS
from validation.microbenchmarks.backend import OutOfMemoryError, UnsupportedCaseError
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.families.convolution import convolution_dims
from validation.microbenchmarks.nvidia.cupy_backend import CupyBackend, cuda_version
from validation.microbenchmarks.nvidia.cupy_timer import LEAST, MARGIN, CupyEventTimer
from validation.microbenchmarks.scope import Scope
from validation.microbenchmarks.suite import all_cases
from validation.microbenchmarks.timing import HostTimer, sample
from workloads.operators import ConvolutionShape, Pass

SHAPE = ConvolutionShape(
    in_channels=3, out_channels=4, in_height=8, in_width=8, out_height=8, out_width=8,
    kernel_height=3, kernel_width=3,
)  # fmt: skip


def build_backend(*, cudnn=lambda _cupy: None, **options):
    return CupyBackend(build_fake_cupy(**options), 0, cudnn)


@pytest.fixture
def backend():
    return build_backend()


def product(dtype="fp32", **dims):
    extents = {"rows": 8, "outputs": 16, "inputs": 32, **dims}
    return Case(family="matmul", kernel="matmul/product", dims=extents, dtype=dtype, nbytes=1e6)


def copy_case(kernel, **dims):
    return Case(family="copy", kernel=f"copy/{kernel}", dims={"bytes": 4096, **dims}, nbytes=4096.0)


def convolution(which, algorithm="gemm"):
    return Case(
        family="convolution",
        kernel=f"convolution/{which.value}",
        dims=convolution_dims(SHAPE, 2),
        algorithm=algorithm,
        nbytes=1e6,
    )


def test_facts_are_the_runtimes(backend):
    facts = backend.facts()
    assert (facts.name, facts.kind, facts.registered) == ("NVIDIA H100 80GB HBM3", "cuda", "h100-sxm-80gb")
    assert (facts.memory, facts.cache, facts.multiprocessors) == (85_899_345_920.0, 2.0**20, 132)
    assert "CUDA 13.0" in facts.driver
    assert backend.software()["cupy"] == "14.2.0"
    assert backend.software()["cuda"] == "13.2"
    assert cuda_version(12040) == "12.4"


@pytest.mark.parametrize(
    ("capability", "dtypes"), [("70", {"fp32", "fp16"}), ("90", {"fp32", "tf32", "fp16"})]
)
def test_dtypes_are_those_of_the_matrix_units(capability, dtypes):
    assert set(build_backend(capability=capability).offer().dtypes) - {"bf16"} == dtypes


def test_bf16_is_offered_where_a_product_of_it_comes_out():
    """The stand-in multiplies as NumPy does, whose products of ``ml_dtypes`` widen in some versions."""
    comes_out = False
    if find_spec("ml_dtypes") is not None:
        square = np.ones((2, 2), dtype=import_module("ml_dtypes").bfloat16)
        comes_out = (square @ square).dtype == square.dtype
    assert ("bf16" in build_backend().offer().dtypes) is comes_out


def test_without_cudnn_algorithms_are_those_of_array_code(backend):
    assert backend.offer().algorithms == ALGORITHMS
    assert backend.offer().kernels == frozenset(BUILDERS)
    assert not backend.offer().attention


def test_every_kind_of_case_that_is_offered_runs(backend):
    scope = Scope(quick=True, facts=backend.facts(), offer=backend.offer())
    smallest = {}
    for case in sorted(all_cases(scope), key=lambda case: case.flops):
        kind = case.family, case.kernel, case.algorithm, case.dims.get("copies")
        if case.family != "power":
            smallest.setdefault(kind, case)
    for case in smallest.values():
        try:
            prepared = backend.prepare(case)
        except UnsupportedCaseError:
            assert case.family == "convolution"
            continue
        with prepared.background(), np.errstate(over="ignore"):  # the launch case doubles one number
            prepared.calls[0]()
    assert {family for family, *_ in smallest} >= {"launch", "streaming", "matmul", "convolution", "copy"}


@pytest.mark.parametrize("which", Pass)
def test_convolutions_come_from_the_shared_code(backend, which):
    prepared = backend.prepare(convolution(which))
    assert prepared.workspace > 0
    assert len(prepared.calls) > 1
    assert prepared.calls[0]().dtype == np.float32


def test_tf32_is_switched_on_for_its_cases_only(backend):
    cupy = backend._cupy
    for dtype, expected in (("tf32", 7), ("fp32", 1)):
        prepared = backend.prepare(product(dtype))
        with prepared.background():
            assert cupy.linalg.get_compute_type(np.float32) == expected
        assert cupy.linalg.get_compute_type(np.float32) == 1
    modes = [note[1] for note in cupy.notes if note[0] == "math"]
    assert modes == [3, 0, 3, 0]  # while buffers are made, and while calls are timed


def test_16_bit_products_have_16_bit_operands(backend):
    assert backend.prepare(product("fp16")).calls[0]().dtype == np.float16


def test_host_copies_use_pinned_memory_and_a_stream_of_their_own(backend):
    for kernel, kind in (("host to device", 1), ("device to host", 2)):
        prepared = backend.prepare(copy_case(kernel))
        prepared.calls[0]()
        assert backend._cupy.notes[-1] == ("copy", kind, 4096)
        assert prepared.timer._stream.non_blocking


def test_peer_copies_need_a_second_gpu(backend):
    with pytest.raises(UnsupportedCaseError, match="no GPU 1 beside 0"):
        backend.prepare(copy_case("peer", peer=1))
    two = build_backend(devices=2)
    two.prepare(copy_case("peer", peer=1)).calls[0]()
    assert ("enable", 1) in two._cupy.notes
    assert two._cupy.notes[-1] == ("peer", 0, 1, 4096)


def collective(operation, ranks=2):
    dims = {"bytes": 64, "ranks": ranks}
    return Case(family="collective", kernel=f"collective/{operation}", dims=dims, nbytes=64.0)


def test_collectives_run_over_all_gpus():
    backend = build_backend(devices=4)
    prepared = backend.prepare(collective("all_reduce", ranks=4))
    members = prepared.calls[0]()
    assert all((member.received == 4.0).all() for member in members)
    assert isinstance(prepared.timer, HostTimer)


def test_a_message_goes_there_and_back():
    prepared = build_backend(devices=2).prepare(collective("point_to_point"))
    assert prepared.per_call == 2
    assert all((member.received == 1.0).all() for member in prepared.calls[0]())


def test_collectives_need_gpus_and_nccl():
    with pytest.raises(UnsupportedCaseError, match="2 ranks need as many GPUs; found 1"):
        build_backend().prepare(collective("all_reduce"))
    with pytest.raises(UnsupportedCaseError, match="all_to_all is not measured"):
        build_backend(devices=2).prepare(collective("all_to_all"))
    two = build_backend(devices=2)
    import_module("fake_cupy.cuda.nccl").available = False
    with pytest.raises(UnsupportedCaseError, match="no NCCL"):
        two.prepare(collective("all_reduce"))


def test_copies_beside_go_on_while_computation_is_timed(backend):
    case = Case(family="contention", kernel="contention/add", dims={"elements": 1024, "copies": 1})
    prepared = backend.prepare(case)
    before = len([note for note in backend._cupy.notes if note[0] == "copy"])
    with prepared.background():
        prepared.calls[0]()
    assert len([note for note in backend._cupy.notes if note[0] == "copy"]) >= before + 2


def test_failing_copies_beside_are_told(backend):
    def fail(*_):
        raise CUDARuntimeError("cudaErrorUnknown")

    backend._cupy.cuda.runtime.memcpyAsync = fail
    case = Case(family="contention", kernel="contention/add", dims={"elements": 1024, "copies": 1})
    with pytest.raises(UnsupportedCaseError, match="cudaErrorUnknown"), backend.prepare(case).background():
        pass


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (MemoryError("out of memory allocating 5 bytes"), OutOfMemoryError),
        (CUDARuntimeError("cudaErrorMemoryAllocation: out of memory"), OutOfMemoryError),
        (CUDARuntimeError("cudaErrorIllegalAddress"), CUDARuntimeError),
    ],
)
def test_lack_of_memory_is_told_apart(backend, monkeypatch, raised, expected):
    def tile(*_):
        raise raised

    monkeypatch.setattr(backend._cupy, "tile", tile)
    with pytest.raises(expected):
        backend.prepare(product())


def test_memory_goes_back_once_much_of_it_is_kept(backend):
    backend.release()
    assert "freed" not in backend._cupy.notes
    backend._cupy.kept = 4e10
    backend.release()
    assert backend._cupy.notes[-2:] == ["freed", "freed"]


def test_what_cupy_has_not_is_told_before_it_is_timed(backend, monkeypatch):
    monkeypatch.delattr(backend._cupy, "tanh")
    case = Case(family="streaming", kernel="elementwise/tanh", dims={"elements": 64}, nbytes=512.0)
    with pytest.raises(UnsupportedCaseError, match=r"CuPy: AttributeError: .*tanh"):
        backend.prepare(case)


def test_cases_are_sampled_on_events(backend):
    timing = sample(backend.prepare(product()).calls, backend.timer(), 0.001)
    assert timing.quiet > 0
    assert any(note[0] == "hold" for note in backend._cupy.notes)


def test_the_wait_grows_until_the_host_is_ahead():
    cupy = build_fake_cupy()
    timer = CupyEventTimer(cupy)
    now = iter([0.0, 1e-3, 1e-3, 2e-3])  # begun and enqueued, twice: a millisecond each

    class Clock:
        perf_counter = staticmethod(lambda: next(now))

    timer.seconds.__globals__["time"], kept = Clock, timer.seconds.__globals__["time"]
    try:
        timer.seconds([lambda: None])
    finally:
        timer.seconds.__globals__["time"] = kept
    waits = [note[1] for note in cupy.notes if note[0] == "hold"]
    assert waits == [round(MARGIN * LEAST * 1e9), round(MARGIN * 1e-3 * 1e9)]


@pytest.mark.gpu
class TestOnGpu:
    @pytest.fixture
    def real(self):
        cupy = pytest.importorskip("cupy")
        if not cupy.cuda.is_available():
            pytest.skip("CuPy reaches no NVIDIA GPU")
        return CupyBackend(cupy, 0)

    @pytest.mark.parametrize("which", Pass)
    def test_every_algorithm_gives_the_result_of_array_code(self, real, which):
        runner, call = load_cupy_runner(real), ConvolutionCall(SHAPE, 4, which)
        numbers = np.random.default_rng(0)
        operands = [numbers.standard_normal(e).astype(np.float32) for e in operand_shapes(call)]
        ran = []
        for algorithm in runner.algorithms:
            try:
                found = runner.fetch(runner.run(call, algorithm, *map(runner.place, operands)))
            except UnsupportedCaseError:
                continue
            np.testing.assert_allclose(found, convolve(np, call, "gemm", *operands), rtol=1e-3, atol=1e-3)
            ran.append(algorithm)
        assert "implicit_gemm" in ran

    def test_times_are_those_of_the_device(self, real):
        small, large = (
            sample(real.prepare(product(rows=size, outputs=size, inputs=size)).calls, real.timer(), 0.05)
            for size in (1024, 4096)
        )
        assert 8 < large.median / small.median < 200
