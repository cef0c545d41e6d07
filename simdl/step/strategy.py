"""Strategy: how the work is divided over the ranks and carried out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from hardware.cluster import Cluster
from simdl.compression.method import UNCOMPRESSED, parse_compression
from simdl.errors import StrategyError
from simdl.memory.saver_problems import saver_problems
from simdl.memory.savers import parse_savers
from simdl.pipelines import pipeline
from simdl.software.stack import Stack
from simdl.splits.arrangement import Arrangement, resolve
from simdl.step.strategy_values import (
    Rule,
    counts,
    faults,
    flag,
    layer_splits,
    member,
    named,
    plain,
    whole,
)
from workloads.network import Network
from workloads.workload import Workload

PASSES = 4_000_000
"""Forward and backward passes of all pipeline ranks in one step, at most: half a minute of simulation."""
PLAIN = "1f1b"
"""Schedule of strategies that name none."""


class Recompute(StrEnum):
    """Which activations are discarded in the forward pass and computed again in the backward pass."""

    NONE = "none"
    SELECTIVE = "selective"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How work is divided; a question to the simulator.

    Attributes:
        dp, tp, pp, cp: data-, tensor-, pipeline- and context-parallel degree.
        ep: expert-parallel degree: neighbouring ranks of a stage that share the experts of a layer.
        etp: expert-tensor-parallel degree: ranks that share each expert; 0 for tp, as Megatron-Core takes it.
        micro_batch: samples of one replica that pass through the pipeline together (of all ``split_degree``
            ranks that share them).
        schedule: pipeline order, by the name of a file of :mod:`simdl.pipelines.schedules`.
        virtual_stages: stages per pipeline rank (more than 1 only where the schedule takes them).
        recompute: discarded activations.
        recompute_layers: of every virtual stage the first so many blocks that are recomputed, 0 for all of
            them (``--recompute-method block`` of Megatron-Core).
        savers: what each block keeps, computes again or leaves in host memory, such as
            ``"keep, 12x full, *x offload"`` (:mod:`simdl.memory.savers`); empty where ``recompute`` says it.
        zero: ZeRO stage: 1 shards optimizer state, 2 also gradients, 3 also parameters (FSDP).
        shard_degree: replicas that share one sharded copy under ZeRO (hybrid sharding); 0 for all of them.
        sequence_parallel: shard the residual stream over the tensor-parallel ranks.
        compression: of gradients between replicas, such as ``"qsgd:7,512"``
            (:mod:`simdl.compression.method`); empty for none.
        stages: blocks per virtual stage in order (length pp * virtual_stages), () for the automatic cut.
        split_degree: neighbouring ranks that share the samples of a microbatch, every layer split among them
            in its own way; data parallelism repeats them.
        splits: (``block/layer``, how it is split) such as ``("conv1/conv1", "spatial 2x2")``; a layer that is
            not named is split like the one it reads, or by sample (:mod:`simdl.splits.arrangement`).
        shares: microbatches of each replica by node type of a mixed cluster, () where all have as many.

    Raises:
        StrategyError: a field holds what it cannot; carries every fault. Whether the whole can be carried out
            for a workload on a cluster is what :func:`problems` says.
    """

    dp: int = 1
    tp: int = 1
    pp: int = 1
    cp: int = 1
    ep: int = 1
    etp: int = 0
    micro_batch: int = 1
    schedule: str = PLAIN
    virtual_stages: int = 1
    recompute: Recompute = Recompute.NONE
    recompute_layers: int = 0
    savers: str = ""
    zero: int = 0
    shard_degree: int = 0
    sequence_parallel: bool = False
    compression: str = UNCOMPRESSED
    stages: tuple[int, ...] = ()
    split_degree: int = 1
    shares: tuple[int, ...] = ()
    splits: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        given = {key: value for key in RULES if (value := getattr(self, key)) is not USUAL[key]}
        if found := [*faults(given, RULES)]:
            raise StrategyError(found)
        for key, value in given.items():
            object.__setattr__(self, key, Recompute(value) if key == "recompute" else plain(value))

    def __repr__(self) -> str:
        pairs = ((field.name, getattr(self, field.name), field.default) for field in fields(self))
        told = (
            f"{name}={getattr(value, 'value', value)!r}" for name, value, usual in pairs if value != usual
        )
        return f"Strategy({', '.join(told)})"

    @property
    def devices(self) -> int:
        """Devices the strategy occupies."""
        return self.dp * self.tp * self.pp * self.cp * self.split_degree

    @property
    def replicas(self) -> int:
        """Ranks that hold the same parameters before ZeRO: data- and context-parallel ones.

        Where layers are split one by one, those that do for a layer split by sample.
        """
        return self.dp * self.cp * self.split_degree

    @property
    def expert_tensor(self) -> int:
        """Ranks that share each expert."""
        return self.etp or self.tp

    @property
    def expert_replicas(self) -> int:
        """Ranks that hold the same experts before ZeRO; exact where the degrees divide."""
        return self.replicas * self.tp // (self.ep * self.expert_tensor)

    @property
    def reduces(self) -> bool:
        """Whether any parameters of a stage have replicas, those of experts or the rest."""
        return self.replicas > 1 or self.expert_replicas > 1

    @property
    def shards_state(self) -> bool:
        """Whether ZeRO divides anything."""
        return self.zero > 0 and (self.shards > 1 or (self.shard_degree == 0 and self.expert_replicas > 1))

    @property
    def shards(self) -> int:
        """Ranks over which ZeRO divides one copy of the state."""
        return (self.shard_degree or self.replicas) if self.zero else 1

    def microbatches(self, global_batch: int) -> int:
        """Microbatches per replica and step; the degrees must divide the batch."""
        return global_batch // (self.dp * self.micro_batch)

    def passes(self, global_batch: int) -> int:
        """Forward and backward passes of all pipeline ranks in one step."""
        return 2 * self.pp * self.virtual_stages * self.microbatches(global_batch)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("dp", "tp", "pp", "cp", "ep"), whole(1)),
    "etp": whole(0),
    "micro_batch": whole(1),
    "schedule": named(pipeline, PLAIN),
    "virtual_stages": whole(1),
    "recompute": member(Recompute),
    "recompute_layers": whole(0),
    "savers": named(parse_savers, "keep, 12x full, *x offload"),
    "zero": whole(0, 3),
    "shard_degree": whole(0),
    "sequence_parallel": flag,
    "compression": named(lambda text: text and parse_compression(text), "qsgd:7,512"),
    "stages": counts("block counts"),
    "split_degree": whole(1),
    "shares": counts("microbatches per replica"),
    "splits": layer_splits,
}
"""What each field may hold."""
USUAL: Mapping[str, object] = {field.name: field.default for field in fields(Strategy)}
"""What each field holds where nothing else is said."""


