"""What each block of a pipeline rank may do to save memory, and what that takes and frees.

Equal blocks in a row are one run, and options are counted within it; so are blocks of a few kinds that take
turns, whose items are one turn each. Seconds and bytes of an option are those
of :mod:`simdl.step.costs.saved_blocks`, which the simulator itself uses; a pass takes its kernels and exposed
collectives, or the host's launches where those take longer in all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from hardware.cluster import find_host
from simdl.kernels.pricing import Pricing, Work
from simdl.memory.moments import brief_need, frees_blocks
from simdl.memory.needs import memory_by_rank, shares_bytes
from simdl.memory.savers import KEPT, Row, Saver, Segment, item_length
from simdl.pipelines import peaks
from simdl.pipelines.steps import order_length
from simdl.step.costs.block_cost import BlockCost
from simdl.step.costs.gradients import gradient_bytes
from simdl.step.costs.host import (
    accumulate_words,
    host_rates,
    kept_words,
    owned,
    streams_gradients,
    update_words,
)
from simdl.step.costs.saved_blocks import Chain, item_blocks
from simdl.step.costs.stage import host_time
from simdl.step.costs.step_cost import StepCost, chain_costs, cut_step_cost
from simdl.step.costs.update import update_time
from simdl.step.cuts.automatic_cut import automatic_cut
from simdl.step.strategy import Recompute, Strategy
from workloads.workload import Workload

SEGMENTS = (2, 3, 4, 6, 8, 12, 16)
"""Blocks of a segment that the programme may choose within a row of equal ones."""
TURNS = (1, 2, 3, 4)
"""Blocks that may take turns in a run."""
_SAVED = ("activations", "transient", "update")
"""Parts of memory that follow from what is chosen, or come after it."""
WAYS = 64
"""Options of a turn up to which such blocks are one run."""
KINDS = ("recompute", "offload", "optimizer", "parameters")
"""Ways to save memory that may be allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What an item of a run may do.

    Attributes:
        items: of a plan; several where blocks take turns.
        blocks: that they stand for.
        saved: [bytes] kept per microbatch.
        transient: [bytes] briefly, beside what it offloads.
        copies: [bytes] of each copy to host memory per microbatch.
        again: [s] of computation that it adds to a backward pass.
    """

    items: Row
    blocks: int
    saved: float
    transient: float
    copies: tuple[float, ...]
    again: float

    @property
    def offloaded(self) -> float:
        """[bytes] per microbatch."""
        return sum(self.copies)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What belongs to the parameters of one block.

    Attributes:
        optimizer: [bytes] of optimizer state, and of gradients where these go to the host as they are made.
        parameters: [bytes].
        gradient: [bytes] sent to the host per microbatch, or once.
        fetched: [bytes] of parameters fetched for a pass.
        returned: [bytes] of new parameters.
        on_device: [s] of the update on the device.
        on_host: [s] of the update on the host.
        summed: [s] on the host to add the gradient of a further microbatch.
        held: [bytes] in host memory of what belongs to its optimizer.
    """

    optimizer: float
    parameters: float
    gradient: float
    fetched: float
    returned: float
    on_device: float
    on_host: float
    summed: float
    held: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Equal blocks in a row, or blocks of a few kinds in turn.

    Attributes:
        stage: virtual stage.
        first: place of the first of them in the chain.
        count: how many.
        forward, backward: [s] of one of them, in the mean.
        options: what each, or each turn, may do; the first keeps everything.
        state: of one of them; None where the host may hold none.
    """

    stage: int
    first: int
    count: int
    forward: float
    backward: float
    options: tuple[Option, ...]
    state: State | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RankProblem:
    """What one pipeline rank has to choose.

    Attributes:
        rank: pipeline rank.
        runs: of its stages in chain order.
        moments: live microbatches by virtual stage at each moment that may be the peak.
        fixed: [bytes] that no choice changes beside state, activations and what is brief.
        microbatches: per step.
        frees: a backward pass lets the activations of a block go when it is through with it.
        latency, rate: [s] and [bytes/s] of copies to and from the host; rate 0 where there is none.
        streams: whether gradients go to the host microbatch by microbatch.
        parameters: whether parameters may lie in host memory.
        host_room: [bytes] of host memory for this rank: its share of the node's.
    """

    rank: int
    runs: tuple[Run, ...]
    moments: tuple[Mapping[int, int], ...]
    fixed: float
    microbatches: int
    frees: bool
    latency: float
    rate: float
    streams: bool
    parameters: bool
    host_room: float


def plain_of(strategy: Strategy, workload: Workload, pricing: Pricing) -> Strategy:
    """The strategy without any memory saver, with its cut."""
    plain = replace(strategy, recompute=Recompute.NONE, recompute_layers=0, savers="")
    cut = plain.stages or automatic_cut(workload, plain, pricing)
    return replace(plain, stages=cut if len(cut) > 1 else ())


def cut_of(plain: Strategy, workload: Workload) -> tuple[int, ...]:
    """Blocks per stage of a strategy of :func:`plain_of`."""
    return plain.stages or (workload.network.depth,)


def mode_costs(plain: Strategy, pricing: Pricing) -> Mapping[Recompute, Chain]:
    """Costs of every block in each way of recomputation."""
    modes = [mode for mode in Recompute if mode is not Recompute.SELECTIVE or plain.split_degree == 1]
    return {mode: chain_costs(replace(plain, recompute=mode), pricing) for mode in modes}


def rank_problems(
    plain: Strategy, workload: Workload, pricing: Pricing, allowed: frozenset[str]
) -> list[RankProblem]:
    """One problem per pipeline rank.

    Args:
        plain: a strategy of :func:`plain_of`.
        workload: what is computed.
        pricing: what prices it.
        allowed: of ``KINDS``.

    Raises:
        HardwareError: host memory is allowed on a cluster that says nothing of its host.
    """
    cut = cut_of(plain, workload)
    step = cut_step_cost(workload, plain, pricing, cut)
    costs = mode_costs(plain, pricing)
    hosts = allowed - {"recompute"}
    rates = host_rates(plain, pricing.cluster) if hosts and find_host(pricing.cluster) else None
    length = order_length(step.pipeline, plain.pp, step.microbatches)
    found = peaks(plain.schedule, plain.pp, length, plain.virtual_stages)
    firsts = [sum(cut[:stage]) for stage in range(step.chain)]
    problems = []
    for rank, (parts, peak) in enumerate(zip(memory_by_rank(step), found, strict=True)):
        stages = [stage for stage in range(step.chain) if step.place(stage) == rank]
        runs = [run for stage in stages for run in _runs(step, stage, firsts[stage], costs, allowed)]
        problems.append(
            RankProblem(
                rank=rank,
                runs=tuple(runs),
                moments=tuple(dict(zip(peak.stages, counts, strict=True)) for counts in peak.counts),
                fixed=sum(parts.values()) - sum(parts.get(part, 0.0) for part in _SAVED),
                microbatches=step.microbatches,
                frees=frees_blocks(plain),
                latency=rates.latency if rates else 0.0,
                rate=rates.copy if rates else 0.0,
                streams=streams_gradients(plain),
                parameters="parameters" in allowed,
                host_room=find_host(pricing.cluster).memory / pricing.cluster.node.devices if rates else 0.0,
            )
        )
    return problems


def _runs(
    step: StepCost, stage: int, first: int, costs: Mapping[Recompute, Chain], allowed: frozenset[str]
) -> Iterator[Run]:
    blocks = step.stages[stage].blocks
    busy, host = _bound(blocks, step)
    seconds = [
        tuple(
            work.busy if busy >= host else host_time(work, step.stack) for work in (one.forward, one.backward)
        )
        for one in blocks
    ]
    keys = [*zip(step.pricing.network.places[first : first + len(blocks)], map(id, blocks), strict=True)]
    place = 0
    while place < len(blocks):
        made = (
            (count, turn, _options(step, costs, first + place, count, turn, allowed, launched=busy < host))
            for count, turn in _rows(keys[place:])
        )
        count, turn, options = next(each for each in made if each[2])
        own = blocks[place : place + turn]
        yield Run(
            stage=stage,
            first=first + place,
            count=count,
            forward=sum(forward for forward, _ in seconds[place : place + turn]) / turn,
            backward=sum(backward for _, backward in seconds[place : place + turn]) / turn,
            options=options,
            state=_state(own[0], step) if "optimizer" in allowed else None,
        )
        place += count


def _rows(keys: Sequence[object]) -> list[tuple[int, int]]:
    """Blocks from the first one on that repeat a turn, and how many a turn has; the longest row first."""
    found = []
    for turn in TURNS:
        end = next((at for at in range(turn, len(keys)) if keys[at] != keys[at - turn]), len(keys))
        if turn == 1 or end >= 2 * turn:
            found.append((end // turn * turn, turn))
    return sorted(found, key=lambda row: (-row[0], row[1]))


def _options(  # noqa: PLR0917 - what names a run
    step: StepCost,
    costs: Mapping[Recompute, Chain],
    place: int,
    count: int,
    turn: int,
    allowed: frozenset[str],
    *,
    launched: bool,
) -> tuple[Option, ...]:
    """Options of a run of so many blocks that take turns; none where these are too many or too unlike."""
    network = step.pricing.network
    flags = [network.blocks[network.places[place + index]].recomputable for index in range(turn)]

    def options(items: Iterable[Saver | Segment], index: int = 0) -> list[Option]:
        return list(_useful([_option(item, costs, place + index, step, launched=launched) for item in items]))

    if turn == 1:
        return tuple(options(_items(count, recomputable=flags[0], allowed=allowed)))
    each = [options(_items(1, recomputable=flag, allowed=allowed), index) for index, flag in enumerate(flags)]
    states = (
        [_state(costs[Recompute.NONE][place + index], step) for index in range(turn)]
        if ("optimizer" in allowed)
        else []
    )
    if prod(map(len, each)) > WAYS or any(state != states[0] for state in states):
        return ()
    frees = frees_blocks(step.strategy)
    whole = [size for size in SEGMENTS if not size % turn and size <= count]
    segments = [Segment(((size, KEPT),)) for size in whole if "recompute" in allowed and all(flags)]
    return tuple(_useful([*(_joined(one, frees=frees) for one in product(*each)), *options(segments)]))


def _joined(options: Sequence[Option], *, frees: bool) -> Option:
    """What blocks do that take turns: what each needs briefly comes at its own moment."""
    needs = [(one.transient, one.saved) for one in options]
    return Option(
        items=tuple(item for one in options for item in one.items),
        blocks=sum(one.blocks for one in options),
        saved=sum(one.saved for one in options),
        transient=brief_need(needs) if frees else max(brief for brief, _ in needs),
        copies=tuple(nbytes for one in options for nbytes in one.copies),
        again=sum(one.again for one in options),
    )


def _bound(blocks: Sequence[BlockCost], step: StepCost) -> tuple[float, float]:
    """[s] of both passes of a stage in kernels and collectives, and in launches."""
    works = [work for block in blocks for work in (block.forward, block.backward)]
    return sum(work.busy for work in works), sum(host_time(work, step.stack) for work in works)


def _items(count: int, *, recomputable: bool, allowed: frozenset[str]) -> Iterator[Saver | Segment]:
    yield KEPT
    if "offload" in allowed:
        yield Saver(offload=True)
    if "recompute" in allowed:
        yield Saver("selective")
    if "recompute" in allowed and recomputable:
        yield Saver("full")
        yield from (Segment(((size, KEPT),)) for size in SEGMENTS if size <= count)
        if "offload" in allowed:
            yield Saver("full", offload=True)


def _option(
    item: Saver | Segment, costs: Mapping[Recompute, Chain], place: int, step: StepCost, *, launched: bool
) -> Option:
    blocks = item_blocks(item, costs, place)
    again = sum((block.recompute for block in blocks), Work())
    return Option(
        items=(item,),
        blocks=item_length(item),
        saved=sum(block.saved for block in blocks),
        transient=max(block.transient for block in blocks),
        copies=tuple(block.offloaded for block in blocks if block.offloaded),
        again=host_time(again, step.stack) if launched else again.busy,
    )


def _useful(options: Sequence[Option]) -> Iterator[Option]:
    """Those that no other of as many blocks is at least as good as in everything; of equal ones the first."""
    for place, one in enumerate(options):
        if not any(
            _covers(other, one) and (number < place or not _covers(one, other))
            for number, other in enumerate(options)
            if number != place
        ):
            yield one


def _covers(one: Option, other: Option) -> bool:
    amounts = ("saved", "transient", "offloaded", "again")
    return one.blocks == other.blocks and all(getattr(one, key) <= getattr(other, key) for key in amounts)


def _state(block: BlockCost, step: StepCost) -> State:
    strategy, pricing, workload = step.strategy, step.pricing, step.workload
    parts = shares_bytes(block.gradients, strategy, workload, pricing)
    rates = host_rates(strategy, pricing.cluster)
    count = owned(block.gradients, strategy)
    streams = streams_gradients(strategy)
    whole = sum(share.parameters for share in block.gradients)
    sent = whole if strategy.zero < 2 and streams else count
    return State(
        optimizer=parts["optimizer"] + (parts["gradients"] if streams else 0.0),
        parameters=parts["parameters"],
        gradient=gradient_bytes(sent, pricing),
        fetched=parts["parameters"],
        returned=count * pricing.precision.parameter,
        on_device=update_time(count, workload, pricing, tp=strategy.tp)
        - update_time(0.0, workload, pricing, tp=strategy.tp),
        on_host=count * update_words(workload) / rates.update,
        summed=sent * accumulate_words(pricing) / rates.update,
        held=count * kept_words(workload),
    )
