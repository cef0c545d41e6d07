"""Exchange of compressed gradients: collectives and kernels of one group of ranks."""

from dataclasses import dataclass

from simdl.communication import Group, Operation, collective_seconds
from simdl.compression.method import RESIDUAL, Compression
from simdl.compression.sparse import Exchange, sparse_exchanges
from simdl.kernels.cost_model import launch_time
from simdl.kernels.kernel import Kernel
from simdl.kernels.pricing import Pricing
from workloads.operators import OperatorKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """What a group of ranks does to add up some gradients.

    Attributes:
        exchanges: collectives, one after the other.
        encode: [s] of kernels before them.
        decode: [s] of kernels after them.
    """

    exchanges: tuple[Exchange, ...]
    encode: float
    decode: float


def compress(
    elements: float,
    width: int,
    method: Compression,
    group: Group,
    pricing: Pricing,
    *,
    dense: float = 0.0,
    factors: float = 0.0,
) -> Compressed:
    """How a group adds up ``elements`` of gradients.

    Args:
        elements: of one rank's gradient.
        width: [bytes] of one of them uncompressed.
        method: how they are sent.
        group: the ranks.
        pricing: what prices it.
        dense: elements of fully connected layers among them.
        factors: numbers of one rank's inputs and output gradients of those layers.
    """
    if method.kind in {"fp16", "bf16"}:
        nbytes = elements * min(width, method.bits / 8)
        cast = _stream(elements * (width + method.bits / 8), pricing) if width > method.bits / 8 else 0.0
        return Compressed(exchanges=(_all_reduce(nbytes, group, pricing),), encode=cast, decode=cast)
    if method.kind == "delayed":
        operation, nbytes, seconds = _all_reduce(elements * width, group, pricing)
        part = (operation, nbytes / method.period, seconds / method.period)
        add = _stream(3 * elements * width, pricing) if method.period > 1 else 0.0
        return Compressed(exchanges=(part,), encode=add, decode=0.0)
    if method.kind == "factors":
        return _factors(elements, width, group, pricing, dense=dense, factors=factors)
    sent = method.sent_bytes(elements)
    if method.density < 1.0:
        exchanges = sparse_exchanges(elements, method, group, pricing)
        received = sum(nbytes for _, nbytes, _ in exchanges)
    else:
        exchanges = _two_phases(sent, group, pricing)
        received = 2 * sent  # the parts of all ranks to add up, and the sum
    kept = 2 * RESIDUAL if method.residual else 0
    read = 2 * width  # once for scales or the threshold, once to encode
    encode = _stream(elements * (read + kept) + sent, pricing)
    decode = _stream(received + elements * width, pricing)
    return Compressed(exchanges=exchanges, encode=encode, decode=decode)


def _two_phases(sent: float, group: Group, pricing: Pricing) -> tuple[Exchange, ...]:
    """Each rank adds up one part of all, decoded, and sends it on, encoded again (Alistarh et al. 2017)."""
    return tuple(
        (
            operation,
            sent,
            collective_seconds(operation, sent, group, pricing.cluster, library=pricing.stack.library),
        )
        for operation in (Operation.ALL_TO_ALL, Operation.ALL_GATHER)
    )


def _all_reduce(nbytes: float, group: Group, pricing: Pricing) -> Exchange:
    stack = pricing.stack
    seconds = collective_seconds(
        Operation.ALL_REDUCE, nbytes, group, pricing.cluster, stack.library, stack.gradient_algorithm
    )
    return Operation.ALL_REDUCE, nbytes, seconds / stack.reduction_speed


def _factors(
    elements: float, width: int, group: Group, pricing: Pricing, *, dense: float, factors: float
) -> Compressed:
    """Factors of fully connected layers to all, the rest added up; all added up where that is shorter.

    The gradient of a layer is a product over the samples of all ranks (Xing et al. 2015, section 3).
    """
    whole = _all_reduce(elements * width, group, pricing)
    nbytes = factors * width * group.size
    gathered = collective_seconds(
        Operation.ALL_GATHER, nbytes, group, pricing.cluster, library=pricing.stack.library
    )
    rest = _all_reduce((elements - dense) * width, group, pricing)
    samples = 2.0 * dense * group.size
    product = samples / pricing.cluster.device.flop_rate(pricing.precision.matmul) if dense else 0.0
    if not dense or gathered + rest[2] + product >= whole[2]:
        return Compressed(exchanges=(whole,), encode=0.0, decode=0.0)
    parts = ((Operation.ALL_GATHER, nbytes, gathered), rest)
    return Compressed(exchanges=tuple(each for each in parts if each[1] > 0), encode=0.0, decode=product)


def _stream(nbytes: float, pricing: Pricing) -> float:
    """[s] of a kernel that moves so many bytes through memory."""
    kernel = Kernel("compress", OperatorKind.ELEMENTWISE, 0, nbytes, pricing.precision.matmul)
    return launch_time(pricing.cost_model, kernel) if nbytes > 0 else 0.0
