"""A step on a mixed cluster: ranks of different kinds, each as fast as the node that it stands on.

For every kind of node the step is priced and lowered as if the whole cluster were of that kind; merging takes
from each program the tasks of the ranks that stand on it (:mod:`simdl.program.merging`). A collective over
unlike nodes takes as long as on the slowest of them.

A pipeline may run from one kind of node to the next: its stages are then cut for the ranks that hold them.
Data-parallel replicas on faster nodes wait for the others, unless ``Strategy.shares`` gives them more
microbatches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from hardware.cluster import Cluster
from simdl.engine.longest_path import longest_path
from simdl.engine.timeline import Timeline
from simdl.kernels.pricing import Pricing
from simdl.memory.needs import memory_by_rank, shortfall, usable_memory
from simdl.program.merging import merge
from simdl.program.program import Program
from simdl.program.unfolding import Slice, at_replicas, unfold
from simdl.step.costs.stage import block_time
from simdl.step.costs.step_cost import StepCost, chain_costs, cut_step_cost
from simdl.step.cuts.automatic_cut import automatic_cut
from simdl.step.cuts.stage_cut import Cut, Table, fastest_cut, range_sums
from simdl.step.lowering.step_lowering import lower
from simdl.step.steady import measured
from simdl.step.strategy import Strategy
from workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MixedStep:
    """One step, priced for every kind of node.

    Attributes:
        strategy: with its cut where pipelines have one.
        workload: what is computed.
        cluster: the mixed one.
        steps: per part of the cluster, the step as if all nodes were of its kind.
    """

    strategy: Strategy
    workload: Workload
    cluster: Cluster
    steps: tuple[StepCost, ...]

    @property
    def lanes(self) -> int:
        """Ranks of one replica and pipeline rank."""
        return self.strategy.devices // (self.strategy.dp * self.strategy.pp)


def uniform_clusters(cluster: Cluster) -> tuple[Cluster, ...]:
    """Per part of a mixed cluster, one of as many nodes that are all of its kind."""
    nodes = sum(part.count for part in cluster.parts)
    return tuple(replace(part, count=nodes) for part in cluster.parts)


def part_of_rank(cluster: Cluster) -> list[int]:
    """Per rank the part of the cluster that it stands on."""
    return [number for number, part in enumerate(cluster.parts) for _ in range(part.devices)]


def share_problems(strategy: Strategy, workload: Workload, cluster: Cluster) -> Iterator[str]:
    """Reasons why replicas cannot have the shares that a strategy gives them, one sentence each."""
    shares, parts = strategy.shares, cluster.parts
    if not shares:
        return
    if len(parts) == 1 or len(shares) != len(parts):
        yield (
            f"shares: found {len(shares)} for {cluster.name}; expected one for each of its "
            f"{len(parts)} node types, of a mixed cluster"
            if len(parts) > 1
            else f"shares: found {list(shares)} for {cluster.name}, whose nodes are alike; expected none"
        )
        return
    if strategy.pp > 1 or strategy.zero > 1:
        yield (
            f"shares: found with pp {strategy.pp} and zero {strategy.zero}; expected pp 1 and zero 0 or 1, "
            "so that replicas meet at the end of a step only"
        )
        return
    lanes = strategy.tp * strategy.cp * strategy.split_degree
    if any(part.devices % lanes for part in parts):
        yield f"shares: replicas of {lanes} devices do not divide the nodes of {cluster.name}"
        return
    samples = strategy.micro_batch * sum(
        share * (part.devices // lanes) for share, part in zip(shares, parts, strict=True)
    )
    if min(shares) < 1 or samples != workload.global_batch:
        yield (
            f"shares: found {list(shares)} microbatches per replica, {samples} samples in all; expected at "
            f"least 1 each, and the global batch of {workload.global_batch} in all"
        )


def mixed_step(
    workload: Workload, cluster: Cluster, strategy: Strategy, pricings: Sequence[Pricing]
) -> MixedStep:
    """Price one step for every kind of node, with the cut of the shortest step where the strategy has none.

    Args:
        workload: what is computed.
        cluster: the mixed one.
        strategy: how it is divided.
        pricings: per part, of :func:`uniform_clusters`.
    """
    if strategy.stages or strategy.pp == 1:
        return _priced(workload, cluster, strategy, pricings)
    tried = [
        _priced(workload, cluster, replace(strategy, stages=cut), pricings)
        for cut in dict.fromkeys(_cuts(workload, cluster, strategy, pricings))
    ]
    fitting = [step for step in tried if not any(mixed_shortfalls(step))]
    return min(fitting or tried, key=_alone_time)


def _priced(
    workload: Workload, cluster: Cluster, strategy: Strategy, pricings: Sequence[Pricing]
) -> MixedStep:
    steps = []
    for number, pricing in enumerate(pricings):
        own, asked = strategy, workload
        if strategy.shares:
            own = replace(strategy, shares=())
            samples = strategy.dp * strategy.micro_batch * strategy.shares[number]
            asked = replace(workload, global_batch=samples)
        cut = strategy.stages or automatic_cut(asked, own, pricing)
        steps.append(cut_step_cost(asked, own, pricing, cut))
    return MixedStep(strategy=strategy, workload=workload, cluster=cluster, steps=tuple(steps))


def _cuts(
    workload: Workload, cluster: Cluster, strategy: Strategy, pricings: Sequence[Pricing]
) -> Iterator[Cut]:
    """The cut whose slowest stage is fastest on its own ranks, and the automatic one of every kind."""
    tables = [
        range_sums([block_time(cost, pricing.stack) for cost in chain_costs(strategy, pricing)])
        for pricing in pricings
    ]
    parts = part_of_rank(cluster)
    step = cut_step_cost(workload, strategy, pricings[0], automatic_cut(workload, strategy, pricings[0]))
    width = strategy.devices // strategy.pp
    held_by = [{*parts[step.place(s) * width : (step.place(s) + 1) * width]} for s in range(step.chain)]
    balanced = fastest_cut([_slowest(tables, kinds) for kinds in held_by])
    if balanced is not None:
        yield balanced
    for pricing in pricings:
        yield automatic_cut(workload, strategy, pricing)


def _slowest(tables: Sequence[Table], kinds: set[int]) -> Table:
    return reduce(np.maximum, (tables[kind] for kind in sorted(kinds)))


def mixed_program(
    step: MixedStep, slices: Sequence[Slice] = (), speeds: Mapping[int, float] | None = None
) -> Program:
    """The program of the step: one class per pipeline rank and run of replicas on equal nodes.

    Args:
        step: the priced step.
        slices: of the ranks of every pipeline rank; () for as few as tell kinds of node and speeds apart.
        speeds: of the devices of some ranks, as a factor of what their profile says.
    """
    starts = [*np.cumsum([part.devices for part in step.cluster.parts])[:-1].tolist()]
    special = [*(speeds or {}), *(rank + step.lanes for rank in speeds or {})]
    special = [rank - rank % step.lanes for rank in special]
    found = slices or at_replicas([*starts, *special], replicas=step.strategy.dp, lanes=step.lanes)
    return merge([unfold(lower(each), found, speeds) for each in step.steps], part_of_rank(step.cluster))


def _alone_time(step: MixedStep) -> float:
    """[s] of the step where nothing shares a link or a device."""
    program = mixed_program(step)
    ends = longest_path(program)
    return measured(Timeline(program=program, start=ends, end=ends), step.steps[0]).step_time


def mixed_memory(step: MixedStep) -> Iterator[tuple[int, int, dict[str, float]]]:
    """(part of the cluster, pipeline rank, bytes by part of memory) of all pipeline ranks."""
    width = step.strategy.devices // step.strategy.pp
    parts = part_of_rank(step.cluster)
    for number, each in enumerate(step.steps):
        for rank, needs in enumerate(memory_by_rank(each)):
            if number in parts[rank * width : (rank + 1) * width]:
                yield number, rank, needs


def mixed_shortfalls(step: MixedStep) -> Iterator[str]:
    """One sentence per kind of node and pipeline rank without room, the one that misses by most first."""
    found = []
    for number, rank, needs in mixed_memory(step):
        pricing = step.steps[number].pricing
        usable = usable_memory(pricing.stack, pricing.cluster.device)
        if sum(needs.values()) > usable:
            name = step.cluster.parts[number].node.name
            text = f"{name}: {shortfall(rank, sum(needs.values()), usable, needs)}"
            found.append((usable - sum(needs.values()), text))
    yield from (text for _, text in sorted(found))
