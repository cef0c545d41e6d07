"""A training to launch, and what a framework's file makes of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from planner.console.format import format_strategy
from planner.questions.question import Question
from simdl.errors import SimdlError
from simdl.pipelines import same_order
from simdl.step.strategy import PLAIN, Strategy
from workloads.network import SEQUENTIAL, Network

INTERLEAVED = "interleaved-1f1b"
SINGLE_STAGE = (PLAIN, "gpipe")
"""Schedules of one stage for each rank."""
TAKEN = 2
"""Virtual stages that torch.distributed.pipelining's users take where nobody says."""


class LaunchError(SimdlError):
    """A framework cannot run a strategy at all, or a file cannot be read back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A strategy with everything around it that a launch file names.

    Attributes:
        question: network, cluster, batch, precision, optimizer and software stack.
        strategy: how the work is divided.
    """

    question: Question
    strategy: Strategy

    @property
    def title(self) -> str:
        """The job in one line."""
        workload, cluster = self.question.workload, self.question.cluster
        return (
            f"{workload.network.name} on {cluster.name}, global batch {workload.global_batch}: "
            f"{format_strategy(self.strategy)}"
        )

    @property
    def layers(self) -> int:
        """Repeated blocks of the network: what frameworks call layers."""
        return self.question.workload.network.repeated[1]

    @property
    def tokens(self) -> int:
        """Sequence length."""
        return self.question.workload.network.tokens

    @property
    def microbatches(self) -> int:
        """Of one replica in a step."""
        return self.strategy.microbatches(self.question.workload.global_batch)

    @property
    def schedule(self) -> str:
        """The pipeline schedule; ``PLAIN`` where another name means the same order."""
        strategy = self.strategy
        plain = strategy.pp == 1 or same_order(strategy.schedule, PLAIN, strategy.pp, strategy.virtual_stages)
        return PLAIN if plain else strategy.schedule

    @property
    def nodes(self) -> int:
        """Of the cluster."""
        return self.question.cluster.devices // self.question.cluster.node.devices

    @property
    def devices_per_node(self) -> int:
        """Processes that a launcher starts on each node."""
        return self.question.cluster.node.devices


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting of a framework.

    Attributes:
        name: as the framework spells it.
        value: as the framework writes it; None for a flag that stands alone.
        why: which key of the question or strategy it comes from, in words.
    """

    name: str
    value: object
    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A key that the framework cannot express.

    Attributes:
        key: of the strategy or the question.
        text: what was found and what the framework does instead.
    """

    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Files that run a job.

    Attributes:
        files: text by name, the main one first.
        line: the command that starts it.
        lost: what they cannot say.
        notes: what a user must know or fill in.
    """

    files: Mapping[str, str]
    line: str
    lost: tuple[Lost, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a file is read for: the machine and the network, which most files do not name.

    Attributes:
        devices: of the cluster.
        devices_per_node: of one of its nodes.
        layers: repeated blocks of the network.
        before, behind: blocks of its chain before and behind those.
    """

    devices: int
    devices_per_node: int
    layers: int
    before: int
    behind: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a file says.

    Attributes:
        strategy: values by key of a strategy.
        question: values by key of the question (``global_batch``, ``seq_len``, ``precision``, ``optimizer``).
        notes: what was found and is not modelled, one sentence each.
    """

    strategy: Mapping[str, Any]
    question: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A framework's launch file.

    Attributes:
        name: of ``--format``.
        title: the framework, and the version whose sources the names were read from.
        write: the files of a job.
        read: what the text of a file says; None where it cannot be read back.
        recognise: whether a text of a file of this name is one.
        own_program: whether the training program is the user's own, and so of any network.
        stack: the software stack of the framework; "" where a file does not tell its version.
    """

    name: str
    title: str
    write: Callable[[Job], Launch]
    read: Callable[[str, Context], Read] | None = None
    recognise: Callable[[str, str], bool] = lambda _name, _text: False
    own_program: bool = False
    stack: str = ""


def fsdp2_zero(*, piped: bool) -> int:
    """ZeRO stage of FSDP2 that keeps parameters from one pass to the next.

    A pipeline reduces gradients after its last backward pass only: until then ``set_requires_gradient_sync``
    and ``set_reshard_after_backward`` are off, so that gradients accumulate whole and parameters stay
    (PyTorch 2.13, ``torch/distributed/pipelining/stage.py``, ``backward_maybe_with_nosync``).
    """
    return 1 if piped else 2


def say(launch: Launch) -> Iterator[str]:
    """Warnings and notes of a launch, one line each."""
    yield from (f"warning: {lost}" for lost in launch.lost)
    yield from (f"note: {note}" for note in launch.notes)


def launch_json(found: Format, launch: Launch) -> dict[str, Any]:
    """A launch by key."""
    return {
        "format": found.name,
        "title": found.title,
        "files": dict(launch.files),
        "line": launch.line,
        "warnings": [{"key": lost.key, "text": lost.text} for lost in launch.lost],
        "notes": list(launch.notes),
    }


