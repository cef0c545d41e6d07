"""Decoding against the roofline: no token takes less than its bytes and flops at the device's peaks.

A token of a decoder reads every weight of the products once and every cached key and value of its sequences
(Pope et al. 2023, arXiv:2211.05102, section 2): a floor of

    max((weights + sequences x cached tokens x bytes a token) / bandwidth, 2 x weights x sequences / peak)

seconds, which few sequences reach up to what kernels achieve, and where the floor changes from bytes to flops
at about peak / bandwidth sequences.
"""

from functools import lru_cache

import pytest

from hardware.profiles import load_cluster, load_device
from simdl.inference.simulate import simulate_inference
from simdl.software.reader import load_stack
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload

DEVICES = {"dgx-a100:1": "a100-sxm-80gb", "dgx-h200:1": "h200"}
BYTES = 2
MODELS = {  # products' weights (the embedding is looked up), layers, key-value heads, head size
    "llama3-8b": (8_030_261_248 - 128_256 * 4096, 32, 8, 128),
    "llama2-7b": (6_738_415_616 - 32_000 * 4096, 32, 32, 128),
    "gpt3-6.7b": (None, 32, 32, 128),
}


@lru_cache(maxsize=64)
def token_seconds(model, cluster, sequences, context, tp=1):
    """[s] of a first token behind so many."""
    workload = Workload(
        network=load_network(model, tokens=context),
        optimizer=load_optimizer("adam"),
        precision=load_precision("bf16"),
        global_batch=sequences,
    )
    report = simulate_inference(
        workload,
        load_cluster(cluster),
        Strategy(tp=tp),
        stack=load_stack("serving"),
        token=load_network(model, tokens=1),
        generated=1,
    )
    return report.generation.first.latency


def floor(model, device, sequences, context, tp=1):
    weights, layers, heads, size = MODELS[model]
    weights = weights or 12 * 32 * 4096**2
    cached = sequences * context * layers * 2 * heads * size * BYTES
    moved = (weights * BYTES + cached) / tp / device.memory_bandwidth
    return max(moved, 2 * weights * sequences / tp / device.peak_flop_rate["bf16"])


@pytest.mark.theory
@pytest.mark.parametrize("cluster", DEVICES)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("sequences", "context"), [(1, 512), (32, 1024)])
def test_no_token_is_faster_than_its_bytes_and_flops(model, cluster, sequences, context):
    least = floor(model, load_device(DEVICES[cluster]), sequences, context)
    found = token_seconds(model, cluster, sequences, context)
    assert least < found
    assert found < 2 * least  # kernels read at 0.75 to 0.9 of the bandwidth, beside launches


@pytest.mark.theory
@pytest.mark.parametrize("sequences", [1, 16])
def test_a_longer_context_costs_its_keys_and_values(sequences):
    device = load_device("h100-sxm-80gb")
    near, far = (token_seconds("llama3-8b", "dgx-h100:1", sequences, tokens) for tokens in (1024, 8192))
    keys = sequences * (8192 - 1024) * 32 * 2 * 8 * 128 * BYTES / device.memory_bandwidth
    assert keys < far - near < 2.5 * keys


@pytest.mark.theory
def test_sequences_share_the_weights_until_arithmetic_binds():
    """Below peak / bandwidth = 295 sequences another one hardly costs more; far above, in proportion."""
    few, more = (token_seconds("llama3-8b", "dgx-h100:1", count, 64) for count in (1, 32))
    assert more < 1.35 * few
    many, most = (token_seconds("llama3-8b", "dgx-h100:1", count, 1) for count in (2048, 4096))
    assert most == pytest.approx(2 * many, rel=0.2)


@pytest.mark.theory
def test_ranks_that_share_a_layer_read_their_part_of_it():
    device = load_device("h100-sxm-80gb")
    for tp in (2, 4, 8):
        found = token_seconds("llama3-8b", "dgx-h100:1", 1, 512, tp)
        assert (
            floor("llama3-8b", device, 1, 512, tp) < found < token_seconds("llama3-8b", "dgx-h100:1", 1, 512)
        )
