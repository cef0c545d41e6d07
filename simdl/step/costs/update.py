"""The update of a step: how long it takes, what ranks exchange for it, and what its state weighs.

Where a rule needs whole tensors that ranks share, they exchange: sums for norms (LARS, LAMB) and for row and
column means (Adafactor) are all-reduced over the ranks that share a tensor, by ZeRO or by tensor parallelism;
Muon gathers the momentum of hidden matrices in 16 bit over both (Liu et al. 2025, arXiv:2502.16982, algorithm
1) and multiplies whole matrices, each shard those of which it has a part. Quantities of tensors are means of
the network per parameter, so a stage of a pipeline has its share of them.
"""

from collections.abc import Iterator
from functools import lru_cache

from hardware.cluster import find_host
from hardware.link import Link
from simdl.communication import Group, Operation, collective_seconds
from simdl.kernels.cost_model import launch_time
from simdl.kernels.kernel import Kernel, Product
from simdl.kernels.pricing import Pricing, priced
from simdl.software.stack import Stack
from simdl.step.costs.block_cost import block_tensors
from simdl.step.costs.gradients import Collective, gradient_bytes
from simdl.step.strategy import Strategy
from workloads.amounts import choose, larger
from workloads.matrices import hidden_share, matrix_factors, weight_matrices
from workloads.network import Network
from workloads.operators import OperatorKind
from workloads.workload import Workload

MOMENTUM = 2
"""[bytes] per element of the momentum as Muon gathers and multiplies it (bf16)."""
SUM = 4
"""[bytes] of one sum for a norm or a mean."""


def update_time(owned: float, workload: Workload, pricing: Pricing, *, tp: int = 1) -> float:
    """[s] of the update of parameters: gradient, master and state words stream through memory once.

    Args:
        owned: elements that the rank updates.
        workload: with its precision and optimizer.
        pricing: what prices it.
        tp: tensor-parallel ranks, which all orthogonalise the matrices that they share.
    """
    precision, optimizer = workload.precision, workload.optimizer
    kept = moment_bytes(workload) + (precision.master or precision.parameter)
    words = 2 * kept + gradient_bytes(1, pricing)
    copies = precision.parameter if precision.master else 0
    beside = pricing.stack.optimizer_traffic + _stepwise_bytes(workload, pricing.stack)
    nbytes = owned * (words + copies + 4 * optimizer.passes + beside)
    name = f"{optimizer.name} update"
    update = Kernel(name, OperatorKind.ELEMENTWISE, owned * optimizer.flops, nbytes, precision.matmul)
    return launch_time(pricing.cost_model, update) + _orthogonal_time(owned, workload, pricing, tp)


def _stepwise_bytes(workload: Workload, stack: Stack) -> float:
    """[bytes] per parameter of an update an operation at a time, on tensors in the format of its state."""
    optimizer = workload.optimizer
    if optimizer.moment_size or optimizer.paged:  # bitsandbytes: one kernel
        return 0.0
    return stack.stepwise_traffic * workload.precision.moment / 4


def moment_bytes(workload: Workload) -> float:
    """[bytes] per parameter that the optimizer keeps beside a master copy."""
    optimizer = workload.optimizer
    size = optimizer.moment_size or workload.precision.moment
    numbers: float = optimizer.moments
    if optimizer.factored:
        numbers += matrix_factors(workload.network) / max(1, workload.network.parameters)
    if optimizer.orthogonal_steps:
        numbers += 1 - hidden_share(workload.network)
    return numbers * size