def refuse_unlaunchable(job: Job, framework: str) -> None:
    """Refuse what divides the devices in a way that no framework's file can say.

    Raises:
        LaunchError: layers split one by one, shares of unlike replicas, or compressed gradients.
    """
    strategy = job.strategy
    for key, asked in (
        ("split_degree", strategy.split_degree > 1),
        ("shares", bool(strategy.shares)),
    ):
        if asked:
            raise LaunchError(
                f"{key}: found {getattr(strategy, key)}; {framework} has nothing of the kind; expected a "
                "strategy that divides all layers and samples alike"
            )
    sized = strategy.devices
    if sized != job.question.cluster.devices:
        raise LaunchError(
            f"strategy of {sized} devices; expected the {job.question.cluster.devices} of "
            f"{job.question.cluster.name}"
        )


def refuse_other_networks(job: Job, framework: str, *, state_space: bool = False) -> None:
    """Refuse networks that a framework's own training program does not train.

    Raises:
        LaunchError: the network is no decoder of tokens.
    """
    network = job.question.workload.network
    if not is_decoder(network, state_space=state_space):
        raise LaunchError(
            f"model: found {network.name}; {framework} trains decoders of tokens; expected such a network, "
            "or deepspeed or accelerate, which run a training program of your own"
        )


def is_decoder(network: Network, *, state_space: bool = True) -> bool:
    """Whether a network predicts the next token from all before it, by causal attention or state spaces."""
    layers = [layer for block in network.blocks for layer in block.layers]
    cores = [layer.core for layer in layers if layer.core is not None]
    walking = {layer.kind for layer in layers} & SEQUENTIAL
    mixes = bool(cores or walking)
    allowed = {"state_space"} if state_space else set()
    return (
        network.sample == "sequence" and mixes and walking <= allowed and all(core.causal for core in cores)
    )


def whole_degree(job: Job) -> Iterator[Lost]:
    """A shard degree of all replicas, which files write as none."""
    strategy = job.strategy
    if strategy.zero and strategy.shard_degree == strategy.replicas > 1:
        yield Lost("shard_degree", f"found {strategy.shard_degree}, all replicas; written as the default 0")


def same_schedule(job: Job) -> Iterator[Lost]:
    """A schedule that is another one by name alone, as every one is without a pipeline."""
    strategy = job.strategy
    if job.schedule != strategy.schedule:
        yield Lost("schedule", f"found {strategy.schedule}, the same as {job.schedule} with pp {strategy.pp}")


def lost_savers(job: Job, *, layers: bool = False) -> Iterator[Lost]:
    """What no setting says of recomputation layer by layer, and of host memory.

    ``layers`` says whether the framework recomputes the first layers of a stage alone.
    """
    strategy = job.strategy
    if strategy.recompute_layers and not layers:
        yield Lost("recompute_layers", f"found {strategy.recompute_layers}; all layers are recomputed")
    if strategy.savers:
        yield Lost("savers", f"found {strategy.savers!r}; no setting says it layer by layer: none is written")


def layers_of_stage(job: Job, framework: str) -> int:
    """Layers of a virtual stage, of which frameworks make as many as it takes to hold all.

    Raises:
        LaunchError: that is another number of stages than the strategy has.
    """
    strategy = job.strategy
    virtual = strategy.virtual_stages
    each = ceil(job.layers / (strategy.pp * virtual))
    made = ceil(job.layers / each)
    if made != strategy.pp * virtual:
        raise LaunchError(
            f"virtual_stages: found {virtual} with pp {strategy.pp} for {job.layers} layers; {framework} "
            f"cuts stages of {each} layers, {made} of them; expected degrees whose stages hold all"
        )
    return each


def virtual_of(schedule: str, layers: int, each: int | None, pp: int) -> dict[str, int]:
    """Virtual stages of a rank by the layers of each; where none says, as many as frameworks take.

    Args:
        schedule: of the pipeline.
        layers: of the network.
        each: of a virtual stage, or None.
        pp: pipeline-parallel degree.
    """
    if each is None:
        return {} if schedule in SINGLE_STAGE else {"virtual_stages": TAKEN}
    return {"virtual_stages": max(1, ceil(layers / each) // pp)}


def stage_letters(job: Job) -> list[tuple[bool, int, bool]] | None:
    """Per virtual stage whether it has the embedding, its layers, and whether it has the head.

    None where the strategy names no stages or the network is not one block, equal layers and one block.
    """
    strategy, network = job.strategy, job.question.workload.network
    first, count = network.repeated
    if not strategy.stages or first != 1 or network.depth - first - count != 1:
        return None
    found, place = [], 0
    for size in strategy.stages:
        blocks = range(place, place + size)
        found.append((0 in blocks, sum(1 <= block <= count for block in blocks), network.depth - 1 in blocks))
        place += size
    return found
