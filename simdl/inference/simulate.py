"""Use of a network: one batch through it, or answers of a language model to a batch of prompts.

A forward pass is priced as that of a training step (`simdl.step`), on the network as it runs outside training
(`workloads.evaluation`): kernels back to back, at the host's pace where launching takes longer. Replicas work
side by side and share nothing. Time grows linearly with the tokens in the cache between two windows' ends, so
the tokens of an answer take the mean of the first, the middle and the last, by Simpson's rule.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from hardware.cluster import Cluster
from hardware.device import Device
from simdl.errors import SimdlError, StrategyError
from simdl.inference.forward import forward_cost, forward_pricing
from simdl.inference.generation import cache_bytes, check_generates, reading, without_predictors, writing
from simdl.inference.layer_uses import LayerUse, kind_seconds, layer_uses
from simdl.inference.memory import forward_memory, forward_shortfall
from simdl.kernels.pricing import Pricing
from simdl.kernels.sharding import Shard
from simdl.power.device_power import device_power_model
from simdl.report.kernel_evidence import untold_kernels
from simdl.software.stack import Stack
from simdl.step.costs.stage import PassCost
from simdl.step.strategy import Strategy, expert_problems, tensor_problems
from workloads.evaluation import integer_arithmetic
from workloads.network import Network
from workloads.weight_format import TWO_OF_FOUR, UNSTRUCTURED
from workloads.workload import Workload

SERVED = ("dp", "tp", "ep", "etp", "micro_batch")
"""Fields of a strategy that say something of a network in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardPass:
    """One forward pass of a replica's batch.

    Attributes:
        latency: [s].
        breakdown: [s] by cause; adds up to ``latency``.
        layers: in the order of the network.
        flops: of all devices of the replica.
        energy: [J] of all devices of the replica, by what takes it; empty where nothing says.
    """

    latency: float
    breakdown: Mapping[str, float]
    layers: tuple[LayerUse, ...]
    flops: float
    energy: Mapping[str, float]

    @property
    def joules(self) -> float | None:
        """[J] of the pass; None where nothing says."""
        return sum(self.energy.values()) if self.energy else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The tokens of an answer, one after another.

    Attributes:
        tokens: of an answer.
        first, last: the passes that add its first and its last token.
        latency: [s] of all of them.
        joules: [J] of all of them for one replica; None where nothing says.
        cache_per_token: [bytes] of keys and values of one token on one device.
    """

    tokens: int
    first: ForwardPass
    last: ForwardPass
    latency: float
    joules: float | None
    cache_per_token: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceReport:
    """What using a network takes.

    Attributes:
        batch: samples that a replica takes together.
        replicas: that work side by side.
        devices: of all replicas.
        latency: [s] from a batch to its result; of a language model, to the last token.
        samples_per_s: of all replicas.
        prompt: tokens that are read; 1 for samples that are none.
        read: the pass over the batch, or over the prompts.
        generation: the tokens of the answers; None where none are written.
        memory: [bytes] of a device by part.
        joules: [J] of a sample; None where nothing says.
        power: [W] of all devices, mean; None likewise.
        feasible, reasons: whether it fits in memory, and why not.
        warnings: what a reader of the numbers should know.
        provenance: stack, profiles and the kinds of their numbers.
    """

    batch: int
    replicas: int
    devices: int
    latency: float
    samples_per_s: float
    prompt: int
    read: ForwardPass
    generation: Generation | None
    memory: Mapping[str, float]
    joules: float | None
    power: float | None
    feasible: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    provenance: Mapping[str, Any]

    @property
    def peak_memory(self) -> float:
        """[bytes] of the fullest device."""
        return sum(self.memory.values())


def simulate_inference(
    workload: Workload,
    cluster: Cluster,
    strategy: Strategy,
    *,
    stack: Stack,
    token: Network | None = None,
    generated: int = 0,
) -> InferenceReport:
    """Simulate a batch through a network, or a batch of answers.

    Args:
        workload: the network, of a language model with the tokens of a prompt, and the batch of all replicas.
        cluster: with the devices.
        strategy: replicas (``dp``) and the devices that share one (``tp``, ``ep``).
        stack: the software.
        token: the network of one token, where an answer is written.
        generated: tokens of an answer.

    Raises:
        StrategyError: the strategy cannot be carried out.
        SimdlError: the network generates no tokens, or the device has no kernels for its zeros.
    """
    check_generates(workload.network, generated)
    workload = replace(workload, network=without_predictors(workload.network))
    token = None if token is None else without_predictors(token)
    reasons = tuple(_problems(workload, cluster, strategy))
    if reasons:
        raise StrategyError(reasons)
    _check_patterns(workload.network, cluster.device)
    case = _Case(workload=workload, cluster=cluster, stack=stack, strategy=strategy)
    network = workload.network if token is None else reading(workload.network, token)
    read = _forward(case, network)
    generation = None if token is None or not generated else _generation(case, token, generated)
    pricing = _pricing(case, network)
    context = workload.network.tokens + generated if generation else 0
    shard = _shard(strategy, case.batch)
    memory = forward_memory(pricing.network, pricing, shard, context=context)
    return _report(case, pricing, read, generation, memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What is asked, in one piece."""

    workload: Workload
    cluster: Cluster
    stack: Stack
    strategy: Strategy

    @property
    def batch(self) -> int:
        """Samples that a replica takes together."""
        return self.workload.global_batch // self.strategy.dp

    @property
    def shared(self) -> int:
        """Devices of a replica."""
        return self.strategy.tp


