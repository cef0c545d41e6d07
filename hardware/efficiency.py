"""Achieved fractions of a device's peaks: what kernels really reach, kept apart from the peaks.

Each class is one ``[efficiency.<family>]`` table of a device profile; the field metadata gives the
dimension the profile reader expects ("ratio", "share", "fraction", "time", or "shares" or "speeds" for a
table of them by name). The numbers are fitted on kernel tables (matrix products, vector operators,
convolutions, attention), never on training rows; ``docs/kernel-fit.md`` says how.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class MatmulEfficiency:
    """Matrix products by shape: tile and wave quantisation, short-depth penalty, power throttling.

    Attributes:
        fraction: by dtype, the share of peak that large, well-shaped products sustain (throttling included).
        brief: the same of products that are over before the board's power limits them in full
            (``hardware.power_shares``), where a table times such; they are as others where it is empty.
        latency: [s] ramp-up and drain of a product's kernel.
        epilogue: share of the time to write a result tile that is not hidden behind arithmetic.
        cache_ratio: bandwidth at which the last-level cache feeds operand tiles, over memory bandwidth.
    """

    fraction: Mapping[str, float] = field(metadata={"dimension": "shares"})
    latency: float = field(metadata={"dimension": "time"})
    epilogue: float = field(metadata={"dimension": "fraction"})
    cache_ratio: float = field(metadata={"dimension": "ratio"})
    brief: Mapping[str, float] = field(default_factory=dict, metadata={"dimension": "shares"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEfficiency:
    """Kernels bound by memory bandwidth.

    Attributes:
        fraction: share of the peak bandwidth that large streaming kernels sustain.
        reduction: the same for kernels that exchange partial results (softmax, normalisation, sums).
        latency: [s] ramp-up and drain of any other kernel.
    """

    fraction: float = field(metadata={"dimension": "share"})
    reduction: float = field(metadata={"dimension": "share"})
    latency: float = field(metadata={"dimension": "time"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionEfficiency:
    """Fused (flash) attention kernels, as share of the matrix peak on large shapes.

    Attributes:
        forward: share of the dtype's peak in the forward kernel.
        backward: the same in the backward kernel (2.5 times the forward flops).
    """

    forward: float = field(metadata={"dimension": "share"})
    backward: float = field(metadata={"dimension": "share"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionEfficiency:
    """Convolution algorithms, as speed over that of the matrix product each reduces to.

    Attributes:
        fraction: by algorithm name (``implicit_gemm``, ``implicit_precomp_gemm``, ``gemm``, ``direct``,
            ``fft``, ``fft_tiling``, ``winograd``, ``winograd_nonfused``); an absent one is not
            offered. Above one where its kernels are faster than those of the library for products.
        input_gradient: speed of the same algorithm in this pass, as share of its forward speed.
        weight_gradient: the same for the other backward pass.
        pointwise: of filters of one pixel and stride one on matrix units, in every pass; 0 where they are as
            the algorithms are.
    """

    fraction: Mapping[str, float] = field(metadata={"dimension": "speeds"})
    input_gradient: float = field(metadata={"dimension": "share"})
    weight_gradient: float = field(metadata={"dimension": "share"})
    pointwise: float = field(default=0.0, metadata={"dimension": "share"})


FAMILIES: dict[str, type] = {
    "matmul": MatmulEfficiency,
    "memory": MemoryEfficiency,
    "attention": AttentionEfficiency,
    "convolution": ConvolutionEfficiency,
}