def problems(
    strategy: Strategy, workload: Workload, cluster: Cluster, *, devices: int | None = None
) -> Iterator[str]:
    """Reasons why a strategy cannot be carried out at all (memory aside), one sentence each.

    ``devices`` are those of the cluster that it has to occupy; all of them by default.
    """
    yield from _degree_problems(strategy, workload, cluster, cluster.devices if devices is None else devices)
    yield from _expert_problems(strategy, workload.network)
    yield from _split_problems(strategy, workload.network)
    yield from _batch_problems(strategy, workload)
    yield from _schedule_problems(strategy, workload)
    yield from _compression_problems(strategy, workload)
    yield from saver_problems(strategy, workload, cluster)


def _degree_problems(strategy: Strategy, workload: Workload, cluster: Cluster, devices: int) -> Iterator[str]:
    network = workload.network
    if strategy.devices != devices:
        yield (
            f"dp {strategy.dp} x tp {strategy.tp} x pp {strategy.pp} x cp {strategy.cp}"
            f"{f' x split_degree {strategy.split_degree}' if strategy.split_degree > 1 else ''} = "
            f"{strategy.devices} devices; expected the {devices} of {cluster.name}"
        )
    yield from tensor_problems(network, strategy.tp)
    yield from part_problems(network, strategy.cp)
    if network.part == "row" and strategy.dp > 1:
        yield (
            f"dp {strategy.dp}: the tables of {network.name} lie on the ranks that share samples and are "
            "never copied; expected dp 1, and cp for the ranks"
        )
    if network.sequential and strategy.cp > 1:
        yield (
            f"cp {strategy.cp}: layers of {network.name} walk through the tokens of a sample, which ranks "
            "cannot share; expected cp 1"
        )
    whole = strategy.tp if strategy.sequence_parallel else 1
    if not network.parted and network.tokens % (strategy.cp * whole):
        yield (
            f"cp {strategy.cp} (with sequence parallelism: x tp) does not divide the {network.tokens} tokens "
            "of a sample"
        )
    if strategy.sequence_parallel and strategy.tp == 1:
        yield "sequence_parallel needs tp > 1; found tp 1"
    if strategy.shard_degree and (strategy.zero == 0 or strategy.replicas % strategy.shard_degree):
        yield (
            f"shard_degree {strategy.shard_degree} with zero {strategy.zero} and {strategy.replicas} "
            "replicas; expected a divisor of dp x cp, with zero 1, 2 or 3"
        )
    if strategy.zero > 1 and strategy.pp > 1:
        yield (
            f"zero {strategy.zero} with pp {strategy.pp}: gradients of a pipeline accumulate locally; "
            "expected zero 0 or 1"
        )


