"""Fused (flash) attention: the whole core of one layer in one kernel.

    forward flops = 4 x batch x heads x query tokens x key tokens x head size

halved where the mask is causal and the kernel skips masked blocks (``AttentionShape.causal``); the backward
kernel recomputes the scores and does 2.5 times as much (five products instead of two). Each multiprocessor
takes one block of queries of one head at a time, so that few or short sequences leave multiprocessors idle.

Source: Dao, "FlashAttention-2" (2023), sections 3.1-3.3 (work partition, flops of both passes).
"""

from hardware.device import Device
from simdl.kernels.kernel import AttentionCall
from workloads.amounts import larger
from workloads.operators import Pass

BLOCK = 128
"""Queries (forward) or keys (backward) that one multiprocessor handles at a time."""

BACKWARD_RATIO = 2.5
"""Backward flops over forward flops."""


def attention_time(call: AttentionCall, device: Device, dtype: str) -> float:
    """Seconds of arithmetic of one fused attention kernel, without latency.

    Raises:
        HardwareError: the device has no such dtype.
    """
    shape = call.shape
    forward = call.which is Pass.FORWARD
    efficiency = device.attention
    fraction = efficiency.forward if forward else efficiency.backward
    rate = device.flop_rate(dtype) * fraction / device.multiprocessors
    outer, inner = (
        (shape.query_tokens, shape.key_tokens) if forward else (shape.key_tokens, shape.query_tokens)
    )
    blocks = call.batch * shape.heads * -(-outer // BLOCK)
    flops = 4 * BLOCK * _seen(shape.causal, inner) * shape.head_size
    waves = larger(1.0, blocks / device.multiprocessors)
    return waves * flops / rate * (1.0 if forward else BACKWARD_RATIO)


def _seen(causal: bool, tokens: int) -> float:
    """Mean tokens that one block meets: half of them, and half a block on the diagonal, when causal."""
    padded = -(-tokens // BLOCK) * BLOCK
    return (padded + BLOCK) / 2 if causal else padded
