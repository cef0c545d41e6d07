"""Which operators and collectives the time of a step goes to: on the critical path, and by kind of kernel.

A task of the schedule is a whole pass of a stage; its seconds by cause are shared out over what the pass
runs: kernels in proportion to their device time, tensor-parallel communication in proportion to its
collectives.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from simdl.critical_tasks import Passes
from simdl.pass_contents import Division, phase_kernels, phase_messages
from simdl.pricing import Pricing, priced
from simdl.stage import stage_blocks
from simdl.step_cost import StepCost, division_of
from simdl.strategy import Recompute
from workloads.network import Block

COMMUNICATION = "communication"
OTHERS = "other operators"
PHASES = ("forward", "backward", "recompute")
Key = tuple[str, str, str]  # name, phase, kind
Share = tuple[str, str, float]  # name, kind, seconds


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


def critical_operators(step: StepCost, passes: Passes) -> tuple[OperatorTime, ...]:
    """What the critical path consists of, longest first; adds up to the step time."""
    blocks = blocks_by_stage(step)
    weights: dict[tuple[int, str, bool], float] = defaultdict(float)
    found: dict[Key, float] = defaultdict(float)
    for (task, stage), causes in passes.items():
        for cause, seconds in causes.items():
            parts = _block_parts(step, stage, blocks, task, cause)
            for key, share in parts.items():
                weights[key] += seconds * share
            if not parts:
                found[_other(task, cause)] += seconds
    for (block, phase, tensor), seconds in weights.items():
        shares = block_times(step, block, phase, tensor=tensor)
        total = sum(time for *_, time in shares)
        for name, kind, time in shares:
            found[name, phase, kind] += seconds * time / total
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
    counts = Counter(index for indices in blocks_by_stage(step) for index in indices)
    found: dict[str, float] = defaultdict(float)
    for index, count in counts.items():
        for phase in PHASES:
            for _, kind, seconds in block_times(step, index, phase):
                found[kind] += seconds * count * step.microbatches / step.strategy.pp
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def blocks_by_stage(step: StepCost) -> tuple[tuple[int, ...], ...]:
    """Indices into ``network.blocks`` by virtual stage."""
    return stage_blocks(step.workload.network, [len(stage.blocks) for stage in step.stages])


def _block_parts(
    step: StepCost, stage: int, blocks: tuple[tuple[int, ...], ...], task: str, cause: str
) -> Mapping[tuple[int, str, bool], float]:
    """Share of every block and phase in one cause of a pass of a stage; empty for other tasks and causes."""
    tensor = cause == "tensor_communication"
    if stage < 0 or task not in PHASES or not (tensor or cause in PHASES):
        return {}
    phases = (task, "recompute") if tensor and task == "backward" else (task if tensor else cause,)
    parts: dict[tuple[int, str, bool], float] = defaultdict(float)
    for index, cost in zip(blocks[stage], step.stages[stage].blocks, strict=True):
        for phase in phases:
            work = getattr(cost, phase)
            parts[index, phase, tensor] += work.tensor if tensor else work.device
    total = sum(parts.values())
    return {key: seconds / total for key, seconds in parts.items() if seconds > 0}


def _other(task: str, cause: str) -> Key:
    """What is no kernel and no collective of a layer, by its task, or within a pass by its cause."""
    words = cause.replace("_", " ")
    kind = COMMUNICATION if cause.endswith(COMMUNICATION) else words
    if task in PHASES:
        return words, task, kind
    return task if kind == COMMUNICATION else words, "", kind


def block_times(step: StepCost, block: int, phase: str, *, tensor: bool = False) -> tuple[Share, ...]:
    """Kernels of one block in one phase in launch order, or its tensor-parallel collectives.

    Args:
        step: whose prices and division.
        block: index into ``network.blocks``.
        phase: ``"forward"``, ``"backward"`` or ``"recompute"``.
        tensor: collectives instead of kernels.

    Returns:
        Name, kind and [s] for one microbatch.
    """
    division = division_of(step.strategy)
    which = step.workload.network.blocks[block]
    shares = _collective_shares if tensor else _kernel_shares
    return shares(step.pricing, division, which, step.strategy.recompute, phase)


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
