"""Every kernel that is timed runs on a small case, and where its result can be had, is what its name says."""

from types import SimpleNamespace

import numpy as np
import pytest
from measured_rows import FACTS

from validation.microbenchmarks.arena import Arena, block_elements
from validation.microbenchmarks.arrays import kernels as array_kernels
from validation.microbenchmarks.arrays.backend import NumpyBackend
from validation.microbenchmarks.backend import Offer, UnsupportedCaseError, buffer_sets
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.families.attention import attention_cases
from validation.microbenchmarks.families.convolution import convolution_dims, thin_shape
from validation.microbenchmarks.families.matmul import PASSES
from validation.microbenchmarks.families.overheads import GRADIENT, GRADIENT_CALL, IN_A_ROW, ISOLATED, LAYER
from validation.microbenchmarks.families.recurrence import INPUTS
from validation.microbenchmarks.families.streaming import STREAMS
from validation.microbenchmarks.pytorch.kernels import BUILDERS as TORCH_BUILDERS
from validation.microbenchmarks.pytorch.kernels import IN_ONE_CALL
from validation.microbenchmarks.scope import Scope
from validation.microbenchmarks.suite import all_cases
from workloads.layers.recurrent import GATES
from workloads.operators import Pass

MANY = 64e6
"""[bytes] counted for a case, so that two sets of buffers are enough."""


def stream_case(kernel, index=0):
    stream = STREAMS[kernel][index]
    dims = {"elements": 4096}
    if stream.features:
        dims["features"] = stream.features
    if stream.window[0]:
        dims |= {"extent": stream.window[0], "stride": stream.window[1]}
    return Case(family="streaming", kernel=kernel, dims=dims, nbytes=MANY)


def product_case(kernel, **extra):
    dims = {"rows": 3, "outputs": 4, "inputs": 5, **extra}
    return Case(family="matmul", kernel=f"matmul/{kernel}", dims=dims, nbytes=MANY)


