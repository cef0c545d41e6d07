"""The question of `simdl simulate --mode inference`: what is used on what, and what was assumed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hardware.cluster import Cluster
from hardware.profiles import load_mixed_cluster
from planner.questions.cluster_library import stack_on
from planner.questions.question import Options, default_precision
from simdl.errors import SimdlError
from simdl.inference.generation import generates
from simdl.inference.simulate import InferenceReport, simulate_inference
from simdl.software.reader import default_stack
from simdl.software.stack import Stack
from simdl.step.strategy import Strategy, tensor_problems
from workloads.dtypes import load_precision
from workloads.network import Network
from workloads.optimizers import load_optimizer
from workloads.registry import load_network, registered_name
from workloads.workload import Workload

PROMPT = 512
"""Tokens of a prompt where nobody says."""
GENERATED = 128
"""Tokens of an answer where nobody says."""
SERVING = "serving"
"""Stack that serves language models on devices whose collectives are NCCL's."""
SERVED_LIBRARY = "nccl"
NARROWER = "narrower weights (--precision fp8, `simdl transform`)"


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceQuestion:
    """What is used on what.

    Attributes:
        workload: the network, of a language model with the tokens of a prompt, and the batch of all replicas.
        cluster, strategy, stack: as given or assumed.
        token: the network of one token; None where no answer is written.
        generated: tokens of an answer.
        assumptions: a sentence for everything that was assumed.
        options: the question in words with nothing left open.
    """

    workload: Workload
    cluster: Cluster
    strategy: Strategy
    stack: Stack
    token: Network | None
    generated: int
    assumptions: tuple[str, ...]
    options: Options

    def answer(self, strategy: Strategy | None = None) -> InferenceReport:
        """What using the network takes.

        Args:
            strategy: in place of the question's.
        """
        return simulate_inference(
            self.workload,
            self.cluster,
            strategy or self.strategy,
            stack=self.stack,
            token=self.token,
            generated=self.generated,
        )


def load_inference(
    options: Options,
    *,
    degrees: Mapping[str, Any],
    generate: int | None,
    network: Network | None = None,
    cluster: Cluster | None = None,
) -> InferenceQuestion:
    """Read everything the options name.

    Args:
        options: of the question.
        degrees: fields of the strategy that were given.
        generate: tokens of an answer; None where nobody says.
        network: in place of the one that the options name; it reads its own tokens and writes none.
        cluster: in place of the one that the options name.

    Raises:
        WorkloadError, HardwareError, SimdlError: unknown names, bad files or impossible sizes.
    """
    Strategy(**degrees)  # refuses what no degree can be
    named = network is None
    network = network or load_network(options.model, tokens=options.seq_len)
    cluster = cluster or load_mixed_cluster(options.cluster)
    if cluster.more:
        raise SimdlError(
            f"cluster {cluster.name}: found several node types; expected one in use of a network"
        )
    said: list[str] = []
    if named and registered_name(options.model) != options.model:
        said.append(f"network {network.name} (what {options.model} is registered as)")
    writes = generates(network) and named
    if generate and not named:
        raise SimdlError(
            f"--generate {generate}: found a network that is an object; expected its name or file"
        )
    if writes and options.seq_len is None:
        network = load_network(options.model, tokens=min(PROMPT, network.tokens))
        said.append(f"prompt of {network.tokens:,} tokens (--seq-len says another)")
    elif options.seq_len is None and network.sample == "sequence":
        said.append(f"sequence length {network.tokens:,} (that of {network.name})")
    generated = generate if generate is not None else GENERATED if writes else 0
    if generate is None and writes:
        said.append(f"answer of {generated:,} tokens (--generate says another)")
    token = load_network(options.model, tokens=1) if writes and generated else None
    precision = options.precision or default_precision(cluster.device)
    if options.precision is None:
        said.append(f"precision {precision} (the shortest matrix format in common use on the device)")
    stack = _stack(options, cluster, network, said, writes=writes)
    batch = _batch(options, degrees, said)
    workload = Workload(
        network=network,
        optimizer=load_optimizer("momentum"),
        precision=load_precision(precision),
        global_batch=batch,
    )
    question = InferenceQuestion(
        workload=workload,
        cluster=cluster,
        strategy=Strategy(),
        stack=stack,
        token=token,
        generated=generated,
        assumptions=(),
        options=replace(
            options,
            global_batch=batch,
            seq_len=network.tokens if writes else options.seq_len,
            precision=precision,
            stack=stack.name,
        ),
    )
    strategy = _strategy(question, degrees, said)
    said += _said_of_device(cluster)
    return replace(question, strategy=strategy, assumptions=tuple(said))


