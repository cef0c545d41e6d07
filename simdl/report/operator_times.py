"""Which operators and collectives the time of a step goes to: on the critical path, and by kind of kernel.

A task of a pass is a stage's; its seconds by cause are shared out over what the pass runs: kernels in
proportion to their device time, tensor-parallel communication in proportion to its collectives.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from simdl.kernels.pricing import Pricing, Work, priced
from simdl.program.action import Action, Cause, Purpose
from simdl.program.action import Work as StageWork
from simdl.report.critical_tasks import Actions
from simdl.step.costs.block_cost import BlockCost
from simdl.step.costs.pass_contents import Division, phase_kernels, phase_messages
from simdl.step.costs.stage import stage_blocks
from simdl.step.costs.step_cost import StepCost, division_of
from simdl.step.strategy import Recompute
from workloads.network import Block

COMMUNICATION = "communication"
OTHERS = "other operators"
PHASES = ("forward", "backward", "recompute")
GRADIENTS = {
    Purpose.INPUT_GRADIENT: ("input gradient",),
    Purpose.WEIGHT_GRADIENT: ("weight gradient",),
}
"""What the backward cause of a pass consists of where the two gradients run apart."""
PASSES = {
    Purpose.FORWARD.value: "forward",
    Purpose.BACKWARD.value: "backward",
    Purpose.INPUT_GRADIENT.value: "backward",
    Purpose.WEIGHT_GRADIENT.value: "backward",
    Purpose.OVERLAPPED.value: "backward",
}
"""Phase of an operator time by the pass it belongs to."""
BOTH = ("input gradient", "weight gradient")
Key = tuple[str, str, str]  # name, phase, kind
Share = tuple[str, str, float]  # name, kind, seconds
Redone = tuple[Recompute, int]
"""Which layers of a block run again, and how many times all of them do beside that."""
BlockPart = tuple[int, str, bool, Redone]
"""Index of a block, phase, whether its collectives are meant, and what of it runs again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTime:
    """Seconds of one operator of one layer, or of one kind of message, on the critical path.

    Attributes:
        name: block, layer and operator, such as ``"decoder/qkv/product"``; else what is done.
        phase: ``"forward"``, ``"backward"``, ``"recompute"``, or ``""`` outside passes.
        kind: of the kernel, ``"communication"``, ``"optimizer"``, or what else takes the time.
        seconds: [s] over all microbatches; equal blocks are added up.
    """

    name: str
    phase: str
    kind: str
    seconds: float


def critical_operators(step: StepCost, actions: Actions) -> tuple[OperatorTime, ...]:
    """What the critical path consists of, longest first; adds up to the step time."""
    blocks = blocks_by_stage(step)
    weights: dict[BlockPart, float] = defaultdict(float)
    found: dict[Key, float] = defaultdict(float)
    for action, causes in actions.items():
        for cause, seconds in causes.items():
            parts = _block_parts(step, blocks, action, cause)
            for key, share in parts.items():
                weights[key] += seconds * share
            if not parts:
                found[_other(action.purpose, cause)] += seconds
    for (block, phase, tensor, redone), seconds in weights.items():
        shares = block_times(step, block, phase, tensor=tensor, redone=redone)
        total = sum(time for *_, time in shares)
        for name, kind, time in shares:
            found[name, "backward" if phase in BOTH else phase, kind] += seconds * time / total
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return tuple(
        OperatorTime(name=name, phase=phase, kind=kind, seconds=seconds)
        for (name, phase, kind), seconds in ordered
        if seconds > 0
    )


def longest_operators(operators: Sequence[OperatorTime], *, limit: int) -> tuple[OperatorTime, ...]:
    """The longest, and after them what the others take together, by phase and kind."""
    others: dict[tuple[str, str], float] = defaultdict(float)
    for operator in operators[limit:]:
        others[operator.phase, operator.kind] += operator.seconds
    return (
        *operators[:limit],
        *(
            OperatorTime(name=OTHERS, phase=phase, kind=kind, seconds=seconds)
            for (phase, kind), seconds in others.items()
        ),
    )


def kernel_times(step: StepCost) -> dict[str, float]:
    """[s] of kernels by kind, mean over pipeline ranks: the breakdown's passes and recomputation."""
    found: dict[str, float] = defaultdict(float)
    for (index, redone), count in block_counts(step).items():
        each = count * step.microbatches / step.pipeline.copies / step.strategy.pp
        for phase in PHASES:
            for _, kind, seconds in block_times(step, index, phase, redone=redone):
                found[kind] += seconds * each
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def redone_of(cost: BlockCost) -> Redone:
    """What of a block runs again: some of its layers once, all of them so many times more."""
    return cost.redone, cost.again


