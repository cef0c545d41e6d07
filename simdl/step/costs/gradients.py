"""Gradients and parameters between replicas: which ranks hold the same ones, and what they send one another.

Where every layer is divided alike, all replicas of a stage hold the same parameters. Where layers are split
one by one, each split has replicas of its own: the sample groups within one arrangement of ranks. Data
parallelism repeats the arrangement, so a group goes on at the same distance in all of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from hardware.cluster import unwired
from simdl.communication import Group, Operation, collective_seconds
from simdl.compression.exchange import compress
from simdl.compression.method import parse_compression
from simdl.kernels.cost_model import launch_time
from simdl.kernels.kernel import Kernel
from simdl.kernels.pricing import Pricing
from simdl.kernels.sharding import Shard
from simdl.step.strategy import Strategy
from workloads.amounts import choose, larger, some
from workloads.operators import OperatorKind

MAIN_GRADIENT = 4
"""[bytes] per element of an FP32 gradient."""
SCATTERED = 2
"""ZeRO stage that divides gradients too."""
WHOLE = 3
"""ZeRO stage that divides parameters too."""
Amount = TypeVar("Amount", float, NDArray[np.float64])
"""A number, or many at once in the planner's bounds."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertGroup(Group):
    """Ranks of one replica and stage that hold some experts, of which several replicas may share one copy.

    Attributes:
        spread: ranks that hold one copy of all experts together, whatever replicas they belong to; of d
            replicas, d x size / spread hold the same ones.
    """

    spread: int