def _expert_problems(strategy: Strategy, network: Network) -> Iterator[str]:
    """Reasons why experts cannot be divided as they are asked to be (Megatron-Core's rules)."""
    ep, etp = strategy.ep, strategy.expert_tensor
    if not network.experts:
        if strategy.ep > 1 or strategy.etp > 1:
            name, degree = ("ep", ep) if ep > 1 else ("etp", strategy.etp)
            yield f"{name}: found {degree}; expected 1, because {network.name} has no experts"
        return
    yield from expert_problems(network, ep, etp)
    ranks = strategy.tp * strategy.cp * strategy.dp
    if ranks % (ep * etp):
        yield (
            f"ep {ep} x etp {etp} = {ep * etp} does not divide the {ranks} ranks of a stage (dp "
            f"{strategy.dp} x cp {strategy.cp} x tp {strategy.tp}); expected a divisor"
        )
    elif strategy.shard_degree and strategy.expert_replicas * strategy.shard_degree % strategy.replicas:
        yield (
            f"shard_degree {strategy.shard_degree}: {strategy.replicas // strategy.shard_degree} sharded "
            f"copies with {strategy.expert_replicas} replicas of experts; expected a divisor of them"
        )
    if strategy.tp > 1 and not strategy.sequence_parallel:
        yield (
            f"tp {strategy.tp} with experts: found no sequence_parallel; expected it, so that every token is "
            "routed once"
        )


def expert_problems(network: Network, ep: int, etp: int) -> Iterator[str]:
    """Reasons why the experts of a network cannot be divided over these degrees, one sentence each."""
    if network.experts % ep:
        yield f"ep {ep} does not divide the {network.experts} experts of {network.name}; expected a divisor"
    for width in network.expert_divisors:
        if width % etp:
            yield (
                f"etp {etp} does not divide the {width} features of an expert of {network.name}; expected a "
                "divisor"
            )


def _split_problems(strategy: Strategy, network: Network) -> Iterator[str]:
    """Reasons why layers cannot be split as they are asked to be."""
    if strategy.split_degree == 1:
        if strategy.splits:
            yield f"splits: found {len(strategy.splits)} with split_degree 1; expected a split_degree above 1"
        return
    if strategy.tp * strategy.cp > 1:
        yield (
            f"split_degree {strategy.split_degree} with tp {strategy.tp} and cp {strategy.cp}: per-layer "
            "splits take their place; expected tp 1 and cp 1"
        )
    if strategy.recompute is Recompute.SELECTIVE:
        yield "recompute selective with per-layer splits; expected none or full"
    found = resolve(network, arrangement_of(strategy))
    yield from found.problems
    sizes = {group.size * strategy.dp for group in found.groups}
    for size in sorted(size for size in sizes if size % max(1, strategy.shard_degree)):
        yield (
            f"shard_degree {strategy.shard_degree}: found a layer whose parameters {size} ranks hold; "
            "expected a divisor of that"
        )


def arrangement_of(strategy: Strategy) -> Arrangement:
    """How the ranks of one replica share a microbatch, layer by layer."""
    return Arrangement(ranks=strategy.split_degree, samples=strategy.micro_batch, splits=strategy.splits)


