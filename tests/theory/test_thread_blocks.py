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


def kernels(layer, which, stack=EAGER, precision="fp16"):
    shard = Shard(micro_batch=BATCH)
    found = named_kernels((layer,), which, shard=shard, precision=load_precision(precision), stack=stack)
    return {kernel.name: kernel for _, kernel in found}


def maps(channels, side=112):
    return Tensor(name="maps", shape=(channels, side, side))


def moved(kernel, device=DEVICE):
    return estimate_kernel_time(replace(kernel, walked=0.0, blocks=0.0), device)


def test_channels_first_a_channel_is_walked_over_by_one_block_on_top_of_what_memory_takes():
    """Theory: sixteen channels take as long as one beside memory, in 32 bit as long as in 16."""
    rate = architecture_named(DEVICE.generation).walk_bandwidth
    for channels, precision in ((1, "fp16"), (16, "fp16"), (16, "fp32")):
        kernel = kernels(batch_norm("norm", maps(channels)), Pass.FORWARD, precision=precision)["statistics"]
        walked = 2 * BATCH * 112 * 112 / rate
        assert estimate_kernel_time(kernel, DEVICE) == pytest.approx(moved(kernel) + walked)


def test_channels_last_no_block_walks_and_instances_have_a_block_each():
    last = replace(EAGER, layout="channels_last")
    kernel = kernels(batch_norm("norm", maps(16)), Pass.FORWARD, last)["statistics"]
    traffic = kernel.nbytes / (DEVICE.memory_bandwidth * DEVICE.memory.reduction)
    assert estimate_kernel_time(kernel, DEVICE) == pytest.approx(DEVICE.memory.latency + traffic)
    instances = kernels(instance_norm("norm", maps(16)), Pass.FORWARD)["statistics"]
    assert instances.blocks == 16 * BATCH


@pytest.mark.published
@pytest.mark.parametrize(
    ("device", "channels", "side", "seconds"),
    [
        ("a100-sxm-40gb", 64, 512, 0.73e-3 + 2.13e-3),
        ("a100-sxm-40gb", 16, 512, 1.29e-3 / 2 + 3.46e-3 / 2),
        ("v100-sxm2-32gb", 64, 512, 0.84e-3 + 2.60e-3),
        ("v100-sxm2-32gb", 16, 512, 1.25e-3 / 2 + 3.33e-3 / 2),
        ("rtx-2070", 32, 512, 0.75e-3 + 2.09e-3),
    ],
)
def test_cudnns_normalisation_channels_first_takes_what_was_measured(device, channels, side, seconds):
    """xwang233/code-snippet @2c053c85, batchnorm3d-channels-last: FP16, maps of 64 x 64 x 64 (cuDNN 8)."""
    norm, board = batch_norm("norm", maps(channels, side)), load_device(device)
    shard = Shard(micro_batch=4)
    found = sum(
        estimate_kernel_time(kernel, board)
        for which in Pass
        for _, kernel in named_kernels((norm,), which, shard=shard, precision=PRECISION, stack=EAGER)
    )
    assert found == pytest.approx(seconds, rel=0.2)


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
