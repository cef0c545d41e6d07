"""Programs of pipelines whose stages all cost the same: the case that the papers' closed forms describe."""

from collections.abc import Mapping
from dataclasses import dataclass

from simdl.pipelines.passes import Entry, Orders, Overlap, Pass, Phase, Result, needs, passes_of, results
from simdl.pipelines.pipeline import Pipeline
from simdl.program.action import Cause, Parts, Purpose, Transfer, Work
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Lane, Program, RankClass, Stream

_LANES = (Lane.COMPUTE, Lane.SEND_FORWARD, Lane.SEND_BACKWARD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What passes of one virtual stage take.

    Attributes:
        forward: [s].
        input_gradient: [s].
        weight_gradient: [s].
        transfer: [s] of a message to another rank, beside computation; 0 leaves messages out.
        overlapped: [s] of a forward and a backward pass that run interleaved; None: their sum.
    """

    forward: float
    input_gradient: float
    weight_gradient: float
    transfer: float = 0.0
    overlapped: float | None = None


def constant_cost_program(orders: Orders, costs: Costs, *, copies: int = 1) -> Program:
    """Tasks of every entry, rank by rank and in order, then those of the messages between ranks.

    Activations are 1 byte each: what is live counts passes in flight.

    Args:
        orders: entries per rank.
        costs: of all stages.
        copies: of the stages that the ranks hold together.
    """
    ranks = range(len(orders))
    builder = ProgramBuilder(
        [RankClass(stage=rank, first=rank) for rank in ranks],
        [Stream(rank, lane) for rank in ranks for lane in _LANES],
    )
    home = {one.stage: rank for rank in ranks for entry in orders[rank] for one in passes_of(entry)}
    chain = (1 + max(home, default=0)) // copies
    made: dict[Result, int] = {}
    for rank in ranks:
        for entry in orders[rank]:
            action = builder.action(_work(entry, costs))
            task = builder.add(action, len(_LANES) * rank, microbatch=passes_of(entry)[0].microbatch)
            made.update((result, task) for one in passes_of(entry) for result in results(one))
    entries = [entry for order in orders for entry in order]
    sent = _sends(builder, entries, home, chain, costs.transfer) if costs.transfer else {}
    for task, entry in enumerate(entries):
        for one in passes_of(entry):
            for need in needs(one, chain):
                # A pass needs what another rank sent, or, where nothing was sent, what was computed.
                arrived = sent.get(need, made[need]) if need.stage != one.stage else made[need]
                builder.wait(task, arrived)
    return builder.program()


def _sends(
    builder: ProgramBuilder, entries: list[Entry], home: Mapping[int, int], chain: int, seconds: float
) -> dict[Result, int]:
    """Add the messages; per result the task after which it has arrived."""
    sent: dict[Result, int] = {}
    for task, entry in enumerate(entries):
        for one in passes_of(entry):
            last, first = (one.stage + 1) % chain == 0, one.stage % chain == 0
            if one.kind.sends_forward and not last and home[one.stage + 1] != home[one.stage]:
                sent[_result(one, Phase.FORWARD)] = _send(builder, task, one, home, seconds)
            if one.kind.sends_back and not first and home[one.stage - 1] != home[one.stage]:
                sent[_result(one, Phase.INPUT_GRADIENT)] = _send(builder, task, one, home, seconds)
    return sent


def _result(one: Pass, phase: Phase) -> Result:
    return Result(phase, one.microbatch, one.stage)


def _send(builder: ProgramBuilder, task: int, one: Pass, home: Mapping[int, int], seconds: float) -> int:
    forward = one.kind.sends_forward
    transfer = Transfer(
        purpose=Purpose.SEND_ACTIVATION if forward else Purpose.SEND_GRADIENT,
        cause=Cause.PIPELINE,
        operation=None,
        ranks=2,
        nbytes=0.0,
        duration=seconds,
        stage=one.stage,
    )
    stream = len(_LANES) * home[one.stage] + (1 if forward else 2)
    return builder.add(builder.action(transfer), stream, (task,), microbatch=one.microbatch)


def _work(entry: Entry, costs: Costs) -> Work:
    passes = passes_of(entry)
    return Work(
        purpose=Purpose[entry.kind.name] if isinstance(entry, Pass) else Purpose.OVERLAPPED,
        parts=_parts(passes, costs),
        stage=passes[0].stage,
        partner=passes[1].stage if len(passes) > 1 else -1,
        acquire=float(sum(one.kind.acquires for one in passes)),
        release=float(sum(one.kind.releases for one in passes)),
    )


def _parts(passes: tuple[Pass, ...], costs: Costs) -> Parts:
    seconds = {
        Phase.FORWARD: costs.forward,
        Phase.INPUT_GRADIENT: costs.input_gradient,
        Phase.WEIGHT_GRADIENT: costs.weight_gradient,
    }
    found = [(phase, seconds[phase]) for one in passes for phase in one.kind.each]
    whole = sum(time for _, time in found)
    scale = costs.overlapped / whole if len(passes) > 1 and costs.overlapped is not None and whole else 1.0
    forward = sum(time for phase, time in found if phase is Phase.FORWARD)
    parts = ((Cause.FORWARD, scale * forward), (Cause.BACKWARD, scale * (whole - forward)))
    return tuple((cause, time) for cause, time in parts if time)


def orders_of_steps(
    pipeline: Pipeline, ranks: int, microbatches: int, virtual_stages: int, steps: int
) -> Orders:
    """Entries per rank; microbatch m of step s is number s * microbatches + m.

    Args:
        pipeline: whose orders they are.
        ranks: pipeline ranks.
        microbatches: of one step.
        virtual_stages: per rank.
        steps: in a row.
    """
    if not pipeline.flushes:
        return pipeline.build(ranks, steps * microbatches, virtual_stages)
    orders = pipeline.build(ranks, microbatches, virtual_stages)
    return tuple(
        tuple(_later(entry, step * microbatches) for step in range(steps) for entry in order)
        for order in orders
    )


def _later(entry: Entry, microbatches: int) -> Entry:
    if isinstance(entry, Pass):
        return entry._replace(microbatch=entry.microbatch + microbatches)
    return Overlap(
        *(one._replace(microbatch=one.microbatch + microbatches) for one in (entry.first, entry.second))
    )
