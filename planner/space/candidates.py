"""The space: every strategy whose degrees divide, as a structure of arrays.

Agrees with :func:`simdl.step.strategy.problems`: every candidate passes it, and every strategy that passes it
is a candidate, is the same schedule as one, or lies outside the limits:

- tensor parallelism spans at most ``Limits.tensor_domains`` domains of the innermost level (two nodes);
- experts are whole on a rank or divided over its tensor-parallel group (etp 1 or tp);
- context parallelism leaves a rank at least ``Limits.context_tokens`` tokens of a sample;
- a step has at most ``Limits.passes`` passes, because each candidate is simulated within seconds;
- schedules are those of ``Limits.schedules``;
- virtual stages hold equal numbers of the repeated block, as frameworks require;
- ZeRO shards over all replicas, or over those of one innermost domain (hybrid sharding, Zhao et al. 2023);
- stages are the automatic cut.

Same strategies: with one pipeline rank every order runs the same passes, so only ``PLAIN`` is taken; ZeRO and
selective recomputation are left out where there is nothing to shard or to recompute.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from hardware.cluster import Cluster
from simdl.collector import collector_paused
from simdl.divisors import divisors
from simdl.pipelines import PIPELINES, pipeline, same_order
from simdl.pipelines.remembered import remembered
from simdl.step.strategy import PLAIN, Recompute, Strategy, expert_problems, tensor_problems
from workloads.network import Network
from workloads.workload import Workload

Integers = NDArray[np.int64]
Degrees = tuple[int, int, int, int]
Run = tuple[int, int, int, int]
Share = tuple[int, int, int, int, int]
DEGREES = ("dp", "tp", "pp", "cp")
RUN = ("micro_batch", "microbatches", "schedule", "virtual_stages")
SHARE = ("zero", "shard_degree", "sequence_parallel", "ep", "etp")
RECOMPUTE = tuple(Recompute)


def ranked_schedules() -> tuple[str, ...]:
    """Registered schedules that leave the update as it is; others are ranked only when asked for."""
    return tuple(name for name, found in PIPELINES.items() if not found.changes_update)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where the space ends.

    Attributes:
        tensor_domains: innermost domains (nodes) that one tensor-parallel group may span.
        context_tokens: least tokens of a sample that a context-parallel rank keeps.
        zero: highest ZeRO stage.
        context_parallel: whether context parallelism is offered at all.
        passes: of all pipeline ranks in one step.
        schedules: names of the schedules to try; None for all that leave the update as it is.
    """

    tensor_domains: int = 2
    context_tokens: int = 128
    zero: float = 3
    context_parallel: bool = True
    passes: int = 200_000
    schedules: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Space:
    """Candidates; entry i of every array belongs to candidate i.

    Attributes:
        dp, tp, pp, cp, ep, micro_batch, virtual_stages, zero, shard_degree: as in a
            :class:`simdl.step.strategy.Strategy`.
        etp: ranks that share each expert; 0 for tp, as where there are no experts.
        microbatches: per replica.
        schedule: index into ``schedules``.
        recompute: index into ``RECOMPUTE``.
        sequence_parallel: 0 or 1.
        schedules: names of schedules.
    """

    schedules: tuple[str, ...]
    dp: Integers
    tp: Integers
    pp: Integers
    cp: Integers
    ep: Integers
    etp: Integers
    micro_batch: Integers
    microbatches: Integers
    schedule: Integers
    virtual_stages: Integers
    recompute: Integers
    zero: Integers
    shard_degree: Integers
    sequence_parallel: Integers

    def __len__(self) -> int:
        return len(self.dp)

    @property
    def expert_tensor(self) -> Integers:
        """Ranks that share each expert."""
        found: Integers = np.where(self.etp, self.etp, self.tp)
        return found

    def only(self, kept: Integers) -> "Space":
        """Some of the candidates, by index."""
        columns = {
            each.name: getattr(self, each.name)[kept] for each in fields(self) if each.name != "schedules"
        }
        return replace(self, **columns)

    def strategy(self, index: int) -> Strategy:
        """One candidate as a question to the simulator."""
        return Strategy(
            dp=int(self.dp[index]),
            tp=int(self.tp[index]),
            pp=int(self.pp[index]),
            cp=int(self.cp[index]),
            ep=int(self.ep[index]),
            etp=int(self.etp[index]),
            micro_batch=int(self.micro_batch[index]),
            schedule=self.schedules[self.schedule[index]],
            virtual_stages=int(self.virtual_stages[index]),
            recompute=RECOMPUTE[self.recompute[index]],
            zero=int(self.zero[index]),
            shard_degree=int(self.shard_degree[index]),
            sequence_parallel=bool(self.sequence_parallel[index]),
        )


