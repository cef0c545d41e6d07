"""Convolutions in groups: what a dense kernel makes of narrow groups, and the kernel written for them.

A dense kernel computes whole tiles, so groups narrower than a tile waste it. Libraries lay neighbouring
groups side by side, as one group with a block-diagonal filter: of j groups each result takes j times the
products and a tile has j times the columns; the best power of two that divides the groups is taken.

The direct kernel (cuDNN's ``conv2d_grouped_direct_kernel``, PyTorch's ``conv_depthwise2d_*`` in
``aten/src/ATen/native/cuda/DepthwiseConv2d.cu``) has a thread for each result and multiplies on the vector
units. For every multiply-add it loads the pixel, forms its address and checks the border, so it reaches a
share of the vector rate (``direct_multiplies`` of `hardware.architecture`). Its weight gradient has a block
for each filter element, which reads both tensors over all samples; blocks of neighbouring taps run together,
so all but the first read the cache. A thread of it loads one element of each tensor at a time
(``conv_depthwise2d_grad_weight_kernel``), so a few channels leave a device idle: one takes as long as so many
as there is room for their blocks. Depthwise convolutions of a few taps end up bound by memory, the cache or
its latency, wide filters by instructions.
"""

from collections.abc import Iterator
from dataclasses import replace

from hardware.architecture import architecture_named
from hardware.device import Device
from simdl.kernels.costs.matmul import ELEMENT_SIZE
from simdl.kernels.costs.memory_bound import BLOCK_LOADS, blocks_time, traffic_time
from simdl.kernels.kernel import ConvolutionCall
from workloads.amounts import larger, root_of_squares
from workloads.operators import Pass

THREADS, ROOM = 256, 6
"""Threads of a block of the weight gradient, and blocks on a multiprocessor (1,536 threads of compute
capability 8.6 and 8.9; 1,024 of 7.5, 2,048 of others)."""

GROUPED = "grouped_direct"
"""Name of the direct kernel among a convolution's algorithms."""


def grouped_time(call: ConvolutionCall, device: Device, dtype: str) -> float:
    """Seconds of the direct kernel, without latency and without reading each tensor from memory once.

    Args:
        call: a convolution in groups.
        device: where.
        dtype: of the tensors; sums are FP32 on the vector units.
    """
    s = call.shape
    multiplies = architecture_named(device.generation).direct_multiplies
    seconds = 2 * call.batch * s.outputs * s.filters / (device.vector_flop_rate * multiplies)
    if call.which is not Pass.WEIGHT_GRADIENT:
        return seconds
    elements = call.batch * (s.in_channels * s.inputs + s.out_channels * s.outputs)
    reads = (s.taps - 1) * elements * ELEMENT_SIZE[dtype]
    cached = traffic_time(reads, device) / device.matmul.cache_ratio
    return root_of_squares(seconds, larger(cached, _walk_time(call, device, dtype)))


def _walk_time(call: ConvolutionCall, device: Device, dtype: str) -> float:
    """Seconds in which blocks of the weight gradient walk over both tensors, as many at once as have room."""
    rounds = larger(1.0, call.shape.filters / (ROOM * device.multiprocessors))
    loaded = 2.0 * ELEMENT_SIZE[dtype]
    alone = blocks_time(loaded * call.batch * call.shape.outputs, 1.0, device)
    return rounds * alone * BLOCK_LOADS / (THREADS * loaded)


def joined_calls(call: ConvolutionCall, device: Device) -> Iterator[ConvolutionCall]:
    """The call with 2, 4, 8 ... neighbouring narrow groups as one."""
    shape, joined = call.shape, 2
    width = max(shape.in_channels, shape.out_channels) // shape.groups
    widest = architecture_named(device.generation).joined_channels
    while joined * width <= widest and shape.groups % joined == 0:
        yield replace(call, shape=replace(shape, groups=shape.groups // joined))
        joined *= 2
