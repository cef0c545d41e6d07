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

import numpy as np

from hardware.cluster import Cluster
from simdl.engine.longest_path import longest_path
from simdl.engine.timeline import Timeline
from simdl.kernels.pricing import Pricing
from simdl.memory.needs import memory_by_rank, shortfall, usable_memory
from simdl.pipelines.outline import outline
from simdl.program.merging import merge
from simdl.program.program import Program
from simdl.program.unfolding import Slice, at_replicas, unfold
from simdl.step.costs.step_cost import StepCost, cut_step_cost
from simdl.step.cuts.automatic_cut import automatic_cut, choose_cut, least_time
from simdl.step.cuts.mixed_cut_set import mixed_cut_set
from simdl.step.cuts.stage_cut import Cut
from simdl.step.kinds import held_by, part_of_rank, pipelines
from simdl.step.lowering.step_lowering import lower
from simdl.step.steady import measured
from simdl.step.strategy import Strategy
from workloads.network import Network
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

    That is the one among :func:`stage_cuts` that takes least alone of those that fit, or the one that misses
    by least where none does.

    Args:
        workload: what is computed.
        cluster: the mixed one.
        strategy: how it is divided.
        pricings: per part, of :func:`simdl.step.kinds.uniform_clusters`.
    """
    cuts: Sequence[Cut] = (strategy.stages,)
    if strategy.pp > 1 and not strategy.stages:
        sizes = strategy.schedule, strategy.pp, strategy.virtual_stages
        cuts = stage_cuts(pricings[0].network, cluster, *sizes)
    if len(cuts) == 1:
        return _priced(workload, cluster, replace(strategy, stages=cuts[0]), pricings)
    tried = {cut: _priced(workload, cluster, replace(strategy, stages=cut), pricings) for cut in cuts}
    short: dict[Cut, float] = {}

    def fits(cut: Cut) -> bool:
        short[cut] = _missing(tried[cut])
        return short[cut] <= 0

    least = {cut: _least_time(step) for cut, step in tried.items()}
    found = choose_cut(least, lambda cut: least_alone(tried[cut], mixed_program(tried[cut])), fits)
    return tried[found or min(short, key=short.__getitem__)]


def stage_cuts(
    network: Network, cluster: Cluster, schedule: str, ranks: int, virtual_stages: int
) -> tuple[Cut, ...]:
    """The cuts among which that of a pipeline on a mixed cluster is chosen."""
    place = outline(schedule, ranks, virtual_stages).place
    holders = held_by(cluster, ranks)
    copies = [place[first :: ranks * virtual_stages] for first in range(ranks * virtual_stages)]
    return mixed_cut_set(
        network, tuple(frozenset().union(*(holders[rank] for rank in copy)) for copy in copies)
    )


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


def least_alone(step: MixedStep, program: Program) -> float:
    """[s] of the step where nothing shares a link or a device: no run of its program is shorter."""
    ends = longest_path(program)
    return measured(Timeline(program=program, start=ends, end=ends), step.steps[0]).step_time


def _least_time(step: MixedStep) -> float:
    """[s] that the step takes at least: as long as any of its pipelines takes at least."""
    kinds = pipelines(step.cluster, step.strategy.pp)
    return max(least_time(step.steps[0], [step.steps[kind] for kind in each]) for each in kinds)


def _missing(step: MixedStep) -> float:
    """[bytes] that the device with least room lacks; 0 or less where the step fits."""
    room = [usable_memory(each.pricing.stack, each.pricing.cluster.device) for each in step.steps]
    return max(sum(needs.values()) - room[part] for part, _, needs in mixed_memory(step))


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
