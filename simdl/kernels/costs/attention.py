"""Fused (flash) attention: the whole core of one layer in one kernel.

    forward flops = 2 x batch x heads x query tokens x key tokens x (key features + value features)

halved where the mask is causal and the kernel skips masked blocks (``AttentionShape.causal``), and with a
window the keys that a query meets instead of all; the backward kernel recomputes the scores: three products
over the features of a key and two over those of a value. Each multiprocessor takes one block of queries of
one head at a time, so that few or short sequences leave multiprocessors idle; it computes whole blocks, those
that a mask cuts among them. What it reaches is the algorithm's on the device's architecture
(`hardware.attention_kernels`) where a table timed that, else the share that the device's profile names.

Where keys and values come from a cache and few queries meet them, the keys of one head are divided over
multiprocessors instead, and the queries of all heads that share them fill the rows of a tile together.

Source: Dao, "FlashAttention-2" (2023), sections 3.1-3.3 (work partition, flops of both passes), and its
kernels' ``window_size`` (blocks outside the window are skipped); Dao et al., "Flash-Decoding for long-context
inference" (2023).
"""

from hardware.attention_kernels import AttentionPass
from hardware.device import Device
from simdl.kernels.kernel import AttentionCall
from workloads.amounts import larger
from workloads.operators import AttentionShape, Pass

ROWS = 16
"""Queries of a tile of matrix units, at least."""

DEVICE = "device"
"""Algorithm of kernels that are priced by the shares of the device's own profile."""

EXPONENTIAL = 16.0
"""Vector operations in whose time an exponential runs: special function units do 16 a clock beside 256
operations of the vector units (NVIDIA, "CUDA C++ Programming Guide", table of arithmetic instructions)."""

BLOCK = 128
"""Queries (forward) or keys (backward) that one multiprocessor handles at a time."""


def attention_time(call: AttentionCall, device: Device, dtype: str) -> float:
    """Seconds of arithmetic of one fused attention kernel, without latency.

    Raises:
        HardwareError: the device has no such dtype.
    """
    shape = call.shape
    if shape.cached:
        return _cached_time(call, device, dtype)
    forward = call.which is Pass.FORWARD
    reached = _reached(call.algorithm, device, forward=forward)
    peak = device.flop_rate(dtype)
    rate = peak * reached.share / device.multiprocessors
    outer, inner = (
        (shape.query_tokens, shape.key_tokens) if forward else (shape.key_tokens, shape.query_tokens)
    )
    blocks = call.batch * shape.heads * -(-outer // BLOCK)
    features = shape.head_size + shape.value_features
    if not forward:
        features += features + shape.head_size
    softmax = _softmax(reached, device) * peak / device.vector_flop_rate  # as so many flops of products
    flops = BLOCK * (_met(shape, inner) + reached.ramp) * (2 * features + softmax)
    waves = larger(1.0, blocks / device.multiprocessors)
    return waves * flops / rate


def _reached(algorithm: str, device: Device, *, forward: bool) -> AttentionPass:
    """What an algorithm reaches on a device; the share of the device's profile where none timed it there."""
    if algorithm in device.attention_kernels:
        kernels = device.attention_kernels[algorithm]
        return kernels.forward if forward else kernels.backward
    share = device.attention.forward if forward else device.attention.backward
    return AttentionPass(share=share, softmax=0.0, ramp=0.0)


def _softmax(reached: AttentionPass, device: Device) -> float:
    """Vector operations of a score, its exponential as many as fit into its time."""
    exponential = min(reached.softmax, EXPONENTIAL)
    return reached.softmax - exponential * (1 - 1 / device.exponentials)


def _cached_time(call: AttentionCall, device: Device, dtype: str) -> float:
    """Seconds of arithmetic of few queries on cached keys, which all multiprocessors share."""
    shape = call.shape
    queries = shape.query_tokens * shape.heads / shape.kv_heads
    rows = ROWS * -(-queries // ROWS)
    features = shape.head_size + shape.value_features
    flops = 2 * call.batch * shape.kv_heads * rows * shape.seen * features
    return flops / (device.flop_rate(dtype) * device.attention.forward)


def _met(shape: AttentionShape, tokens: int) -> float:
    """Mean tokens of ``tokens`` that one block meets: half of them, and half a block on the diagonal."""
    if not shape.window:
        padded = -(-tokens // BLOCK) * BLOCK
        return (padded + BLOCK) / 2 if shape.causal else padded
    return _met_in_window(shape) * tokens / shape.key_tokens


def _met_in_window(shape: AttentionShape) -> float:
    """Mean keys that a block of queries meets: the window, and a block where its edges cut blocks in two."""
    every, reach = -(-shape.key_tokens // BLOCK), -(-shape.reach // BLOCK)
    if shape.chunked:
        return (reach + 1) / 2 * BLOCK if shape.causal else reach * BLOCK
    most = min(reach + 1, every)
    before = most * (most - 1) / (2 * every) if shape.causal else 0.0  # the first blocks meet fewer
    return (most - before) * BLOCK