def update_collectives(
    parameters: float, strategy: Strategy, workload: Workload, pricing: Pricing
) -> Iterator[Collective]:
    """What ranks exchange for the update of parameters, in order: over ZeRO's shards, then tensor-parallel.

    Args:
        parameters: elements of a rank before ZeRO.
        strategy: with its degrees.
        workload: with its optimizer.
        pricing: what prices it.
    """
    optimizer = workload.optimizer
    if not optimizer.exchanges:
        return
    shards, tp = strategy.shards, strategy.tp
    groups = (Group(size=shards, stride=tp), Group(size=tp, stride=1))
    if optimizer.orthogonal_steps:
        operation = Operation.ALL_GATHER
        whole = parameters * hidden_share(workload.network) * MOMENTUM
        sizes = whole, whole / shards * tp
    else:
        operation = Operation.ALL_REDUCE
        sizes = (parameters * _sums(workload) * SUM,) * 2
    for group, nbytes in zip(groups, sizes, strict=True):
        if group.size > 1:
            library = pricing.stack.library
            seconds = collective_seconds(operation, nbytes, group, pricing.cluster, library=library)
            yield Collective(operation, group, nbytes, seconds)


def exchange_time(parameters: float, strategy: Strategy, workload: Workload, pricing: Pricing) -> float:
    """[s] of :func:`update_collectives` one after another."""
    return sum(each.seconds for each in update_collectives(parameters, strategy, workload, pricing))


def host_overhead(network: Network, strategy: Strategy, stack: Stack) -> float:
    """[s] of host work of a step outside its kernels: once, and for each variable of a stage on average."""
    return stack.step_overhead + stack.variable_overhead * _tensors(network) / strategy.pp


def page_time(nbytes: float, pricing: Pricing) -> float:
    """[s] to fetch pages of state from the host and to send them back.

    Raises:
        HardwareError: the profile of the node says nothing of its host.
    """
    link = host_link(pricing)
    return 2 * (link.latency + nbytes / (link.bandwidth * link.efficiency)) if nbytes > 0 else 0.0


def host_link(pricing: Pricing) -> Link:
    """What joins the device to its host's memory.

    Raises:
        HardwareError: the profile of the node says nothing of its host.
    """
    return find_host(pricing.cluster).link


def _sums(workload: Workload) -> float:
    """Sums per parameter that ranks which share tensors add up."""
    network, optimizer = workload.network, workload.optimizer
    count = optimizer.norms * _tensors(network)
    return (count + (matrix_factors(network) if optimizer.factored else 0)) / max(1, network.parameters)


@lru_cache(maxsize=256)
def _tensors(network: Network) -> int:
    return sum(block_tensors(block) * block.count for block in network.blocks)


def _orthogonal_time(owned: float, workload: Workload, pricing: Pricing, tp: int) -> float:
    """[s] of Newton-Schulz iterations; a rank that has part of a matrix multiplies the whole."""
    steps = workload.optimizer.orthogonal_steps
    if not steps:
        return 0.0
    each, longest = _iteration_times(workload.network, pricing)
    seconds: float = larger(owned * tp * each, longest)
    return steps * choose(owned > 0, seconds, 0.0)


@lru_cache(maxsize=256)
def _iteration_times(network: Network, pricing: Pricing) -> tuple[float, float]:
    """[s] of one iteration per parameter of the network, and of its largest matrix.

    X (m x n, m <= n) becomes a X + (b A + c A^2) X with A = X X^T: three products (Jordan et al. 2024).
    """
    dtype = "bf16" if "bf16" in pricing.cluster.device.peak_flop_rate else pricing.precision.matmul
    total = longest = 0.0
    for matrix in weight_matrices(network):
        if not matrix.hidden:
            continue
        m, n = sorted((matrix.rows, matrix.columns))
        shapes = (Product(m, m, n), Product(m, m, m), Product(m, n, m))
        seconds = priced(pricing, [_product(shape, dtype) for shape in shapes]).device
        total += matrix.count * seconds
        longest = max(longest, seconds)
    return total / max(1, network.parameters), longest


def _product(shape: Product, dtype: str) -> Kernel:
    m, n, k = shape.m, shape.n, shape.k
    nbytes = MOMENTUM * (m * k + k * n + m * n)
    return Kernel("orthogonalise", OperatorKind.MATMUL, 2.0 * m * n * k, nbytes, dtype, shape)
