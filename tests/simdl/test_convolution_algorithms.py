"""cuDNN's enumerated algorithms: where each applies, and how time and workspace follow the batch."""

import tomllib
from dataclasses import fields, replace
from importlib.resources import files

import pytest
from test_cost_model import device
from test_cost_model_convolution import call

from simdl.kernels.costs.convolution import REDUCTIONS, convolution_times
from simdl.kernels.cudnn import (
    LAYOUTS,
    CudnnAlgorithm,
    cudnn_algorithms,
    find_algorithm,
    is_deterministic,
    refusals,
)
from workloads.operators import Pass

FORWARD = (
    "implicit_gemm",
    "implicit_precomp_gemm",
    "gemm",
    "direct",
    "fft",
    "fft_tiling",
    "winograd",
    "winograd_nonfused",
)
DATA = ("algo_0", "algo_1", "fft", "fft_tiling", "winograd", "winograd_nonfused")
FILTER = ("algo_0", "algo_1", "fft", "algo_3", "winograd", "winograd_nonfused", "fft_tiling")
ENUMERATED = {Pass.FORWARD: FORWARD, Pass.INPUT_GRADIENT: DATA, Pass.WEIGHT_GRADIENT: FILTER}
NEVER = {(Pass.FORWARD, "direct"), (Pass.WEIGHT_GRADIENT, "winograd")}
DEVICE = device(convolution=dict.fromkeys(REDUCTIONS, 0.8), generation="ampere")
WITHOUT_WORKSPACE = {"implicit_gemm", "algo_0"}
FIXED = {"winograd"}
"""Workspace holds filters only."""


def offered(request, dtype="fp32"):
    return {cost.algorithm: cost for cost in convolution_times(request, DEVICE, dtype)}


def runs(which):
    """What runs on square maps."""
    one_row = {"fft_tiling"} if which is Pass.WEIGHT_GRADIENT else set()
    return {name for name in ENUMERATED[which] if (which, name) not in NEVER} - one_row


@pytest.mark.published
@pytest.mark.parametrize("which", Pass)
def test_the_list_is_the_enumeration_in_its_order(which):
    """NVIDIA, cuDNN API reference 8.9: cudnnConvolution{Fwd,BwdData,BwdFilter}Algo_t."""
    listed = cudnn_algorithms(which)
    assert [each.number for each in listed] == list(range(len(ENUMERATED[which])))
    assert tuple(each.name for each in listed) == ENUMERATED[which]
    assert {each.reduction for each in listed} <= set(REDUCTIONS)


@pytest.mark.published
def test_a_version_offers_what_it_has():
    """TensorFlow 1.3, cuda_dnn.cc: Winograd from cuDNN 5.0 on, that which is not fused from 5.1 on."""
    request = call()
    names = {
        version: {
            cost.algorithm for cost in convolution_times(replace(request, library=version), DEVICE, "fp32")
        }
        for version in ("4.0", "5.0", "5.1", "7.6.2", "")
    }
    assert names["5.0"] - names["4.0"] == {"winograd"}
    assert names["5.1"] - names["5.0"] == {"winograd_nonfused"}
    assert names["5.1"] == names["7.6.2"] == names[""]


@pytest.mark.published
def test_atomic_sums_are_not_deterministic():
    """NVIDIA, cuDNN API reference 8.9: data algorithm 0 and filter algorithms 0 and 3 add atomically."""
    random = {(each.which, each.name) for each in cudnn_algorithms() if not each.deterministic}
    filters = Pass.WEIGHT_GRADIENT
    assert random == {(Pass.INPUT_GRADIENT, "algo_0"), (filters, "algo_0"), (filters, "algo_3")}
    assert not is_deterministic(Pass.INPUT_GRADIENT, "implicit_gemm")  # its name in older tables
    assert is_deterministic(Pass.FORWARD, "implicit_gemm")
    assert is_deterministic(filters, "grouped_direct")


@pytest.mark.published
def test_tensor_cores_run_one_product_and_one_winograd_in_each_pass():
    """NVIDIA, cuDNN developer guide, legacy API, tensor core operations: supported algorithms."""
    found = {(each.which, each.name) for each in cudnn_algorithms() if each.tensor_cores}
    products = {Pass.FORWARD: "implicit_precomp_gemm"}
    assert found == {
        (which, name) for which in Pass for name in (products.get(which, "algo_1"), "winograd_nonfused")
    }


def test_a_workspace_is_documented_where_there_is_none_and_assumed_elsewhere():
    for each in cudnn_algorithms():
        assert each.workspace_known in {"documented", "assumed"}
        assert not each.implemented or (each.workspace == "none") == (each.workspace_known == "documented")


@pytest.mark.parametrize("which", Pass)
def test_each_has_a_time_and_a_workspace_that_follow_the_batch(which):
    small, large = offered(call(batch=16, which=which)), offered(call(batch=256, which=which))
    assert set(large) == runs(which)
    for name in large:
        assert small[name].time < large[name].time
        if name in WITHOUT_WORKSPACE:
            assert small[name].workspace == large[name].workspace == 0
        elif name in FIXED:
            assert 0 < small[name].workspace == large[name].workspace
        else:
            assert 0 < small[name].workspace < large[name].workspace


