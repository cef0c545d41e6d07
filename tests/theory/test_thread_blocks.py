"""Kernels of few thread blocks in closed form, and what pooling moves by what it keeps."""

from dataclasses import replace

import pytest

from hardware.architecture import architecture_named
from hardware.profiles import load_device
from simdl.kernels.cost_model import estimate_kernel_time
from simdl.kernels.sharding import Shard, named_kernels
from simdl.software.reader import load_stack
from workloads.dtypes import load_precision
from workloads.evaluation import evaluation
from workloads.layers.images.normalization import batch_norm, instance_norm
from workloads.layers.images.pooling import max_pool
from workloads.layers.tokens.token_norm import token_norm
from workloads.operators import Pass
from workloads.registry import load_network
from workloads.tensors import Tensor

pytestmark = pytest.mark.theory

DEVICE = load_device("rtx-3090")
EAGER = load_stack("pytorch-eager")
PRECISION = load_precision("fp16")
BATCH = 64


def kernels(layer, which, stack=EAGER):
    shard = Shard(micro_batch=BATCH)
    found = named_kernels((layer,), which, shard=shard, precision=PRECISION, stack=stack)
    return {kernel.name: kernel for _, kernel in found}


def maps(channels, side=112):
    return Tensor(name="maps", shape=(channels, side, side))


def test_channels_first_one_channel_takes_as_long_as_sixteen():
    """Theory: a block for each channel moves what it keeps in flight, however many other blocks there are."""
    rate = architecture_named(DEVICE.generation).block_bandwidth
    times = []
    for channels in (1, 16):
        kernel = kernels(batch_norm("norm", maps(channels)), Pass.FORWARD)["statistics"]
        time = estimate_kernel_time(kernel, DEVICE) - DEVICE.memory.latency
        assert time == pytest.approx(kernel.nbytes / (channels * rate))
        times.append(time)
    assert times[1] == pytest.approx(times[0], rel=1e-3)


def test_many_channels_channels_last_and_normalised_samples_fill_a_device():
    last = replace(EAGER, layout="channels_last")
    wide = kernels(batch_norm("norm", maps(512)), Pass.FORWARD)["statistics"]
    for kernel in (
        wide,
        kernels(batch_norm("norm", maps(16)), Pass.FORWARD, last)["statistics"],
        kernels(instance_norm("norm", maps(16)), Pass.FORWARD)["statistics"],
    ):
        traffic = kernel.nbytes / (DEVICE.memory_bandwidth * DEVICE.memory.reduction)
        assert estimate_kernel_time(kernel, DEVICE) == pytest.approx(DEVICE.memory.latency + traffic)


def test_without_sums_a_channel_takes_as_many_blocks_as_there_are_maps():
    """Theory: outside training a scale and a shift move maps at the memory's bandwidth."""
    layers = [layer for _, layer in evaluation(load_network("mobilenet-v2")).layers()]
    used = next(layer for layer in layers if layer.attributes.get("over") == "batch")
    assert used.output_shape == (32, 112, 112)
    (kernel,) = kernels(used, Pass.FORWARD).values()
    traffic = kernel.nbytes / (DEVICE.memory_bandwidth * DEVICE.memory.fraction)
    assert estimate_kernel_time(kernel, DEVICE) == pytest.approx(DEVICE.memory.latency + traffic)


def test_a_layer_norms_gradients_have_a_block_for_32_features():
    norm = token_norm("norm", "input", kind="layernorm", tokens=3136, features=96)
    other = replace(EAGER, chains=EAGER.chains - {"column_blocks"})
    for stack, blocks in ((EAGER, 3), (other, 0)):
        (kernel,) = kernels(norm, Pass.WEIGHT_GRADIENT, stack).values()
        assert kernel.blocks == blocks


def test_pooling_moves_indices_of_eight_bytes_or_finds_maxima_again():
    layer, before, after = max_pool("pool", maps(8), kernel=2), 8 * 112 * 112, 8 * 56 * 56
    for keeps, there, back in (
        ("indices", 2 * (before + after) + 8 * after, 2 * (before + after) + 8 * after),
        ("maps", 2 * (before + after), 4 * (before + after)),
    ):
        stack = replace(EAGER, pooling=keeps)
        forward = kernels(layer, Pass.FORWARD, stack)["max pool"]
        backward = kernels(layer, Pass.INPUT_GRADIENT, stack)["max pool gradient"]
        assert (forward.nbytes, backward.nbytes) == (BATCH * there, BATCH * back)