@collector_paused()
def enumerate_space(workload: Workload, cluster: Cluster, *, limits: Limits | None = None) -> Space:
    """Every candidate for a workload on all devices of a cluster; none if nothing divides."""
    bounds = limits or Limits()
    names = ranked_schedules() if bounds.schedules is None else bounds.schedules
    schedules = tuple(dict.fromkeys((PLAIN, *names)))
    numbers = [schedules.index(name) for name in names]
    parts = [
        (degrees, *_ways(workload, degrees, cluster.levels[0].size, bounds, numbers, schedules))
        for degrees in _degrees(workload, cluster, bounds)
    ]
    return Space(schedules=schedules, **_columns(parts, recompute_modes(workload.network)))


def single_space(strategy: Strategy, workload: Workload) -> Space:
    """The space of one strategy (its cut is not part of a space)."""
    values = {
        "dp": strategy.dp,
        "tp": strategy.tp,
        "pp": strategy.pp,
        "cp": strategy.cp,
        "ep": strategy.ep,
        "etp": strategy.etp,
        "micro_batch": strategy.micro_batch,
        "microbatches": strategy.microbatches(workload.global_batch),
        "schedule": 0,
        "virtual_stages": strategy.virtual_stages,
        "recompute": RECOMPUTE.index(strategy.recompute),
        "zero": strategy.zero,
        "shard_degree": strategy.shard_degree,
        "sequence_parallel": int(strategy.sequence_parallel),
    }
    columns = {name: np.array([value], dtype=np.int64) for name, value in values.items()}
    return Space(schedules=(strategy.schedule,), **columns)


