"""The question that `plan` and `simulate` share: which network, on what, trained how; and what was assumed.

Defaults are the published ones of the network's family where they are known; of global batches they stand
with their sources in ``batches.toml``.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any

from hardware.cluster import Cluster
from hardware.device import Device
from hardware.profiles import load_mixed_cluster
from planner.questions.cluster_library import library_assumed, stack_on
from planner.questions.device_speeds import parse_speeds
from simdl.inputs.reader import parse_inputs
from simdl.software.reader import division, load_stack, network_stack
from simdl.software.stack import Stack
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.errors import WorkloadError
from workloads.imbalance import with_imbalance
from workloads.input_pipeline import InputPipeline
from workloads.network import Network
from workloads.operators import Pass
from workloads.optimizers import load_optimizer
from workloads.registry import load_network, registered_name
from workloads.workload import Workload


@dataclass(frozen=True, slots=True)
class Batches:
    """Global batches of networks that nobody gives one (``batches.toml``).

    Attributes:
        published: by the start of a network's name, of which the first that fits counts: ``sequences`` or
            ``tokens`` of a step, and the ``source``.
        per_device: samples by kind of sample.
        per_device_of: samples by network.
    """

    published: Mapping[str, Mapping[str, Any]]
    per_device: Mapping[str, int]
    per_device_of: Mapping[str, int]


BATCHES = Batches(**tomllib.loads(files("planner.questions").joinpath("batches.toml").read_text("utf-8")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says; None where it says nothing."""

    model: str
    cluster: str
    global_batch: int | None = None
    seq_len: int | None = None
    precision: str | None = None
    optimizer: str | None = None
    stack: str | None = None
    input_pipeline: str | None = None
    imbalance: float | None = None
    speeds: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Workload, cluster and stack, with a sentence for everything that was assumed.

    ``options`` are the question in words with nothing left open: they load the same question again.
    ``speeds`` are those of the devices of some ranks, as a factor of what their profile says.
    """

    workload: Workload
    cluster: Cluster
    stack: Stack
    assumptions: tuple[str, ...]
    options: Options
    speeds: Mapping[int, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Question: {self.workload!r} on {self.cluster!r}, {self.stack!r}>"


def load_question(options: Options) -> Question:
    """Read everything the options name.

    Raises:
        WorkloadError, HardwareError, SimdlError: unknown names, bad files or impossible sizes.
    """
    network = load_network(options.model, tokens=options.seq_len)
    return build_question(options, network, load_mixed_cluster(options.cluster))


def build_question(options: Options, network: Network, cluster: Cluster) -> Question:
    """The question of options whose model and cluster are read already.

    Raises:
        WorkloadError, HardwareError, SimdlError: unknown names or impossible sizes.
    """
    if options.imbalance is not None:
        network = with_imbalance(network, options.imbalance)
    devices = [part.device for part in cluster.parts]
    assumptions: list[str] = []
    if registered_name(options.model) != options.model:
        assumptions.append(f"network {network.name} (what {options.model} is registered as)")
    length = options.seq_len or _own_length(options.model, network)
    if options.seq_len is None and network.sample == "sequence":
        assumptions.append(f"sequence length {network.tokens:,} (that of {network.name})")
    batch = options.global_batch
    if batch is None:
        batch, reason = default_global_batch(network, cluster)
        assumptions.append(f"global batch {batch} ({reason})")
    precision = options.precision or default_precision(*devices)
    if options.precision is None:
        where = "the device" if len(devices) == 1 else "all devices"
        assumptions.append(f"precision {precision} (the shortest matrix format in common use on {where})")
    optimizer = options.optimizer or ("momentum" if network.sample == "image" else "adam")
    if options.optimizer is None:
        assumptions.append(f"optimizer {optimizer} (usual for {network.sample}s)")
    matmul = load_precision(precision).matmul
    slowest = min(devices, key=lambda device: device.flop_rate(matmul))
    divided = "layers" if cluster.devices > 1 else "replicas"
    stack = options.stack or network_stack(slowest.generation, network, divided)
    if options.stack is None:
        assumptions.append(_stack_assumed(stack, slowest.generation))
    assumptions += library_assumed(stack, cluster)
    workload = Workload(
        network=network,
        optimizer=load_optimizer(optimizer),
        precision=load_precision(precision),
        global_batch=batch,
        inputs=_inputs(options, network, cluster, assumptions),
    )
    return Question(
        workload=workload,
        cluster=cluster,
        speeds=parse_speeds(options.speeds, cluster) if options.speeds is not None else {},
        stack=stack_on(stack, cluster),
        assumptions=tuple(assumptions),
        options=replace(
            options,
            global_batch=batch,
            seq_len=length,
            precision=precision,
            optimizer=optimizer,
            stack=stack,
        ),
    )


def _inputs(
    options: Options, network: Network, cluster: Cluster, assumptions: list[str]
) -> InputPipeline | None:
    """The input pipeline that was asked for; what it assumes joins the other assumptions."""
    if options.input_pipeline is None:
        return None
    found = parse_inputs(options.input_pipeline, network, cluster)
    assumptions += [f"input pipeline: {note}" for note in found.notes]
    return found


def _own_length(model: str, network: Network) -> int | None:
    """The sequence length that asks for what a network is without one; None where no single number does.

    An encoder with a decoder has samples of two lengths, and images have none.
    """
    if network.sample != "sequence" or network.obstacle:
        return None
    try:
        same = load_network(model, tokens=network.tokens)
    except WorkloadError:  # its length is fixed
        return None
    alike = (same.tokens, same.flops(Pass.FORWARD)) == (network.tokens, network.flops(Pass.FORWARD))
    return network.tokens if alike else None


def for_strategy(question: Question, options: Options, strategy: Strategy) -> Question:
    """The question with the stack that usually runs such a strategy, where its user named none.

    Args:
        question: read from the options.
        options: as the user gave them.
        strategy: that will run.
    """
    if options.stack is not None:
        return question
    generation, network = question.cluster.device.generation, question.workload.network
    divided = division(tp=strategy.tp, pp=strategy.pp, cp=strategy.cp, zero=strategy.zero)
    schedule = strategy.schedule if strategy.pp > 1 else ""
    usual = network_stack(generation, network, divided)
    stack = network_stack(generation, network, divided, schedule=schedule)
    if stack == question.stack.name:
        return question
    before = _stack_assumed(question.stack.name, generation)
    why = divided if stack == usual else f"schedule {schedule}"
    said = tuple(
        f"{_stack_assumed(stack, generation)}, for {why}" if each == before else each
        for each in question.assumptions
    )
    return replace(
        question,
        stack=stack_on(stack, question.cluster),
        assumptions=said,
        options=replace(question.options, stack=stack),
    )


def _stack_assumed(name: str, generation: str) -> str:
    """Which stack was taken, and the tuning that it stands for."""
    tuning = load_stack(name).description.rstrip(".")
    return f"software stack {name} (default of {generation} devices; its tuning: {tuning})"


def default_global_batch(network: Network, cluster: Cluster) -> tuple[int, str]:
    """Samples per step where none are given, and why that many."""
    if network.sample == "graph":
        return 1, "the whole graph is one sample"
    for start, said in BATCHES.published.items():
        if network.name.startswith(start):
            samples, of_what = said.get("sequences"), ""
            if samples is None:
                samples = max(1, said["tokens"] // network.tokens)
                of_what = f"of {said['tokens']:,} tokens, "
            return shared_batch(samples, f"{of_what}published for {start}", cluster.devices)
    each = BATCHES.per_device_of.get(network.name, BATCHES.per_device[network.sample])
    return each * cluster.devices, f"{each} {network.sample}s per device"


def batch_was_assumed(question: Question) -> bool:
    """Whether nobody said the global batch of a question."""
    return any(sentence.startswith("global batch") for sentence in question.assumptions)


def assumed_batch(question: Question, cluster: Cluster) -> tuple[int, str]:
    """The global batch of a question of which nobody said one, on another cluster, and why that many.

    A published one is the same training everywhere, but for what the devices have to share; one that was
    assumed by the device stays that of the question's own cluster.
    """
    network, own = question.workload.network, question.cluster
    if default_global_batch(network, own)[1].endswith("per device"):
        return shared_batch(question.workload.global_batch, f"as on {own.name}", cluster.devices)
    return default_global_batch(network, cluster)


def shared_batch(batch: int, reason: str, devices: int) -> tuple[int, str]:
    """The nearest batch that replicas on all devices can share, moved by a sixteenth at most, and why.

    Replicas of an odd number of nodes do not divide a power of two; pipelines would have to take the odd
    factor. The batch becomes a multiple of it, and of as many powers of two of the devices as move it little.
    """
    step = devices // (devices & -devices)
    while step * 2 <= batch / 8 and devices % (step * 2) == 0:
        step *= 2
    rounded = max(1, round(batch / step)) * step if step <= batch else batch
    if rounded == batch:
        return batch, reason
    return (
        rounded,
        f"{batch} {reason}, rounded to a multiple of {step} so that {devices} devices can share it",
    )


def default_precision(*devices: Device) -> str:
    """bf16 where all devices have it, else fp16, else fp32."""
    had = (name for name in ("bf16", "fp16") if all(name in device.peak_flop_rate for device in devices))
    return next(had, "fp32")