def part_problems(network: Network, parts: int) -> Iterator[str]:
    """Reasons why a graph or tables cannot be divided over so many ranks, one sentence each."""
    if network.parted and parts > network.parted:
        yield (
            f"cp {parts}: {network.name} has {network.parted:,} {network.part}s to divide; expected at most "
            "as many parts"
        )


def tensor_problems(network: Network, tp: int) -> Iterator[str]:
    """Reasons why a network cannot be divided over ``tp`` tensor-parallel ranks, one sentence each."""
    if tp > 1 and not network.tensor_divisors:
        yield f"tp {tp}: {network.name} has no tensor-parallel form; expected tp 1"
    undivided = [divisor for divisor in network.tensor_divisors if divisor % tp]
    for divisor in undivided:
        yield f"tp {tp} does not divide {divisor} heads or features of {network.name}; expected a divisor"
    if not undivided and network.kv_heads % tp and tp % network.kv_heads:
        yield (
            f"tp {tp} does not divide the {network.kv_heads} key-value heads of {network.name} and is no "
            "multiple of them; expected a divisor or a multiple"
        )


def _batch_problems(strategy: Strategy, workload: Workload) -> Iterator[str]:
    share = strategy.dp * strategy.micro_batch
    if workload.global_batch < strategy.dp:
        yield (
            f"global batch {workload.global_batch} is smaller than the {strategy.dp} replicas; "
            "expected at least one sample each"
        )
    elif workload.global_batch % share and not strategy.shares:
        yield (
            f"dp {strategy.dp} x micro-batch {strategy.micro_batch} = {share} does not divide global batch "
            f"{workload.global_batch}"
        )
    passes = strategy.passes(workload.global_batch)
    if passes > PASSES:
        yield (
            f"a step of {passes:,} passes (2 x pp x virtual stages x microbatches); expected at most "
            f"{PASSES:,}: a larger micro-batch or a smaller global batch"
        )


def _schedule_problems(strategy: Strategy, workload: Workload) -> Iterator[str]:
    depth = workload.network.depth
    chunks = strategy.pp * strategy.virtual_stages
    if chunks > depth:
        yield (
            f"pp {strategy.pp} x virtual stages {strategy.virtual_stages} = {chunks} stages; "
            f"{workload.network.name} has {depth} blocks"
        )
    if strategy.virtual_stages > 1 and strategy.pp == 1:
        yield f"virtual stages {strategy.virtual_stages} with pp 1; expected pp of at least 2"
    yield from _order_problems(strategy, strategy.microbatches(workload.global_batch))
    if strategy.stages and (len(strategy.stages) != chunks or sum(strategy.stages) != depth):
        yield (
            f"stages: found {len(strategy.stages)} adding up to {sum(strategy.stages)} blocks; "
            f"expected {chunks} adding up to {depth}"
        )


def _order_problems(strategy: Strategy, microbatches: int) -> Iterator[str]:
    """What the pipeline order itself refuses."""
    chosen = pipeline(strategy.schedule)
    for problem in chosen.problems(strategy.pp, max(microbatches, 1), strategy.virtual_stages):
        yield f"schedule {strategy.schedule}: {problem}"


def _compression_problems(strategy: Strategy, workload: Workload) -> Iterator[str]:
    """Why gradients cannot be compressed as asked, one sentence each."""
    if not strategy.compression:
        return
    method = parse_compression(strategy.compression)
    if strategy.zero:
        yield f"compression {method.text} with zero {strategy.zero}; expected zero 0, whole gradients"
    microbatches = strategy.microbatches(workload.global_batch)
    if method.factors and (strategy.tp > 1 or microbatches > 1):
        yield (
            f"compression {method.text} with tp {strategy.tp} and {microbatches} microbatches; expected tp 1 "
            "and one microbatch, whose inputs are the factors"
        )


def refused(strategy: Strategy, stack: Stack) -> Iterator[str]:
    """What software cannot carry out at all, one sentence each."""
    offered = stack.schedules
    if strategy.pp > 1 and offered and strategy.schedule not in offered:
        yield (
            f"schedule: found {strategy.schedule}, which software stack {stack.name} cannot run; expected "
            f"{' or '.join(offered)}, or a stack that runs it"
        )