class Sharing(Protocol):
    """What messages between replicas ask of a strategy; the amounts of one, or tables of many strategies.

    :class:`simdl.step.strategy.Strategy` says what they mean.
    """

    @property
    def dp(self) -> int: ...  # noqa: D102
    @property
    def tp(self) -> int: ...  # noqa: D102
    @property
    def pp(self) -> int: ...  # noqa: D102
    @property
    def replicas(self) -> int: ...  # noqa: D102
    @property
    def zero(self) -> int: ...  # noqa: D102
    @property
    def shard_degree(self) -> int: ...  # noqa: D102
    @property
    def micro_batch(self) -> int: ...  # noqa: D102
    @property
    def compression(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class GradientShare:
    """Parameters of a rank that the same ranks hold.

    Attributes:
        group: the ranks of one replica that hold them; every other replica has as many.
        parameters: elements before ZeRO.
        tensors: variables that they belong to.
        dense: elements among them of fully connected layers.
        factors: numbers per sample of these layers' inputs and outputs.
    """

    group: Group
    parameters: float
    tensors: int = 1
    dense: float = 0.0
    factors: float = 0.0


@dataclass(frozen=True, slots=True)
class Collective:
    """One collective over replicas, or one call for each variable.

    Attributes:
        operation: what it does.
        group: the ranks that take part.
        nbytes: [bytes] as :func:`simdl.communication.collective_time` counts them.
        seconds: [s] alone, of all calls.
        encode, decode: [s] of kernels that compress before it and decompress after it.
        negotiation: [s] in which a coordinator learns that all ranks are ready for it.
        copying: [s] of it in which copies around it have the whole device.
    """

    operation: Operation
    group: Group
    nbytes: float
    seconds: float
    encode: float = 0.0
    decode: float = 0.0
    negotiation: float = 0.0
    copying: float = 0.0


def merged_shares(shares: Iterable[GradientShare]) -> tuple[GradientShare, ...]:
    """One share per group, in the order in which groups first appear."""
    found: dict[Group, GradientShare] = {}
    for share in shares:
        known = found.get(share.group)
        found[share.group] = share if known is None else joined_share(known, share)
    return tuple(found.values())


def joined_share(first: GradientShare, second: GradientShare) -> GradientShare:
    """Two shares of one group together."""
    return GradientShare(
        first.group,
        first.parameters + second.parameters,
        first.tensors + second.tensors,
        first.dense + second.dense,
        first.factors + second.factors,
    )


def replica_group(group: Group, strategy: Sharing) -> Group:
    """The ranks of all replicas that hold what these ranks of one replica hold."""
    spread = group.spread if isinstance(group, ExpertGroup) else 1
    return Group(size=group.size * strategy.dp // spread, stride=group.stride)


def expert_group(shard: Shard) -> Group:
    """The ranks of one replica and stage that hold the experts of one of them.

    Ranks of a stage hold experts in the order etp, ep, replicas, innermost first (Megatron-Core,
    ``parallel_state``); where ep x etp is tp, replicas of experts are those of everything else.
    """
    spread = shard.ep * shard.etp
    if spread == shard.tp:
        return Group(size=shard.cp, stride=shard.tp)
    return ExpertGroup(size=shard.cp * shard.tp, stride=spread, spread=spread)


def uniform_group(strategy: Strategy) -> Group:
    """The ranks of one replica that hold the same parameters, where every layer is divided the same way."""
    return Group(size=strategy.cp * strategy.split_degree, stride=strategy.tp)


def share_shards(group: Group, strategy: Sharing) -> int:
    """Ranks over which ZeRO divides one copy of what a group holds; experts have as many as the rest."""
    degree, whole = strategy.shard_degree, replica_group(group, strategy).size
    part = whole * degree // strategy.replicas if isinstance(group, ExpertGroup) else degree
    return choose(strategy.zero, choose(degree, part, whole), 1)


def gradient_bytes(parameters: Amount, pricing: Pricing) -> Amount:
    """[bytes] of the gradient that is reduced; never in fewer than the backward pass writes."""
    return parameters * gradient_element(pricing)


def gradient_element(pricing: Pricing) -> int:
    """[bytes] of one element of the gradient that is reduced and accumulated."""
    stack, precision = pricing.stack, pricing.precision
    least = MAIN_GRADIENT if stack.main_gradient == "accumulated" and precision.mixed_bf16 else 0
    return max(stack.gradient_size, precision.gradient, least)


def gradient_sum_time(nbytes: float, group: Group, pricing: Pricing) -> float:
    """[s] to all-reduce ``nbytes`` of gradients, by the stack's algorithm and at its speed.

    Raises:
        CollectiveError: the algorithm does not apply to the group.
    """
    return _sum_seconds(Operation.ALL_REDUCE, nbytes, group, pricing, pricing.stack.gradient_algorithm)


def _sum_seconds(
    operation: Operation, nbytes: float, group: Group, pricing: Pricing, algorithm: str = "auto"
) -> float:
    """[s] by the links or by the software, whichever is slower.

    The software moves data at a share, ``reduction_speed``, of what all ports of a device carry; links that
    the group cannot use in full hold it back only where they carry less than that, and links whose rate was
    measured on training steps contain it (`hardware.link.Link.occupancy`).
    """
    stack, cluster = pricing.stack, pricing.cluster
    links = collective_seconds(operation, nbytes, group, cluster, stack.library, algorithm)
    if cluster.levels[0].link.occupancy:
        return links
    plain = unwired(cluster)
    if plain is cluster:
        return links / stack.reduction_speed
    ports = collective_seconds(operation, nbytes, group, plain, stack.library, algorithm)
    return larger(links, ports / stack.reduction_speed)


def reductions(
    shares: Iterable[GradientShare], strategy: Strategy, pricing: Pricing, *, copies: bool = True
) -> Iterator[Collective]:
    """What adds up the gradients of some parameters: per group, one collective or two.

    Without ZeRO an all-reduce over all replicas; with it a reduce-scatter over the shards and, where several
    sharded copies exist, an all-reduce of each shard across them (Rajbhandari et al. 2020); under ZeRO-1 an
    all-reduce in stacks that do not divide the sum (`Stack.sharded_sum`). In a stack without buckets every
    variable goes alone.

    Args:
        shares: what is added up; those of one group travel together.
        strategy: with its ZeRO stage and shards.
        pricing: what prices it.
        copies: add up across sharded copies too.
    """
    for share in merged_shares(shares):
        yield from share_reductions(share, strategy, pricing, copies=copies)


def share_reductions(
    share: GradientShare, strategy: Sharing, pricing: Pricing, *, copies: bool = True
) -> Iterator[Collective]:
    """What adds up the gradients of one share; or of a table of them, each with a strategy of its own."""
    if strategy.compression:
        yield from _compressed(share, strategy, pricing)
        return
    group, shards = replica_group(share.group, strategy), _summed_shards(share.group, strategy, pricing)
    nbytes = gradient_bytes(share.parameters, pricing)
    calls = 1 if pricing.stack.bucket else max(1, share.tensors)
    if some((shards > 1) & (nbytes > 0)):
        copying = choose(shards > 1, _copy_seconds(2 * nbytes, strategy, pricing), 0.0)
        before = copying + choose(shards > 1, _call_seconds(strategy, pricing), 0.0)
        scatter = _scatter(nbytes, Group(size=shards, stride=group.stride), pricing, calls, before)
        yield replace(scatter, copying=copying)
    across = Group(size=group.size // shards, stride=group.stride * shards)
    if copies and some((across.size > 1) & (nbytes > 0)):
        seconds = calls * gradient_sum_time(nbytes / shards / calls, across, pricing)
        copying = _bucket_seconds(nbytes, strategy, pricing)
        agreed = pricing.stack.negotiation * share.tensors * across.size
        yield Collective(
            Operation.ALL_REDUCE,
            across,
            nbytes / shards,
            seconds + copying,
            negotiation=agreed,
            copying=copying,
        )


def _summed_shards(group: Group, strategy: Sharing, pricing: Pricing) -> int:
    """Ranks that each receive a part of the sum: those of ZeRO, unless all of them receive all of it."""
    shards = share_shards(group, strategy)
    if pricing.stack.sharded_sum == "reduce_scatter":
        return shards
    return choose(strategy.zero < SCATTERED, 1, shards)


def _compressed(share: GradientShare, strategy: Sharing, pricing: Pricing) -> Iterator[Collective]:
    """What adds up compressed gradients: collectives, the first with the kernels before, the last after."""
    group = replica_group(share.group, strategy)
    if group.size == 1 or not np.any(share.parameters > 0):
        return
    found = compress(
        share.parameters,
        gradient_element(pricing),
        parse_compression(strategy.compression),
        group,
        pricing,
        dense=share.dense,
        factors=share.factors * strategy.micro_batch,
    )
    last = len(found.exchanges) - 1
    for place, (operation, nbytes, seconds) in enumerate(found.exchanges):
        yield Collective(
            operation,
            group,
            nbytes,
            seconds,
            encode=found.encode if place == 0 else 0.0,
            decode=found.decode if place == last else 0.0,
        )


def _scatter(nbytes: float, group: Group, pricing: Pricing, calls: int, before: float) -> Collective:
    seconds = _sum_seconds(Operation.REDUCE_SCATTER, nbytes / calls, group, pricing)
    return Collective(Operation.REDUCE_SCATTER, group, nbytes, calls * seconds + before)


def _copy_seconds(nbytes: float, strategy: Sharing, pricing: Pricing) -> float:
    """[s] of copies around a collective of parameters or gradients that keep their own shapes under ZeRO-3.

    PyTorch's ``fully_shard`` packs a group's shards into one buffer before it gathers them, copies parameters
    out of what arrives, and packs gradients before it scatters them (torch 2.13, distributed/fsdp/
    _fully_shard/_fsdp_collectives.py: all_gather_copy_in, split_with_sizes_copy, chunk_cat). They run in the
    order of the collective, so they count as part of it.

    Args:
        nbytes: [bytes] read and written.
        strategy: with its ZeRO stage.
        pricing: what prices it.
    """
    if not pricing.stack.shard_copies or not some(strategy.zero >= WHOLE):
        return 0.0
    copy = Kernel("shard copy", OperatorKind.ELEMENTWISE, 0.0, nbytes, pricing.precision.matmul)
    return choose(strategy.zero >= WHOLE, launch_time(pricing.cost_model, copy), 0.0)


def _bucket_seconds(nbytes: float, strategy: Sharing, pricing: Pricing) -> float:
    """[s] in which gradients are copied to the buckets that are reduced, and divided on the way.

    torch/csrc/distributed/c10d/reducer.cpp, ``mark_variable_ready_dense``: one pass from the gradient to its
    place.
    """
    if not pricing.stack.bucket_copies or not some(strategy.zero == 0):
        return 0.0
    copy = Kernel("bucket copy", OperatorKind.ELEMENTWISE, 0.0, 2 * nbytes, pricing.precision.matmul)
    return choose(strategy.zero == 0, launch_time(pricing.cost_model, copy), 0.0)


def _call_seconds(strategy: Sharing, pricing: Pricing) -> float:
    """[s] of host time around a gather or a scatter of ZeRO-3."""
    return choose(strategy.zero >= WHOLE, pricing.stack.shard_call, 0.0)


def gathers(shares: Iterable[GradientShare], strategy: Strategy, pricing: Pricing) -> Iterator[Collective]:
    """What gathers the parameters that ZeRO shards: per group one all-gather."""
    for share in merged_shares(shares):
        yield from share_gathers(share, strategy, pricing)


def share_gathers(share: GradientShare, strategy: Sharing, pricing: Pricing) -> Iterator[Collective]:
    """What gathers the parameters of one share; or of a table of them, each with a strategy of its own."""
    shards = share_shards(share.group, strategy)
    nbytes = share.parameters * _gathered_size(strategy, pricing)
    if some((shards > 1) & (nbytes > 0)):
        group = Group(size=shards, stride=share.group.stride)
        seconds = _gather_seconds(nbytes, group, strategy, pricing)
        copies = _copy_seconds(2 * nbytes / shards, strategy, pricing)
        copies = choose(shards > 1, copies + _copy_seconds(2 * nbytes, strategy, pricing), 0.0)
        calls = choose(shards > 1, _call_seconds(strategy, pricing), 0.0)
        yield Collective(Operation.ALL_GATHER, group, nbytes, seconds + copies + calls, copying=copies)


def _gathered_size(strategy: Sharing, pricing: Pricing) -> float:
    """[bytes] per parameter that is gathered."""
    precision = pricing.precision
    narrow = precision.gathered if pricing.stack.narrow_gathers else 0.0
    return choose(strategy.zero >= WHOLE, narrow or precision.parameter, precision.parameter)


def _gather_seconds(nbytes: float, group: Group, strategy: Sharing, pricing: Pricing) -> float:
    """[s] until every rank of a group has all parameters of which each has a part.

    A program that broadcasts the part of one rank after another (`Stack.parameter_gather`) waits for the way
    through the whole group as often as there are ranks.
    """
    cluster, library = pricing.cluster, pricing.stack.library
    seconds = collective_seconds(Operation.ALL_GATHER, nbytes, group, cluster, library=library)
    if pricing.stack.parameter_gather == "all_gather" or not some(strategy.zero < WHOLE):
        return seconds
    part = collective_seconds(Operation.BROADCAST, nbytes / group.size, group, cluster, library=library)
    return choose(strategy.zero < WHOLE, group.size * part, seconds)


def total_seconds(collectives: Iterable[Collective]) -> float:
    """[s] of collectives one after another."""
    return sum(collective.seconds for collective in collectives)
