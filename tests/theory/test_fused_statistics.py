"""Sums of a batch normalisation in the epilogue of the convolution before it."""

from dataclasses import replace

import pytest

from simdl.kernels.sharding import Shard, block_kernels
from simdl.software.reader import load_stack
from workloads.dtypes import load_precision
from workloads.operators import OperatorKind, Pass
from workloads.registry import load_network

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