def _problems(workload: Workload, cluster: Cluster, strategy: Strategy) -> Iterator[str]:
    """Reasons why a network cannot be used so, one sentence each."""
    plain = Strategy()
    for each in fields(Strategy):
        if each.name not in SERVED and getattr(strategy, each.name) != getattr(plain, each.name):
            found = getattr(strategy, each.name)
            yield f"{each.name}: found {found!r} in use of a network; expected {', '.join(SERVED)} alone"
    used = strategy.dp * strategy.tp
    if used > cluster.devices:
        found = f"dp {strategy.dp} x tp {strategy.tp} = {used}: {cluster.name} has {cluster.devices}"
        yield f"{found}; expected at most as many devices"
    if workload.global_batch % strategy.dp:
        yield f"dp {strategy.dp} does not divide batch {workload.global_batch}; expected a divisor"
    elif strategy.micro_batch not in (1, workload.global_batch // strategy.dp):
        yield (
            f"micro-batch {strategy.micro_batch} x dp {strategy.dp} is not batch {workload.global_batch}; "
            "expected their product"
        )
    yield from _expert_faults(workload.network, strategy)
    yield from tensor_problems(workload.network, strategy.tp)


def _expert_faults(network: Network, strategy: Strategy) -> Iterator[str]:
    if not network.experts:
        for name, degree in (("ep", strategy.ep), ("etp", strategy.etp)):
            if degree > 1:
                yield f"{name}: found {degree}; expected 1, because {network.name} has no experts"
        return
    ranks, used = strategy.ep * strategy.expert_tensor, strategy.dp * strategy.tp
    if used % ranks:
        yield f"ep {strategy.ep} x etp {strategy.expert_tensor} = {ranks} does not divide dp x tp = {used}"
    yield from expert_problems(network, strategy.ep, strategy.expert_tensor)


def _check_patterns(network: Network, device: Device) -> None:
    """Refuse 2:4 sparsity where the device has no kernels for it.

    Raises:
        SimdlError: such a layer; names the first.
    """
    for block in network.blocks:
        for layer in block.layers:
            form = layer.weight_format
            if form is not None and form.pattern == TWO_OF_FOUR and TWO_OF_FOUR not in device.sparsity:
                raise SimdlError(
                    f"layer {block.name}/{layer.name}: 2:4 sparsity: device {device.name} has no kernels for "
                    "it; expected one with sparse matrix units, such as a100-sxm-80gb, or zeros at any place"
                )


def _shard(strategy: Strategy, batch: int) -> Shard:
    return Shard(tp=strategy.tp, ep=strategy.ep, etp=strategy.expert_tensor, micro_batch=batch)


def _pricing(case: _Case, network: Network) -> Pricing:
    """What prices the network as it runs outside training on this device."""
    return forward_pricing(replace(case.workload, network=network), case.cluster, stack=case.stack)


def _forward(case: _Case, network: Network) -> ForwardPass:
    """One pass of a replica's batch."""
    pricing, shard = _pricing(case, network), _shard(case.strategy, case.batch)
    cost = forward_cost(pricing, shard)
    uses = layer_uses(pricing, shard)
    return ForwardPass(
        latency=cost.duration,
        breakdown={cause.value: seconds for cause, seconds in cost.parts},
        layers=uses,
        flops=sum(use.flops for use in uses) * case.shared,
        energy=_energy(uses, cost, case),
    )


def _energy(uses: tuple[LayerUse, ...], cost: PassCost, case: _Case) -> dict[str, float]:
    """[J] of a replica's devices: of their layers, and while they wait."""
    found: dict[str, float] = {}
    for use in uses:
        for part, joules in use.energy.items():
            found[part] = found.get(part, 0.0) + joules * case.shared
    device = case.cluster.device
    if found and not device.energy:
        waiting = max(0.0, cost.duration - sum(use.seconds for use in uses))
        found["waiting"] = device_power_model(device).idle * waiting * case.shared
    return found


def _generation(case: _Case, token: Network, generated: int) -> Generation:
    prompt = case.workload.network.tokens

    def add(context: int) -> ForwardPass:
        step = writing(token, context=context, sequences=case.batch, ep=case.strategy.ep)
        return _forward(case, step)

    first, middle, last = (add(prompt + place) for place in (0, (generated - 1) // 2, generated - 1))
    passes = (first, middle, last)
    cache = cache_bytes(token, tokens=1, tp=case.strategy.tp, element=case.workload.precision.activation)
    joules = [each.joules for each in passes if each.joules is not None]
    return Generation(
        tokens=generated,
        first=first,
        last=last,
        latency=generated * _mean([each.latency for each in passes]),
        joules=generated * _mean(joules) if joules else None,
        cache_per_token=cache,
    )


def _mean(values: Sequence[float]) -> float:
    """Simpson's rule over first, middle and last."""
    first, middle, last = values
    return (first + 4 * middle + last) / 6


def _report(
    case: _Case,
    pricing: Pricing,
    read: ForwardPass,
    generation: Generation | None,
    memory: Mapping[str, float],
) -> InferenceReport:
    latency = read.latency + (generation.latency if generation else 0.0)
    joules = read.joules
    if joules is not None and generation is not None:
        joules += generation.joules or 0.0
    reasons = forward_shortfall(memory, pricing)
    return InferenceReport(
        batch=case.batch,
        replicas=case.strategy.dp,
        devices=case.strategy.dp * case.shared,
        latency=latency,
        samples_per_s=case.workload.global_batch / latency,
        prompt=case.workload.network.tokens,
        read=read,
        generation=generation,
        memory=memory,
        joules=None if joules is None else joules / case.batch,
        power=None if joules is None else joules / latency * case.strategy.dp,
        feasible=not reasons,
        reasons=reasons,
        warnings=tuple(_warnings(case)),
        provenance=_provenance(case, pricing),
    )


def _warnings(case: _Case) -> Iterator[str]:
    device, network = case.cluster.device, case.workload.network
    forms = [(layer, layer.weight_format) for block in network.blocks for layer in block.layers]
    patterns = {form.pattern for _, form in forms if form is not None}
    if UNSTRUCTURED in patterns and UNSTRUCTURED not in device.sparsity:
        yield (
            f"device {device.name} has no kernels for zeros at any place: they save bytes of the file, not "
            "memory or time"
        )
    wanted = {dtypes for layer, _ in forms if (dtypes := integer_arithmetic(layer))}
    for dtypes in sorted(dtypes for dtypes in wanted if not set(dtypes) & set(device.peak_flop_rate)):
        yield (
            f"device {device.name} has no {' or '.join(dtypes)} arithmetic: products of such layers are "
            f"computed in {case.workload.precision.matmul}"
        )
    if not device.energy and not device.power:
        yield f"device {device.name}: no board power is published; energy is not known"


def _provenance(case: _Case, pricing: Pricing) -> dict[str, Any]:
    device, stack = case.cluster.device, case.stack
    kinds: dict[str, int] = {}
    for number in (*stack.numbers, *device.numbers):
        kinds[number.citation.kind] = kinds.get(number.citation.kind, 0) + 1
    energy = f"operations in {device.energy}" if device.energy else "power of the device over time"
    return {
        "stack": stack.name,
        "cluster": case.cluster.name,
        "device": device.name,
        "network": case.workload.network.source,
        "numbers": kinds,
        "kernels": list(
            untold_kernels(
                device,
                kind_seconds(pricing, _shard(case.strategy, case.batch)),
                precision=case.workload.precision,
                network=case.workload.network,
                stack=stack,
            )
        ),
        "energy": energy,
        "power": list(device_power_model(device).notes) if device.power and not device.energy else [],
    }
