"""What one kernel takes, term by term, as fitted on measurements of this device and library.

    seconds = latency + flops / flop_rate + sum over operands of traffic(bytes)

The terms add up: arithmetic does not hide the packing and rearranging of operands (processors; GPU kernels
without overlap show a small second term). Traffic is piecewise linear: the bytes of an operand up to the end
of a tier move at its rate, those beyond at the next tier's, as caches of growing size do. Every rate is
marginal and above zero, so time never falls as a kernel grows.

A profile holds one table a kernel, named by what the simulator calls it (``elementwise/relu``,
``matmul/product/fp32``, ``convolution/forward/direct/fp32``) or by its kind alone, which serves every
kernel of the kind without a table of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Bytes of an operand from ``start`` [bytes] on move at ``bandwidth`` [bytes/s]."""

    start: float
    bandwidth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTerms:
    """The terms of one kernel.

    Attributes:
        latency: [s] of a launch that does nothing, dispatch by its library included.
        flop_rate: [FLOP/s] of its arithmetic; infinite where only traffic counts.
        lanes: channels (of a convolution) or columns (of a product) are computed in multiples of this.
        padding: share of the zeros beside its image that a convolution multiplies too; 0 of direct kernels.
        traffic: tiers by operand, each in order of their starts from 0 on.
    """

    latency: float
    flop_rate: float = inf
    lanes: int = 1
    padding: float = 1.0
    traffic: Mapping[str, tuple[Tier, ...]] = field(default_factory=dict)


def terms_time(terms: KernelTerms, flops: float, nbytes: Mapping[str, float]) -> float:
    """Seconds of one launch.

    Args:
        terms: of the kernel.
        flops: of the launch, lanes filled.
        nbytes: [bytes] by operand; operands without tiers cost nothing.
    """
    seconds = terms.latency + flops / terms.flop_rate
    for operand, tiers in terms.traffic.items():
        seconds += traffic_seconds(tiers, nbytes.get(operand, 0.0))
    return seconds


def traffic_seconds(tiers: Sequence[Tier], nbytes: float) -> float:
    """Seconds that an operand of ``nbytes`` takes."""
    ends = [*(second.start for _, second in pairwise(tiers)), inf]
    return sum(
        max(0.0, min(nbytes, end) - tier.start) / tier.bandwidth
        for tier, end in zip(tiers, ends, strict=True)
    )
