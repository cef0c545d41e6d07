"""The answer of `simdl memory` in words: its sentence, its rows and what stands below them."""

from collections.abc import Iterator
from typing import Any

from planner.console.answers.headline import device_hours, devices_of, setting_json
from planner.console.format import format_memory, format_seconds, spell_strategy
from planner.questions.memory import MemoryFront, memory_json, runnable_plan
from planner.questions.question import Question

HEADER = ("limit", "needs", "step", "slower", "by", "program says", "plan")


def memory_answer(question: Question, front: MemoryFront) -> dict[str, Any]:
    """The answer by key, in base units."""
    sentence = memory_sentence(question, front)
    return {**memory_json(question, front), **setting_json(question), "headline": sentence}


def memory_sentence(question: Question, front: MemoryFront) -> str:
    """What to run on how many devices, how long a step takes in which memory, and how sure that is."""
    name, where = question.workload.network.name, devices_of(question)
    usable = format_memory(front.usable)
    best = runnable_plan(front)
    if best is None:
        least = front.points[-1].best
        return (
            f"No plan of savers fits {name} on {where}: the one that needs least takes "
            f"{format_memory(least.nbytes)} where {usable} are to be had."
        )
    first = front.points[0].unlimited
    proven = sum(point.optimal for point in front.points)
    workload = question.workload
    cost = device_hours(
        workload.network,
        devices=question.cluster.devices,
        samples_per_s=workload.global_batch / best.step_time,
    )
    longer = (
        f"{best.step_time / first.step_time - 1:.1%} longer than with everything kept, which takes "
        f"{format_memory(first.nbytes)}"
        if best.strategy.savers
        else "with everything kept"
    )
    return (
        f"Run {name} on {where} with {spell_strategy(best.strategy)}: a step takes "
        f"{format_seconds(best.step_time)}, costs {cost}, and needs {format_memory(best.nbytes)} of the "
        f"{usable} of a device, {longer}; {proven} of {len(front.points)} plans are proven optimal."
    )


def memory_rows(front: MemoryFront) -> Iterator[tuple[str, ...]]:
    """Rows under ``HEADER``, one per limit."""
    for limit, point in zip(front.limits, front.points, strict=True):
        best = point.best
        yield (
            format_memory(limit),
            format_memory(best.nbytes),
            format_seconds(best.step_time),
            f"{best.step_time / point.unlimited.step_time - 1:.1%}",
            best.method,
            format_seconds(point.program_time),
            best.strategy.savers or "keep all",
        )


def memory_notes(front: MemoryFront) -> Iterator[str]:
    """How far the programme is from the simulator, and what the literature's plans take."""
    gaps = [point.gap for point in front.points]
    proven = sum(point.optimal for point in front.points)
    yield (
        f"program: {proven} of {len(front.points)} plans proven optimal for its own costs; simulated steps "
        f"are {min(gaps):+.1%} to {max(gaps):+.1%} from what it says"
    )
    last = front.points[-1]
    others = {plan.method: plan for plan in reversed(last.others)}
    for method, plan in others.items():
        needs, limit = (format_memory(each) for each in (plan.nbytes, front.limits[-1]))
        yield f"{method} within {limit}: {format_seconds(plan.step_time)}, {needs}"
    yield f"allowed: {', '.join(front.kinds)}"
