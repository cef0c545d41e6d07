"""Use of networks, whatever is asked: more work takes longer, fused and narrow networks never do."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.profiles import load_cluster
from simdl.inference.forward import forward_seconds
from simdl.inference.generation import met_experts
from simdl.inference.simulate import simulate_inference
from simdl.software.reader import load_stack
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.operators import Pass
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.storage import storage_bytes
from workloads.transforms.operator_fusion import GROUPS, Fuse
from workloads.transforms.registry import parse_transforms, transform_entry
from workloads.transforms.weights import Prune, Quantize
from workloads.workload import Workload

pytestmark = pytest.mark.property
FP16, FP32 = load_precision("fp16"), load_precision("fp32")
CLUSTER = load_cluster("dgx-a100:1gpu")
NAMES = ("gpt-mini", "moe-mini", "deepseek-v2-lite")
NETWORKS = {name: load_network(name, tokens=64) for name in NAMES}
TOKENS = {name: load_network(name, tokens=1) for name in NAMES}
IMAGES = {name: load_network(name) for name in ("alexnet", "resnet18")}


def _workload(network, batch):
    return Workload(network=network, optimizer=load_optimizer("momentum"), precision=FP16, global_batch=batch)


def _answer(name, batch, generated):
    return simulate_inference(
        _workload(NETWORKS[name], batch),
        CLUSTER,
        Strategy(),
        stack=load_stack("serving"),
        token=TOKENS[name],
        generated=generated,
    )


@settings(max_examples=5)
@given(st.sampled_from(NAMES), st.integers(1, 16), st.integers(1, 200))
def test_longer_answers_take_longer_and_parts_add_up(name, batch, generated):
    one, more = _answer(name, batch, generated), _answer(name, batch, generated + 1)
    assert more.latency > one.latency
    assert more.memory["cache"] > one.memory["cache"]
    assert one.latency == pytest.approx(one.read.latency + one.generation.latency)
    for forward in (one.read, one.generation.first, one.generation.last):
        assert sum(forward.breakdown.values()) == pytest.approx(forward.latency)
        assert sum(use.seconds for use in forward.layers) <= forward.latency * (1 + 1e-9)
    assert one.generation.first.latency <= one.generation.last.latency * (1 + 1e-9)


@given(st.integers(1, 512), st.data())
def test_experts_met_are_between_those_of_a_token_and_all(experts, data):
    chosen = data.draw(st.integers(1, experts))
    tokens = data.draw(st.integers(1, 10_000))
    met = met_experts(experts, chosen, tokens)
    assert chosen * (1 - 1e-9) <= met <= experts * (1 + 1e-9)


@settings(max_examples=5)
@given(
    st.sampled_from(sorted(IMAGES)),
    st.integers(1, 64),
    st.sets(st.sampled_from(GROUPS), min_size=1),
)
def test_fused_networks_are_never_slower_in_use_and_do_the_same_work(name, batch, groups):
    network = IMAGES[name]
    fused = Fuse(groups=tuple(sorted(groups))).apply(network)
    assert [fused.flops(which) for which in Pass] == [network.flops(which) for which in Pass]
    stack = load_stack("pytorch-eager")
    before, after = (
        forward_seconds(_workload(each, batch), CLUSTER, stack=stack) for each in (network, fused)
    )
    assert after <= before * (1 + 1e-9)


@settings(max_examples=5)
@given(
    st.sampled_from(sorted(IMAGES)),
    st.integers(1, 16),
    st.integers(1, 15),
    st.floats(0, 0.99),
)
def test_fewer_bits_and_more_zeros_never_take_more(name, weight_bits, activation_bits, sparsity):
    network = IMAGES[name]
    narrow = Quantize(weight_bits=weight_bits, activation_bits=activation_bits).apply(network)
    wider = Quantize(weight_bits=weight_bits + 1, activation_bits=activation_bits + 1).apply(network)
    assert storage_bytes(narrow, FP32) <= storage_bytes(wider, FP32) <= storage_bytes(network, FP32)
    seconds = [
        forward_seconds(_workload(each, 8), CLUSTER, stack=load_stack("pytorch-ngc"))
        for each in (narrow, wider, network)
    ]
    assert all(less <= more * (1 + 1e-12) for less, more in pairwise(seconds))
    scattered = Prune(sparsity=sparsity).apply(narrow)
    assert forward_seconds(_workload(scattered, 8), CLUSTER, stack=load_stack("pytorch-ngc")) == seconds[0]


@given(
    st.sampled_from(["fc*", "conv1", "*"]),
    st.floats(0, 0.99, allow_nan=False),
    st.integers(0, 16),
    st.integers(1, 32),
)
def test_transforms_read_back_from_their_tables(layers, sparsity, index_bits, bits):
    for made in (
        Prune(layers=(layers,), sparsity=sparsity, index_bits=index_bits),
        Quantize(layers=(layers,), weight_bits=bits),
    ):
        assert parse_transforms([transform_entry(made)]) == (made,)
