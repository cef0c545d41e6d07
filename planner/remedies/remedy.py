"""Remedies: single changes that make a strategy fit in memory."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from simdl.kernels.pricing import Pricing
from simdl.memory.needs import memory_shortfalls
from simdl.software.reader import load_stack, usual_stacks
from simdl.software.stack import Stack
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.strategy import Recompute, Strategy, problems, refused
from simdl.step.strategy_notes import unsupported
from workloads.workload import Workload


def remedies(strategy: Strategy, workload: Workload, pricing: Pricing) -> Iterator[Strategy]:
    """Strategies of one change that the software offers and that fit, the least drastic first."""
    for changed in dict.fromkeys(_changes(strategy)):
        faults = (
            *problems(changed, workload, pricing.cluster),
            *refused(changed, pricing.stack),
            *unsupported(changed, workload.network, pricing.stack),
        )
        if faults:
            continue
        step = step_cost(workload, changed, pricing)
        if not any(memory_shortfalls(step, pricing.cluster.device)):
            yield changed


def other_stacks(strategy: Strategy, workload: Workload, pricing: Pricing) -> Iterator[str]:
    """Other usual stacks of the device on which the same strategy fits, by name."""
    device = pricing.cluster.device
    for name in usual_stacks(device.generation, workload.network.sample):
        stack = load_stack(name)
        if name == pricing.stack.name or any(unsupported(strategy, workload.network, stack)):
            continue
        if any(refused(strategy, stack)):
            continue
        step = step_cost(workload, strategy, replace(pricing, stack=stack))
        if not any(memory_shortfalls(step, device)):
            yield name


def why_larger(stack: Stack) -> str:
    """What of a stack takes memory that others do without."""
    if stack.attention == "unfused":
        return "its attention writes the score matrix"
    return "what it keeps and reserves"


def _changes(strategy: Strategy) -> Iterator[Strategy]:
    plain = replace(strategy, stages=())
    half = {"dp": strategy.dp // 2} if strategy.dp % 2 == 0 else None
    changes: list[dict[str, Any] | None] = [
        {"sequence_parallel": True},
        {"zero": 1},
        {"micro_batch": max(1, strategy.micro_batch // 2)},
        {"recompute": Recompute.SELECTIVE},
        {"recompute": Recompute.FULL},
        {"zero": 3},
        {**half, "tp": strategy.tp * 2} if half else None,
        {**half, "pp": strategy.pp * 2} if half else None,
        {**half, "pp": strategy.pp * 2, "recompute": Recompute.FULL} if half else None,
        {"micro_batch": 1, "recompute": Recompute.FULL, "zero": max(1, strategy.zero)},
    ]
    for change in changes:
        if change is not None and any(getattr(plain, key) != value for key, value in change.items()):
            yield replace(plain, **change)