@pytest.mark.published
def test_fused_winograd_stores_the_transformed_filters():
    """ResNet-50's res2a_branch2b takes 256 KiB (LBANN, pull request 437: workspace_compression_ps.csv)."""
    request = call(channels=64, filters=64, size=56, batch=256)
    assert offered(request)["winograd"].workspace == 256 * 2**10


@pytest.mark.parametrize("which", Pass)
@pytest.mark.parametrize(
    ("request_", "absent"),
    [
        (call(stride=2), {"fft", "fft_tiling", "winograd", "winograd_nonfused"}),
        (call(groups=2), {"fft", "fft_tiling", "winograd", "winograd_nonfused"}),
        (call(taps=7), {"winograd", "winograd_nonfused"}),
        (call(taps=5), {"winograd"}),
        (call(taps=33, size=64), {"fft_tiling", "winograd", "winograd_nonfused"}),
        (call(size=256), {"fft"}),
    ],
)
def test_cudnn_refuses(request_, absent, which):
    request = replace(request_, which=which)
    grouped = {"grouped_direct"} if request.shape.groups > 1 else set()
    assert set(offered(request)) == (runs(which) - absent) | grouped


def test_tiles_of_the_filter_gradient_need_maps_of_one_row():
    square = call(which=Pass.WEIGHT_GRADIENT)
    row = replace(square, shape=replace(square.shape, in_height=1, out_height=1, kernel_height=1))
    assert "fft_tiling" not in offered(square)
    assert "fft_tiling" in offered(row)


def test_a_spectrum_needs_padding_smaller_than_the_filter():
    def padded(outputs):
        shape = call(channels=8, filters=8, size=16, taps=1, batch=4).shape
        wider = replace(shape, out_height=outputs, out_width=outputs)
        return set(offered(replace(call(batch=4), shape=wider)))

    assert {"fft", "fft_tiling"} <= padded(16)
    assert not {"fft", "fft_tiling"} & padded(18)


def reasons(which, name, request, dtype="fp32", **conditions):
    return refusals(find_algorithm(which, name), request.shape, dtype, **conditions)


def test_reasons_are_told():
    volume = replace(call().shape, in_depth=4, out_depth=4, kernel_depth=3)
    assert reasons(Pass.FORWARD, "direct", call()) == ("not implemented in any version",)
    assert reasons(Pass.FORWARD, "fft", call(), layout="NHWC") == ("tensors in NHWC",)
    assert reasons(Pass.FORWARD, "winograd", call(), "bf16") == ("arithmetic in bf16",)
    assert reasons(Pass.FORWARD, "gemm", call(), dilation=2) == ("filters with holes",)
    assert reasons(Pass.FORWARD, "implicit_gemm", call(), dilation=2) == ()
    assert reasons(Pass.FORWARD, "fft", replace(call(), shape=volume)) == ("volumes",)
    assert reasons(Pass.FORWARD, "fft_tiling", replace(call(), shape=volume)) == ()


@pytest.mark.parametrize("which", Pass)
def test_some_deterministic_algorithm_takes_every_shape_in_either_layout(which):
    dense = [each for each in cudnn_algorithms(which) if each.deterministic]
    for layout in LAYOUTS:
        for request in (call(stride=2), call(taps=11, stride=4, size=224), call(groups=2)):
            assert any(not refusals(each, request.shape, "fp16", layout=layout) for each in dense)


def test_each_condition_names_its_evidence_or_is_marked_assumed():
    text = files("simdl.kernels").joinpath("cudnn_algorithms.toml").read_text(encoding="utf-8")
    sources = set(tomllib.loads(text)["sources"])
    keys = {field.name for field in fields(CudnnAlgorithm)}
    for each in cudnn_algorithms():
        assert each.evidence
        assert set(each.evidence) <= sources
        assert set(each.assumed) <= keys
        assert all(getattr(each, key) for key in each.assumed)
        backward = each.which is not Pass.FORWARD
        sizes = {
            key for key in ("unit_stride", "below_filter", "filters", "largest_map") if getattr(each, key)
        }
        assert sizes <= set(each.assumed) if backward else "theano" in each.evidence or not each.implemented


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("fft", {"size": 254, "taps": 3}, {"size": 255, "taps": 3}),
        ("fft_tiling", {"size": 64, "taps": 31}, {"size": 64, "taps": 33}),
        ("winograd", {"taps": 3}, {"taps": 5}),
        ("winograd_nonfused", {"taps": 5}, {"taps": 7}),
        ("winograd_nonfused", {"taps": 3}, {"taps": 3, "stride": 2}),
        ("fft", {"taps": 5}, {"taps": 5, "stride": 2}),
    ],
)
def test_the_forward_pass_is_conditioned_as_the_user_guide_has_it(name, taken, refused):
    """cuDNN user guide 5.1, as copied in Theano's gpuarray/tests/check_dnn_doc.py, check_fwd_algorithm."""
    assert reasons(Pass.FORWARD, name, call(**taken)) == ()
    assert reasons(Pass.FORWARD, name, call(**refused))