def _degrees(workload: Workload, cluster: Cluster, limits: Limits) -> Iterator[Degrees]:
    """(dp, tp, pp, cp) that use every device and divide network and batch."""
    network, devices = workload.network, cluster.devices
    for tp in divisors(devices):
        if tp > limits.tensor_domains * cluster.levels[0].size or any(tensor_problems(network, tp)):
            continue
        for cp in filter(lambda each: _splits_samples(network, each, limits), divisors(devices // tp)):
            for pp in divisors(devices // (tp * cp)):
                dp = devices // (tp * cp * pp)
                copied = network.part == "row" and dp > 1
                if pp <= network.depth and workload.global_batch % dp == 0 and not copied:
                    yield dp, tp, pp, cp


def _splits_samples(network: Network, cp: int, limits: Limits) -> bool:
    """Whether so many ranks can share a sample."""
    if network.parted or cp == 1:
        return cp <= max(1, network.parted)
    short = network.tokens // cp < limits.context_tokens or not limits.context_parallel
    return not (network.sequential or network.tokens % cp or short)


def _expert_degrees(network: Network, degrees: Degrees) -> list[tuple[int, int]]:
    """(ep, etp) pairs that the ranks of a stage and the experts allow."""
    dp, tp, _, cp = degrees
    if not network.experts:
        return [(1, 0)]
    ranks = dp * tp * cp
    return [
        (ep, etp)
        for etp in dict.fromkeys((1, tp))
        for ep in divisors(ranks // etp)
        if not any(expert_problems(network, ep, etp))
    ]


def _virtual_stages(network: Network, pp: int) -> list[int]:
    """Virtual stages per rank beyond one."""
    _, repeated = network.repeated
    if pp == 1 or repeated % pp:
        return []
    return [v for v in divisors(repeated // pp) if v > 1 and pp * v <= network.depth]


def _sharding(degrees: Degrees, domain: int, limits: Limits, *, experts: bool) -> list[tuple[int, int]]:
    """(ZeRO stage, shard degree) pairs; a pipeline accumulates gradients locally, which ends ZeRO at 1."""
    dp, tp, pp, cp = degrees
    replicas = dp * cp
    if replicas == 1 and not (experts and tp > 1):
        return [(0, 0)]
    stages = [zero for zero in ((1,) if pp > 1 else (1, 2, 3)) if zero <= limits.zero]
    inside = domain // tp if tp and domain % tp == 0 else 0
    hybrid = [(zero, inside) for zero in stages if 1 < inside < replicas and replicas % inside == 0]
    return [(0, 0), *((zero, 0) for zero in stages), *hybrid]


def _columns(parts: list[tuple[Degrees, list[Run], list[Share]]], modes: list[int]) -> dict[str, Integers]:
    """Every run of every part, with every way of recomputation, with every way to share; by column."""
    runs, shares = (np.array([len(part[place]) for part in parts], dtype=np.int64) for place in (1, 2))
    counts = runs * len(modes) * shares
    part = np.repeat(np.arange(len(parts)), counts)
    ends = [np.cumsum(each) - each for each in (counts, runs, shares)]  # where those of each part begin
    place = np.arange(len(part)) - ends[0][part]
    run, way = np.divmod(place, (len(modes) * shares)[part])
    mode, share = np.divmod(way, shares[part])
    tables = (
        (DEGREES, [degrees for degrees, *_ in parts], part),
        (RUN, [each for _, found, _ in parts for each in found], ends[1][part] + run),
        (SHARE, [each for *_, found in parts for each in found], ends[2][part] + share),
        (("recompute",), [(each,) for each in modes], mode),
    )
    return {
        name: column[rows]
        for names, table, rows in tables
        for name, column in zip(names, np.array(table, dtype=np.int64).reshape(-1, len(names)).T, strict=True)
    }


def _ways(  # noqa: PLR0917 - what candidates are made from
    workload: Workload,
    degrees: Degrees,
    domain: int,
    limits: Limits,
    schedules: list[int],
    names: tuple[str, ...],
) -> tuple[list[Run], list[Share]]:
    """Ways to run a replica's samples and to share what a rank holds; ``domain`` devices share a node."""
    dp, _, pp, _ = degrees
    network = workload.network
    virtual = [1, *_virtual_stages(network, pp)]
    orders = [
        (each, v) for each in (schedules if pp > 1 else [0]) for v in virtual if _is_own(names[each], pp, v)
    ]
    runs = _runs(workload.global_batch // dp, pp, orders, limits, names)
    return runs, _shares(network, degrees, _sharding(degrees, domain, limits, experts=network.experts > 0))


def _runs(
    per_replica: int, pp: int, orders: list[tuple[int, int]], limits: Limits, names: tuple[str, ...]
) -> list[Run]:
    """The runs that a schedule takes."""
    return [
        (micro, per_replica // micro, each, v)
        for micro in divisors(per_replica)
        for each, v in orders
        if 2 * pp * v * (per_replica // micro) <= limits.passes
        and _takes(names[each], pp, per_replica // micro, v)
    ]


def _shares(network: Network, degrees: Degrees, sharding: list[tuple[int, int]]) -> list[Share]:
    """The ways in which ranks share what they hold."""
    dp, tp, _, cp = degrees
    sequences = [0, 1] if tp > 1 and network.tokens % (cp * tp) == 0 else [0]
    if network.experts and tp > 1:
        sequences = [each for each in sequences if each]
    spreads = [
        (ep, etp, dp * cp * tp // (ep * (etp or tp)))  # with copies of experts
        for ep, etp in _expert_degrees(network, degrees)
    ]
    return [
        (zero, shards, sequence, ep, etp)
        for zero, shards in sharding
        for sequence in sequences
        for ep, etp, copies in spreads
        if (zero == 0 or dp * cp > 1 or copies > 1) and copies * shards % (dp * cp) == 0
    ]


def accepts(schedule: str, ranks: int, microbatches: int, virtual_stages: int) -> bool:
    """Whether a schedule takes these sizes, and is not ``PLAIN`` under another name."""
    takes = _takes(schedule, ranks, microbatches, virtual_stages)
    return takes and _is_own(schedule, ranks, virtual_stages)


@remembered(65536)
def _takes(schedule: str, ranks: int, microbatches: int, virtual_stages: int) -> bool:
    """Whether a schedule takes these sizes."""
    return not any(pipeline(schedule).problems(ranks, microbatches, virtual_stages))


def _is_own(schedule: str, ranks: int, virtual_stages: int) -> bool:
    """Whether a schedule is not ``PLAIN`` under another name."""
    return schedule == PLAIN or not same_order(schedule, PLAIN, ranks, virtual_stages)


def recompute_modes(network: Network) -> list[int]:
    """Indices into ``RECOMPUTE`` that differ for this network."""
    selective = any(layer.selective for block in network.blocks for layer in block.layers)
    full = any(block.recomputable for block in network.blocks)
    wanted = {Recompute.NONE: True, Recompute.SELECTIVE: selective, Recompute.FULL: full}
    return [index for index, mode in enumerate(RECOMPUTE) if wanted[mode]]


def distinct(columns: tuple[Integers, ...]) -> tuple[Integers, Integers]:
    """First place of every distinct tuple of columns, and which distinct tuple stands at each place."""
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        code = code * (int(column.max(initial=0)) + 1) + column
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    return first, inverse


def used(places: Integers, count: int) -> tuple[Integers, Integers]:
    """Which of so many places are used, and the number of each used one among them."""
    found = np.zeros(count, dtype=np.bool_)
    found[places] = True
    return np.flatnonzero(found), (np.cumsum(found) - 1)[places]