def block_counts(step: StepCost) -> Counter[tuple[int, Redone]]:
    """How often each block stands in the stages, those apart of which something else runs again."""
    return Counter(
        (index, redone_of(cost))
        for indices, stage in zip(blocks_by_stage(step), step.stages, strict=True)
        for index, cost in zip(indices, stage.blocks, strict=True)
    )


def blocks_by_stage(step: StepCost) -> tuple[tuple[int, ...], ...]:
    """Indices into ``network.blocks`` by virtual stage."""
    chain = stage_blocks(step.workload.network, [len(stage.blocks) for stage in step.stages[: step.chain]])
    return chain * step.pipeline.copies


def _block_parts(
    step: StepCost, blocks: tuple[tuple[int, ...], ...], action: Action, cause: str
) -> Mapping[BlockPart, float]:
    """Share of every block and phase in one cause of a pass of a stage; empty for other tasks and causes."""
    tensor = cause == Cause.TENSOR
    if not isinstance(action, StageWork) or action.stage < 0 or not (tensor or cause in PHASES):
        return {}
    parts: dict[BlockPart, float] = defaultdict(float)
    for stage, phase in _phases(action, cause):
        for index, cost in zip(blocks[stage], step.stages[stage].blocks, strict=True):
            work: Work = getattr(cost, phase.replace(" ", "_"))
            parts[index, phase, tensor, redone_of(cost)] += work.tensor if tensor else work.device
    total = sum(parts.values())
    return {key: seconds / total for key, seconds in parts.items() if seconds > 0}


def _phases(action: StageWork, cause: str) -> list[tuple[int, str]]:
    """Stage and phase of all that a cause of a pass may consist of."""
    forward, backward = action.stage, action.stage if action.partner < 0 else action.partner
    gradients = GRADIENTS.get(action.purpose, BOTH)
    found = {
        Cause.FORWARD: [(forward, "forward")],
        Cause.BACKWARD: [(backward, phase) for phase in gradients],
        Cause.RECOMPUTE: [(backward, "recompute")],
    }
    if cause != Cause.TENSOR:
        return found[Cause(cause)]
    runs = {name for name, _ in action.parts}
    return [place for name, places in found.items() if name in runs for place in places]


def _other(task: str, cause: str) -> Key:
    """What is no kernel and no collective of a layer, by its task, or within a pass by its cause."""
    words = cause.replace("_", " ")
    kind = COMMUNICATION if cause.endswith(COMMUNICATION) else words
    if task in PASSES:
        return words, PASSES[task], kind
    return task if kind == COMMUNICATION else words, "", kind


def block_times(
    step: StepCost, block: int, phase: str, *, tensor: bool = False, redone: Redone = (Recompute.NONE, 0)
) -> tuple[Share, ...]:
    """Kernels of one block in one phase in launch order, or its tensor-parallel collectives.

    Args:
        step: whose prices and division.
        block: index into ``network.blocks``.
        phase: ``"forward"``, ``"backward"``, one of its two gradients, or ``"recompute"``.
        tensor: collectives instead of kernels.
        redone: what of it runs again, of :func:`redone_of`.

    Returns:
        Name, kind and [s] for one microbatch.
    """
    division = division_of(step.strategy)
    which = step.pricing.network.blocks[block]
    shares = _collective_shares if tensor else _kernel_shares
    mode, again = redone
    once = shares(step.pricing, division, which, mode, phase)
    if phase != "recompute" or not again:
        return once
    whole = shares(step.pricing, division, which, Recompute.FULL, phase)
    return (*((name, kind, again * seconds) for name, kind, seconds in whole), *once)


@lru_cache(maxsize=4096)
def _kernel_shares(
    pricing: Pricing, division: Division, block: Block, recompute: Recompute, phase: str
) -> tuple[Share, ...]:
    """[s] of the kernels of one block in one phase, for one microbatch."""
    return tuple(
        (f"{block.name}/{layer}/{kernel.name}", kernel.kind.value, priced(pricing, [kernel]).device)
        for layer, kernel in phase_kernels(pricing, division, block, recompute, phase)
    )


@lru_cache(maxsize=4096)
def _collective_shares(
    pricing: Pricing, division: Division, block: Block, _recompute: Recompute, phase: str
) -> tuple[Share, ...]:
    """[s] of the messages within one phase of one block, for one microbatch, hidden or not."""
    return tuple(
        (f"{block.name}/{layer}/{operation}", COMMUNICATION, seconds)
        for layer, operation, _, seconds in phase_messages(pricing, division, block, phase)
    )