class Operands:
    """Makes operands of random numbers and keeps them."""

    def __init__(self):
        self.made, self._numbers = [], np.random.default_rng(0)

    def __call__(self, shape, *, written=False):  # noqa: ARG002 - all are kept
        self.made.append(self._numbers.standard_normal(shape).astype(np.float32))
        return self.made[-1]


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def layernorm(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


WRITTEN = {
    "elementwise/copy": lambda x: x,
    "elementwise/relu": lambda x: np.maximum(x, 0),
    "elementwise/relu gradient": lambda dy, y: dy * (y > 0),
    "elementwise/tanh": np.tanh,
    "elementwise/tanh gradient": lambda dy, y: dy * (1 - y**2),
    "elementwise/gelu": gelu,
    "elementwise/add": lambda a, b: a + b,
    "elementwise/bias": lambda x: x + 1,
    "elementwise/normalise": lambda x: x + 1,
    "normalization/layernorm": layernorm,
    "softmax/softmax": softmax,
    "softmax/softmax gradient": lambda dy, y: y * (dy - (dy * y).sum(-1, keepdims=True)),
}
"""What stands in the last operand after the call."""

RETURNED = {
    "reduction/bias gradient": lambda x, _out: x.sum(0),
    "reduction/statistics": lambda x, _out: (x.mean((0, 2, 3)), (x * x).mean((0, 2, 3))),
    "pooling/global pool": lambda x, _out: x.mean((2, 3)),
    "gather/lookup": lambda table: table[np.arange(8) * 7919 % 8192],
}


@pytest.mark.theory
@pytest.mark.parametrize("kernel", list(WRITTEN))
def test_numpy_writes_what_the_name_says(kernel):
    fresh = Operands()
    call = array_kernels.BUILDERS[kernel](np, stream_case(kernel), fresh)
    *sources, result = fresh.made
    wanted = WRITTEN[kernel](*(source.astype(np.float64) for source in sources))
    call()
    assert result == pytest.approx(wanted, rel=1e-4, abs=1e-5)


@pytest.mark.theory
@pytest.mark.parametrize("kernel", list(RETURNED))
def test_numpy_returns_what_the_name_says(kernel):
    fresh = Operands()
    call = array_kernels.BUILDERS[kernel](np, stream_case(kernel), fresh)
    wanted = RETURNED[kernel](*fresh.made)
    found = call()
    for one, other in zip(*(x if isinstance(x, tuple) else (x,) for x in (found, wanted)), strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)


@pytest.mark.theory
@pytest.mark.parametrize(("kernel", "combine"), [("max pool", np.max), ("average pool", np.sum)])
@pytest.mark.parametrize("index", [0, 1])
def test_numpy_pools_windows(kernel, combine, index):
    fresh = Operands()
    case = stream_case(f"pooling/{kernel}", index)
    found = array_kernels.BUILDERS[case.kernel](np, case, fresh)()
    extent, stride = case.dims["extent"], case.dims["stride"]
    (source,) = fresh.made
    windows = np.lib.stride_tricks.sliding_window_view(source, (extent, extent), axis=(2, 3))
    wanted = combine(windows[:, :, ::stride, ::stride], axis=(4, 5))
    assert found.shape[2:] == (16, 16)
    assert found == pytest.approx(wanted[:, :, :16, :16], rel=1e-4, abs=1e-5)


def test_numpy_combines_gradients_in_place_without_growing_them():
    fresh = Operands()
    call = array_kernels.BUILDERS["elementwise/gradient sum"](
        np, stream_case("elementwise/gradient sum"), fresh
    )
    first, second, *_ = fresh.made
    wanted = np.minimum(first, second)
    call()
    assert first == pytest.approx(wanted)


def test_every_array_kernel_is_compared():
    pools = {"pooling/max pool", "pooling/average pool", "elementwise/gradient sum"}
    assert set(array_kernels.BUILDERS) == {*WRITTEN, *RETURNED, *pools}
    assert set(array_kernels.BUILDERS) <= set(STREAMS)


@pytest.mark.theory
@pytest.mark.parametrize("name", PASSES)
def test_numpy_multiplies_the_matrices_of_a_pass(name):
    fresh = Operands()
    call = array_kernels.build_product(np, product_case(name), fresh)
    found = call()
    a, b = fresh.made
    formulas = {"input gradient": lambda: a @ b, "weight gradient": lambda: a.T @ b}
    wanted = formulas.get(name, lambda: a @ b.T)()
    shape = {"input gradient": (3, 5), "weight gradient": (4, 5)}.get(name, (3, 4))
    assert found.shape == shape
    assert found == pytest.approx(wanted, rel=1e-5)


CONVOLUTION = convolution_dims(thin_shape(4, 8, 6, 3), 2)


def other_cases():
    for which in Pass:
        yield Case(
            family="convolution",
            kernel=f"convolution/{which.value}",
            dims=CONVOLUTION,
            algorithm="gemm",
            nbytes=MANY,
        )
    yield product_case("scores", count=2)
    yield Case(family="copy", kernel="copy/device", dims={"bytes": 4096}, nbytes=MANY)
    yield Case(family="launch", kernel=ISOLATED, dims={"count": 1})
    yield Case(family="launch", kernel=IN_A_ROW, dims={"count": 5})
    for beside in (0, 1):
        dims = {"rows": 8, "outputs": 8, "inputs": 8, "copies": beside}
        yield Case(family="contention", kernel="contention/product", dims=dims)
        yield Case(family="contention", kernel="contention/add", dims={"elements": 64, "copies": beside})


@pytest.fixture(scope="module")
def numpy_backend():
    return NumpyBackend(1)


def run_calls(backend, case):
    prepared = backend.prepare(case)
    with prepared.background():
        for call in prepared.calls:
            call()
    return prepared


@pytest.mark.parametrize("case", list(other_cases()), ids=lambda case: case.key)
def test_numpy_runs_every_family(numpy_backend, case):
    prepared = run_calls(numpy_backend, case)
    assert prepared.per_call == (case.dims["count"] if case.family == "launch" else 1)
    assert (len(prepared.calls) == 1) is (case.family in {"launch", "contention"})


def test_numpy_refuses_what_it_has_no_code_for(numpy_backend):
    with pytest.raises(UnsupportedCaseError, match="elementwise/adam update is not written in array code"):
        numpy_backend.prepare(stream_case("elementwise/adam update"))


def test_operands_follow_one_another_and_large_ones_have_memory_of_their_own():
    arena = Arena(np.arange(1024.0), np.zeros)
    first, second = arena.take(100), arena.take(100)
    assert first[-1] < second[0]
    assert not arena.take(1000).any()
    for _ in range(20):
        assert len(arena.take(200)) == 200
    assert block_elements(2**26, 4) == 6 * 2**24
    assert block_elements(2**30, 4) == 6 * 96 * 2**18  # nobody has that much cache for himself


@pytest.mark.parametrize(("nbytes", "sets"), [(0.0, 64), (1e6, 64), (1e7, 10), (1e9, 2)])
def test_small_cases_rotate_more_buffers(nbytes, sets):
    assert buffer_sets(nbytes, 32e6) == sets


@pytest.fixture(scope="module")
def torch_backend():
    torch = pytest.importorskip("torch")
    from validation.microbenchmarks.pytorch.backend import TorchBackend

    return TorchBackend(torch, "cpu", torch.get_num_threads())


@pytest.mark.parametrize("kernel", list(TORCH_BUILDERS))
def test_torch_runs_every_kernel(torch_backend, kernel):
    for index in range(len(STREAMS[kernel])):
        assert len(run_calls(torch_backend, stream_case(kernel, index)).calls) >= 2


@pytest.mark.parametrize("name", PASSES)
def test_torch_multiplies_the_matrices_of_a_pass(torch_backend, name):
    (call, *_) = torch_backend.prepare(product_case(name)).calls
    wanted = {"input gradient": (3, 5), "weight gradient": (4, 5)}.get(name, (3, 4))
    assert tuple(call().shape) == wanted


@pytest.mark.parametrize("case", list(other_cases()), ids=lambda case: case.key)
def test_torch_runs_every_family(torch_backend, case):
    run_calls(torch_backend, case)


@pytest.mark.parametrize("kernel", [LAYER, GRADIENT, GRADIENT_CALL])
def test_torch_runs_a_chain_of_layers_and_its_gradients(torch_backend, kernel):
    case = Case(family="launch", kernel=kernel, dims={"count": 4})
    prepared = torch_backend.prepare(case)
    with prepared.background():
        result = prepared.calls[0]()
    if kernel != LAYER:
        assert float(result[0]) == 2.0**4  # of four layers that double
    assert prepared.per_call == 4


@pytest.mark.parametrize("which", list(Pass))
def test_both_algorithms_of_torch_compute_the_same(torch_backend, which):
    results = {}
    for algorithm in ("direct", "gemm"):
        torch_backend._arenas.clear()
        torch = pytest.importorskip("torch")
        torch.manual_seed(0)
        case = Case(
            family="convolution",
            kernel=f"convolution/{which.value}",
            dims=CONVOLUTION,
            algorithm=algorithm,
            nbytes=MANY,
        )
        prepared = torch_backend.prepare(case)
        with prepared.background():
            found = prepared.calls[0]()
        results[algorithm] = (
            next(part for part in found if part is not None) if isinstance(found, tuple) else found
        )
        patches = 4 * 2 * 4 * 9 * 36  # bytes, batch, channels, taps, pixels
        assert prepared.workspace == (patches if algorithm == "gemm" else 0)
    assert torch.allclose(results["direct"], results["gemm"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["lstm step product", "lstm step gradient", "gru step product", "gru step gradient"]
)
def test_torch_walks_over_a_recurrent_layer_and_back(torch_backend, name):
    dims = {"steps": 4, "batch": 2, "hidden": 8}
    prepared = torch_backend.prepare(Case(family="recurrence", kernel=f"matmul/{name}", dims=dims))
    assert prepared.per_call == (3 if "gradient" in name else 4)
    found = prepared.calls[0]()
    wanted = [(2, 4, INPUTS), (8 * GATES[name[:4].strip()], INPUTS)] if "gradient" in name else [(4, 8)]
    assert [tuple(each.shape) for each in found][: len(wanted)] == wanted


def test_a_walk_over_many_inputs_is_one_call_of_their_products(torch_backend):
    dims = {"steps": 4, "batch": 2, "hidden": 8, "inputs": 16}
    prepared = torch_backend.prepare(
        Case(family="recurrence", kernel="matmul/lstm input gradient", dims=dims)
    )
    assert prepared.per_call == 1
    assert [tuple(each.shape) for each in prepared.calls[0]()][:2] == [(2, 4, 16), (32, 16)]


def test_torch_attention_runs_in_both_passes(torch_backend):
    scope = SimpleNamespace(offer=Offer(dtypes=("fp32",), algorithms=(), attention=True), flops=2e8)
    cases = list(attention_cases(scope))
    assert {case.kernel for case in cases} == {"attention/forward", "attention/input_gradient"}
    for case in cases[:4]:
        run_calls(torch_backend, case)


def test_kernels_in_one_call_are_kernels_of_torch():
    assert IN_ONE_CALL - {"attention/input_gradient"} <= set(TORCH_BUILDERS) <= set(STREAMS)


def test_cases_have_keys_of_their_own(torch_backend):
    for quick in (True, False):
        cases = all_cases(Scope(quick=quick, facts=FACTS, offer=torch_backend.offer()))
        assert len({case.key for case in cases}) == len(cases)
        assert {case.family for case in cases} > {"matmul", "convolution", "streaming", "attention"}


def test_numbers_stay_small_over_many_cases(numpy_backend, monkeypatch):
    block = np.random.default_rng(0).random(65536, dtype=np.float32)
    monkeypatch.setattr(numpy_backend, "_operands", Arena(block, np.zeros))
    monkeypatch.setattr(numpy_backend, "_results", Arena(np.zeros_like(block), np.zeros))
    with np.errstate(all="raise", under="ignore"):
        for _ in range(20):
            for kernel in array_kernels.BUILDERS:
                for call in numpy_backend.prepare(stream_case(kernel)).calls:
                    call()
    assert np.abs(block).max() <= 1
