"""What goes over the link to the host and what its cores do there: seconds, bytes and channels.

A device copies over the link that joins it to its host, which it may share with neighbours behind one switch;
all devices of a node share the bandwidth of its memory and the cores that update what lies there. A class of
equal ranks goes together, so its copies alone take what its own ranks leave each other (design decision 30).
Ren et al. 2021 (arXiv:2101.06840), Rajbhandari et al. 2021 (arXiv:2104.07857).
"""

from collections.abc import Iterable
from typing import NamedTuple

from hardware.cluster import Cluster, find_host
from simdl.kernels.pricing import Pricing
from simdl.program.action import Cause, Load, Purpose, Transfer
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel
from simdl.rank_names import name_ranks
from simdl.step.costs.block_cost import BlockCost
from simdl.step.costs.gradients import GradientShare, gradient_bytes, share_shards
from simdl.step.costs.step_cost import StepCost
from simdl.step.costs.update import moment_bytes
from simdl.step.strategy import Strategy
from workloads.workload import Workload

GRADIENT = 4
"""[bytes] per parameter of the gradient that an optimizer on the host adds up and reads: it works in FP32."""
FULL_ZERO = 3


class HostRates(NamedTuple):
    """What one of several ranks that go together gets of its host.

    Attributes:
        latency: [s] of a copy.
        copy: [bytes/s] in one direction.
        update: [bytes/s] that cores read and write for it.
    """

    latency: float
    copy: float
    update: float


def neighbours(strategy: Strategy, cluster: Cluster) -> tuple[int, int]:
    """Ranks of one class that share a link to the host, and that share the host."""
    width = strategy.tp * strategy.replicas
    on_node = min(width, cluster.node.devices)
    return min(on_node, find_host(cluster).devices_per_link), on_node


def host_rates(strategy: Strategy, cluster: Cluster) -> HostRates:
    """What a rank gets where all of its class go together.

    Raises:
        HardwareError: nothing is known of the host.
    """
    host = find_host(cluster)
    on_link, on_node = neighbours(strategy, cluster)
    each = host.link.bandwidth * host.link.efficiency / on_link
    return HostRates(host.link.latency, min(each, host.bandwidth / on_node), host.update_rate / on_node)


def streams_gradients(strategy: Strategy) -> bool:
    """Whether gradients go to the host as they are made, microbatch by microbatch.

    Replicas that do not shard their gradients add them up on the device first, as ZeRO-1 does.
    """
    return not strategy.reduces or (strategy.zero >= 2 and strategy.shards_state)


def hosted_shares(blocks: Iterable[BlockCost], flag: str) -> tuple[GradientShare, ...]:
    """Parameters of those blocks whose saver has a flag, ``"optimizer"`` or ``"parameters"``."""
    return tuple(share for block in blocks if getattr(block.saver, flag) for share in block.gradients)


def owned(shares: Iterable[GradientShare], strategy: Strategy) -> float:
    """Parameters of some shares that one rank updates."""
    return sum(share.parameters / share_shards(share.group, strategy) for share in shares)


def fetched_parameters(blocks: Iterable[BlockCost], strategy: Strategy, pricing: Pricing) -> float:
    """[bytes] of parameters in host memory that a pass over blocks needs."""
    size = pricing.precision.parameter
    return sum(
        share.parameters * size / (share_shards(share.group, strategy) if strategy.zero == FULL_ZERO else 1)
        for share in hosted_shares(blocks, "parameters")
    )


def sent_gradients(blocks: Iterable[BlockCost], strategy: Strategy, pricing: Pricing) -> float:
    """[bytes] of gradients of blocks that the host updates, in one microbatch."""
    return sum(
        gradient_bytes(share.parameters, pricing)
        / (share_shards(share.group, strategy) if strategy.zero >= 2 else 1)
        for share in hosted_shares(blocks, "optimizer")
    )


def kept_words(workload: Workload) -> float:
    """[bytes] per parameter that lie in host memory with its optimizer: state, master copy and gradient."""
    return moment_bytes(workload) + (workload.precision.master or workload.precision.parameter) + GRADIENT


def update_words(workload: Workload) -> float:
    """[bytes] per parameter that an update on the host reads and writes."""
    precision = workload.precision
    state = moment_bytes(workload) + (precision.master or precision.parameter)
    return 2 * state + GRADIENT + (precision.parameter if precision.master else 0)


def accumulate_words(pricing: Pricing) -> float:
    """[bytes] per parameter that adding a further microbatch's gradient to the sum reads and writes."""
    return 2 * GRADIENT + gradient_bytes(1, pricing)


class HostTransfers:
    """Makes the copies and updates of one step, and the channels that they load."""

    def __init__(self, step: StepCost, builder: ProgramBuilder) -> None:
        self._strategy, self._cluster = step.strategy, step.pricing.cluster
        self._host, self._builder = find_host(self._cluster), builder
        self._rates = host_rates(self._strategy, self._cluster)
        self._on_link, self._on_node = neighbours(self._strategy, self._cluster)
        self._width = self._strategy.tp * self._strategy.replicas

    def copy(self, rank: int, nbytes: float, purpose: Purpose, stage: int, *, outward: bool) -> Transfer:
        """A copy of one rank's bytes to its host, or back."""
        seconds = self._rates.latency + nbytes / self._rates.copy
        rate, host = nbytes / seconds, self._host
        reach = min(host.devices_per_link, self._cluster.node.devices)
        link = self._channel("link to the host", host.link.bandwidth, rank, reach, outward=outward)
        memory = self._channel("host memory", host.bandwidth, rank, self._cluster.node.devices)
        loads = (
            self._load(link, rate * self._on_link / host.link.bandwidth, rank, self._on_link),
            self._load(memory, rate * self._on_node / host.bandwidth, rank, self._on_node),
        )
        return Transfer(
            purpose=purpose,
            cause=Cause.HOST,
            operation=None,
            ranks=1,
            nbytes=nbytes,
            duration=seconds,
            loads=loads,
            stage=stage,
        )

    def update(self, rank: int, nbytes: float, stage: int) -> Transfer:
        """What the host's cores read and write for one rank."""
        node = self._cluster.node.devices
        cores = self._channel("host cores", self._host.update_rate, rank, node)
        return Transfer(
            purpose=Purpose.HOST_UPDATE,
            cause=Cause.OPTIMIZER,
            operation=None,
            ranks=1,
            nbytes=nbytes,
            duration=nbytes / self._rates.update,
            loads=(self._load(cores, 1.0, rank, self._on_node),),
            stage=stage,
        )

    def _channel(
        self, label: str, bandwidth: float, rank: int, reach: int, *, outward: bool = True
    ) -> Channel:
        low = rank * self._width // reach * reach
        direction = f", {'out' if outward else 'in'}" if label.startswith("link") else ""
        name = f"{label} of {name_ranks(low, reach)}{direction}"
        return Channel(name=name, bandwidth=bandwidth, reach=reach, outward=outward)

    def _load(self, channel: Channel, share: float, rank: int, members: int) -> Load:
        return Load(self._builder.channel(channel), min(1.0, share), rank * self._width, members)
