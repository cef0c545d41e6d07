"""cuDNN's graph API on a stand-in for its frontend that computes what the graph says."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from fake_cupy import build_fake_cupy

from simdl.kernels.kernel import ConvolutionCall
from validation.microbenchmarks.arrays.convolutions import convolve, result_shape
from validation.microbenchmarks.backend import OutOfMemoryError, UnsupportedCaseError
from validation.microbenchmarks.nvidia.cudnn_frontend_plans import FrontendConvolutions, packed_strides
from validation.microbenchmarks.nvidia.cupy_backend import CupyBackend
from validation.microbenchmarks.timing import Timer
from workloads.operators import ConvolutionShape, Pass

SHAPE = ConvolutionShape(
    in_channels=3, out_channels=4, in_height=9, in_width=8, out_height=5, out_width=4,
    kernel_height=3, kernel_width=3, stride_height=2, stride_width=2,
)  # fmt: skip
SPACES = (4096, 0, 64, 1 << 40)
"""Workspace of each plan; the third fails, the last does not fit."""


STEPS = ("validate", "build_operation_graph", "create_execution_plans", "check_support", "build_plans")


class NotSupportedError(Exception):
    pass


class Tensor:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def __getattr__(self, name):
        if not name.startswith("set_"):
            raise AttributeError(name)

        def keep(value):
            self.__dict__[name.removeprefix("set_")] = value
            return self

        return keep


class Graph:
    """One convolution; plan 0 is slow, plan 1 fast."""

    refused = False

    def __init__(self, **options):
        self.options, self.steps, self.made = options, [], None

    def tensor(self, **attributes):
        return Tensor(**attributes)

    def conv_fprop(self, *, image, weight, **options):
        return self._make(Pass.FORWARD, image, weight, options)

    def conv_dgrad(self, *, loss, filter, **options):  # noqa: A002 - the frontend's name
        return self._make(Pass.INPUT_GRADIENT, filter, loss, options)

    def conv_wgrad(self, *, image, loss, **options):
        return self._make(Pass.WEIGHT_GRADIENT, image, loss, options)

    def _make(self, which, first, second, options):
        assert options == {"padding": [1, 1], "stride": [2, 2], "dilation": [1, 1]}
        self.made = which, first, second, Tensor()
        return self.made[3]

    def __getattr__(self, name):
        if name in {
            "validate",
            "build_operation_graph",
            "create_execution_plans",
            "check_support",
            "build_plans",
        }:
            if self.refused and name == "check_support":
                raise NotSupportedError("No valid engine\nmore")
            return lambda *_: self.steps.append(name)
        raise AttributeError(name)

    def get_execution_plan_count(self):
        assert self.steps[-1] == "build_plans"
        return len(SPACES)

    def get_workspace_size_plan_at_index(self, index):
        return SPACES[index]

    def get_plan_name_at_index(self, index):
        return f"eng{index}_k2=1"

    def execute_plan_at_index(self, pack, workspace, index, *, handle):
        assert handle == "handle"
        assert workspace.size >= SPACES[index]
        if index == 2:
            raise RuntimeError("launch failed")
        which, first, second, result = self.made
        assert tuple(result.dim) == pack[result].shape
        call = ConvolutionCall(SHAPE, 2, which)
        pack[result][...] = convolve(np, call, "gemm", pack[first], pack[second])
        Graph.ran = index


def module(*, refused=False):
    graph = type("Refused", (Graph,), {"refused": True}) if refused else Graph
    return SimpleNamespace(
        data_type=SimpleNamespace(FLOAT="float", HALF="half", BFLOAT16="bfloat16"),
        heur_mode=SimpleNamespace(A="a", FALLBACK="fallback"),
        build_plan_policy=SimpleNamespace(ALL="all"),
        cudnnGraphNotSupportedError=NotSupportedError,
        pygraph=graph,
        create_handle=lambda: "handle",
        backend_version=lambda: 91002,
        __version__="1.32.0",
    )


class PlanTimer(Timer):
    """A second for plan 1, ten for plan 0, and one call in between that costs nothing."""

    def seconds(self, calls):
        for call in calls:
            call()
        return {0: 10.0, 1: 1.0}[Graph.ran] * len(calls)


def allocate(space):
    if space > 1 << 30:
        raise MemoryError("too much")
    return np.zeros(space, dtype=np.uint8)


def build(**options):
    return FrontendConvolutions(module(**options), allocate, PlanTimer)


def fresh(extents):
    fresh.seed = next(fresh.seeds)
    return np.random.default_rng(fresh.seed).standard_normal(extents).astype(np.float32)


fresh.seeds = itertools.count()


@pytest.mark.theory
@pytest.mark.parametrize("which", Pass)
def test_a_pass_is_the_graph_of_its_operands(which):
    call, made = ConvolutionCall(SHAPE, 2, which), []

    def place(extents):
        made.append(fresh(extents))
        return made[-1]

    prepared = build().prepare(call, "direct", "fp32", place)
    found = prepared.calls[0]()
    assert found is made[2]
    assert found.shape == result_shape(call)
    np.testing.assert_allclose(found, convolve(np, call, "gemm", *made[:2]), rtol=1e-5)


def test_the_fastest_plan_that_runs_and_fits_is_taken():
    frontend, call = build(), ConvolutionCall(SHAPE, 2, Pass.FORWARD)
    plans = frontend.plans(call, "fp32", fresh)
    assert [(plan.name, plan.workspace, plan.time) for plan in plans] == [
        ("eng0_k2=1", 4096, 10.0),
        ("eng1_k2=1", 0, 1.0),
    ]
    assert frontend.prepare(call, "direct", "fp32", fresh).workspace == 0.0
    assert frontend.version == "91002 (frontend 1.32.0)"


def test_named_algorithms_and_refused_graphs_are_no_cases():
    call = ConvolutionCall(SHAPE, 2, Pass.FORWARD)
    with pytest.raises(UnsupportedCaseError, match="does not tell fft from other engines"):
        build().prepare(call, "fft", "fp32", fresh)
    with pytest.raises(UnsupportedCaseError, match=r"graph API: No valid engine$"):
        build(refused=True).prepare(call, "direct", "fp32", fresh)


def test_a_device_without_room_has_no_plan_to_offer():
    def nothing(_space):
        raise MemoryError("nothing left")

    frontend = FrontendConvolutions(module(), nothing, PlanTimer)
    with pytest.raises((UnsupportedCaseError, OutOfMemoryError), match="no plan that runs"):
        frontend.prepare(ConvolutionCall(SHAPE, 2, Pass.FORWARD), "direct", "fp32", fresh)


def test_strides_are_those_of_a_packed_array():
    assert packed_strides((8, 3, 5, 7)) == [105, 35, 7, 1]


def test_the_backend_offers_the_librarys_choice_where_only_the_graph_api_is_there():
    backend = CupyBackend(build_fake_cupy(), 0, lambda _cupy: build())
    assert backend.offer().algorithms == ("direct",)
    assert backend.software()["cudnn"] == "91002 (frontend 1.32.0)"