def _stack(options: Options, cluster: Cluster, network: Network, said: list[str], *, writes: bool) -> Stack:
    if options.stack is not None:
        return stack_on(options.stack, cluster)
    generation = cluster.device.generation
    stack = stack_on(default_stack(generation, network.sample), cluster)
    if writes and stack.library == SERVED_LIBRARY and generation != "mobile":
        stack = stack_on(SERVING, cluster)
    said.append(f"software stack {stack.name} ({stack.description.rstrip('.')})")
    return stack


def _batch(options: Options, degrees: Mapping[str, Any], said: list[str]) -> int:
    if options.global_batch is not None:
        return options.global_batch
    each, replicas = degrees.get("micro_batch", 1), degrees.get("dp", 1)
    if "micro_batch" not in degrees:
        said.append(f"batch {each * replicas} (--global-batch says another)")
    return int(each * replicas)


def _strategy(question: InferenceQuestion, degrees: Mapping[str, Any], said: list[str]) -> Strategy:
    """Degrees as given; the rest: as few devices a replica as hold it, as many replicas as share a batch."""
    given = Strategy(**degrees)
    tp = given.tp
    if "tp" not in degrees:
        tp = _least_tp(question, given)
        if tp > 1:
            said.append(f"tp {tp} (the fewest devices that hold the network and what it keeps)")
    dp = given.dp
    if "dp" not in degrees:
        dp = _replicas(question, given, max(1, question.cluster.devices // tp))
        devices = question.cluster.devices
        if devices > 1:
            said.append(f"{dp} replica{'s' * (dp > 1)} on {dp * tp} of {devices} devices (--dp says another)")
    return replace(given, dp=dp, tp=tp)


def _replicas(question: InferenceQuestion, given: Strategy, most: int) -> int:
    batch = question.workload.global_batch
    if given.micro_batch > 1:
        return max(1, batch // given.micro_batch)
    return max(count for count in range(1, min(most, batch) + 1) if batch % count == 0)


def _least_tp(question: InferenceQuestion, given: Strategy) -> int:
    """The smallest degree that fits in memory; 1 where none does."""
    return _fitting_tp(question, given) or 1


def _fitting_tp(question: InferenceQuestion, given: Strategy) -> int:
    """The smallest degree that fits in memory; 0 where none does."""
    for tp in _degrees(question):
        replicas = given.dp if given.dp > 1 else _replicas(question, given, question.cluster.devices // tp)
        tried = replace(given, tp=tp, dp=replicas)
        try:
            if question.answer(tried).feasible:
                return tp
        except SimdlError:
            break  # another fault, which the strategy as given shows
    return 0


def _degrees(question: InferenceQuestion) -> Iterator[int]:
    network, most = question.workload.network, question.cluster.devices
    for tp in (1, 2, 4, 8, 16, 32, 64):
        if tp <= most and not list(tensor_problems(network, tp)):
            yield tp


def advice(question: InferenceQuestion) -> str:
    """What would let a network that does not fit be used, one clause."""
    fitting = _fitting_tp(question, question.strategy)
    if fitting:
        return f"--tp {fitting} fits"
    if question.workload.global_batch > question.strategy.dp:
        return f"expected a smaller batch, larger devices or {NARROWER}"
    return f"expected larger devices, more of them, or {NARROWER}"


RELATIVE = "efficiency.convolution.pointwise"
"""A speed over that of products: known from other devices, it says nothing of this one's kernels."""


def _said_of_device(cluster: Cluster) -> Iterator[str]:
    """That nobody measured a device, where its kernels' speed is assumed throughout."""
    device = cluster.device
    speeds = (each for each in device.numbers if each.path.startswith("efficiency") and each.path != RELATIVE)
    kinds = {number.citation.kind for number in speeds}
    if kinds == {"assumed"} and not device.kernels:
        yield f"device {device.name}: how fast its kernels are is assumed, not measured"
