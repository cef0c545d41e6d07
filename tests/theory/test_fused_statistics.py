"""Sums of a batch normalisation in the epilogue of the convolution before it."""

from dataclasses import replace

import pytest

from simdl.kernels.sharding import Shard, block_kernels
from simdl.software.reader import load_stack
from workloads.dtypes import load_precision
from workloads.layers.images.normalization import batch_norm
from workloads.network import Block
from workloads.operators import OperatorKind, Pass
from workloads.registry import load_network
from workloads.tensors import Tensor

BATCH = 4


def forward(*, fused):
    stack = load_stack("mxnet-mlperf")
    stack = stack if fused else replace(stack, fused=stack.fused - {"conv_stats"})
    options = {"shard": Shard(micro_batch=BATCH), "precision": load_precision("fp16"), "stack": stack}
    blocks = load_network("resnet50-v1.5").blocks
    return [kernel for block in blocks for kernel in block_kernels(block, Pass.FORWARD, **options)]


@pytest.mark.theory
def test_a_convolution_gives_the_sums_of_its_normalisation_for_no_bytes():
    plain, fused = forward(fused=False), forward(fused=True)
    sums = [kernel for kernel in plain if kernel.name == "statistics"]
    convolutions = [kernel for kernel in plain if kernel.kind is OperatorKind.CONVOLUTION]
    joined = [kernel for kernel in fused if kernel.name == "convolution+statistics"]
    assert len(plain) - len(fused) == len(sums) == len(joined) == len(convolutions)
    for whole, before, after in zip(joined, convolutions, sums, strict=True):
        assert whole.kind is OperatorKind.CONVOLUTION
        assert whole.flops == before.flops + after.flops
        assert whole.nbytes - before.nbytes < 0.01 * after.nbytes + 16 * 1024


@pytest.mark.theory
@pytest.mark.parametrize("which", [Pass.FORWARD, Pass.INPUT_GRADIENT])
def test_both_passes_of_a_normalisation_are_one_call_of_the_library(which):
    layer = batch_norm("norm", Tensor("input", (8, 4, 4)))
    options = {"shard": Shard(), "precision": load_precision("fp32"), "stack": load_stack("pytorch-eager")}
    kernels = block_kernels(Block(name="one", layers=(layer,)), which, **options)
    calls = [kernel.name for kernel in kernels if not kernel.inner]
    assert len(kernels) - len(calls) == 1
    assert calls == (["count", "statistics"] if which is Pass.FORWARD else ["gradient sums"])


@pytest.mark.theory
def test_a_frozen_normalisation_and_its_relu_cost_no_bytes_behind_a_convolution():
    """Of RetinaNet's convolutions with frozen norms each writes once what it and they write three times."""
    whole = load_stack("pytorch-mlperf")
    options = {"shard": Shard(), "precision": load_precision("fp16")}
    blocks = load_network("retinanet").blocks

    def kernels(stack, which=Pass.FORWARD):
        return [kernel for block in blocks for kernel in block_kernels(block, which, stack=stack, **options)]

    plain = kernels(replace(whole, fused=whole.fused - {"conv_scale"}))
    fused = kernels(whole)
    scales = [kernel for kernel in plain if kernel.name.startswith("scale")]
    assert len(scales) > 50
    assert not [kernel for kernel in fused if kernel.name.startswith("scale")]
    assert sum(kernel.flops for kernel in fused) == sum(kernel.flops for kernel in plain)
    less = sum(kernel.nbytes for kernel in plain) - sum(kernel.nbytes for kernel in fused)
    assert less > sum(kernel.nbytes for kernel in scales)
    back = [kernels(stack, Pass.INPUT_GRADIENT) for stack in (replace(whole, fused=frozenset()), whole)]
    assert len(back[1]) < len(back[0])
