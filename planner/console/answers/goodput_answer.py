"""The answer of `simdl goodput`: by key, as a sentence and as rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import inf
from typing import Any

from hardware.units import format_quantity
from planner.console.answers.headline import devices_of, setting_json
from planner.console.format import format_duration, format_rate, format_seconds, spell_strategy
from planner.questions.question import Question
from planner.questions.strategy_file import strategy_json
from planner.remedies.least_saving import Choice, does_not_fit
from simdl.reliability.checkpoint import checkpoint_bytes
from simdl.reliability.failures import (
    DEVICE_MTBF,
    NODE_MTBF,
    REPAIR,
    RESTART,
    STORAGE_PER_NODE,
    Failures,
)
from simdl.reliability.intervals import best_interval, daly_interval, expected_waste, young_interval
from simdl.reliability.simulate import Goodput, simulate_goodput, simulate_intervals
from simdl.step.simulate import simulate as simulate_step
from simdl.step.strategy import Strategy

SHOWN = 15  # intervals of the curve
LOSSES = {
    "checkpoints": "spent on checkpoints",
    "lost": "work done anew after failures",
    "restarts": "spent on restarts",
    "waiting": "spent on waiting for nodes",
}
RATIO = 1.25  # between neighbours
SOURCE = "Dubey et al. 2024, arXiv:2407.21783, table 5"


def goodput_answer(
    choice: Choice,
    model: str,
    failures: Failures,
    *,
    said: Mapping[str, str | None],
    asked: float | None,
    horizon: float,
    seed: int,
) -> dict[str, Any]:
    """The answer by key, in base units.

    Args:
        choice: question and strategy.
        model: as its user named it.
        failures: what the training meets.
        said: what was said of failures, by field; None where nothing was.
        asked: [s] of training between checkpoints; the best simulated where None.
        horizon: [s].
        seed: of the failures.

    Raises:
        SimdlError: the strategy does not fit.
    """
    question, strategy = choice.question, choice.strategy
    report = simulate_step(question.workload, question.cluster, strategy, stack=question.stack).report
    if not report.feasible:
        raise does_not_fit(choice, report.reasons[0])
    found = goodput_json(
        failures,
        mtbf=failures.mtbf(question.cluster),
        step_time=report.step_time,
        asked=asked,
        horizon=horizon,
        seed=seed,
    )
    data = {
        "model": model,
        "cluster": question.cluster.name,
        "strategy": strategy_json(strategy),
        "step_time": report.step_time,
        "checkpoint_bytes": checkpoint_bytes(question.workload),
        **found,
        "assumptions": [*question.assumptions, *_assumptions({**said, "spares": failures.spares})],
        "warnings": list(report.warnings),
    }
    data["samples"] = data["steps"] * question.workload.global_batch
    return data | {
        **setting_json(question),
        "headline": _sentence(question, strategy, data),
        "chosen": choice.chosen or None,
    }


def goodput_rows(strategy: str, data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and texts of the numbers that the command prints first."""
    found = data["breakdown"]
    steps = data["interval_steps"]
    interval = "never" if steps is None else f"{format_duration(data['interval'])} ({steps:,.0f} steps)"
    spares = data["failures"]["spares"]
    return [
        ("strategy", strategy),
        ("step time", format_seconds(data["step_time"])),
        ("between failures", "never" if data["mtbf"] is None else format_duration(data["mtbf"])),
        (
            "checkpoint",
            f"{format_quantity(data['checkpoint_bytes'], 'bytes')}, "
            + format_duration(data["failures"]["checkpoint"]),
        ),
        ("restart", format_duration(data["failures"]["restart"])),
        ("spare nodes", "always enough" if spares is None else str(spares)),
        ("checkpoint every", interval),
        ("goodput", f"{data['goodput']:.2%}"),
        *((f"  {name}", f"{share:.2%}") for name, share in found.items() if name != "training"),
        (f"steps in {format_duration(data['horizon'])}", f"{data['steps']:,.0f}"),
        ("failures in it", f"{data['expected_failures']:,.1f}"),
    ]


def _sentence(question: Question, strategy: Strategy, data: Mapping[str, Any]) -> str:
    """What to run on how many devices, what failures leave of it, what it costs, and what most is lost to."""
    lost = {name: share for name, share in data["breakdown"].items() if name != "training"}
    most = max(lost, key=lost.__getitem__)
    horizon = data["horizon"]
    hours = format_rate(question.cluster.devices * horizon / 3600)
    every = data["mtbf"]
    fails = "nothing ever fails" if every is None else f"something fails every {format_duration(every)}"
    interval = data["interval"]
    write = "no checkpoint" if interval is None else f"a checkpoint every {format_duration(interval)}"
    return (
        f"Run {data['model']} on {devices_of(question)} with {spell_strategy(strategy)} and {write}: "
        f"{data['goodput']:.1%} of {format_duration(horizon)} ({hours} device-hours) is training, "
        f"{data['steps']:,.0f} steps of {format_seconds(data['step_time'])}; most of the rest is "
        f"{LOSSES[most]} ({lost[most]:.1%}), where {fails}."
    )


def _assumptions(changes: Mapping[str, object]) -> list[str]:
    """What nobody said, one sentence each."""
    said = {
        "device_mtbf": f"a device fails every {format_duration(DEVICE_MTBF)} ({SOURCE})",
        "node_mtbf": f"a node fails every {format_duration(NODE_MTBF)} beside its devices ({SOURCE})",
        "restart": f"a restart takes {format_duration(RESTART)} and the reading of a checkpoint",
        "spares": "a spare node is always at hand",
    }
    lines = [sentence for name, sentence in said.items() if changes[name] is None]
    if changes["storage_bandwidth"] is None:
        rate = format_quantity(STORAGE_PER_NODE, "bandwidth")
        lines.append(f"storage of {rate} a node (Dubey et al. 2024, arXiv:2407.21783, section 3.3.1)")
    if changes["spares"] is not None and changes["repair"] is None:
        lines.append(f"a failed node is back after {format_duration(REPAIR)}")
    return lines


def goodput_json(
    failures: Failures, *, mtbf: float, step_time: float, asked: float | None, horizon: float, seed: int
) -> dict[str, Any]:
    """Goodput by key, in base units.

    Args:
        failures: what the training meets.
        mtbf: [s] between failures of anything.
        step_time: [s].
        asked: [s] of training between checkpoints; the best simulated where None.
        horizon: [s].
        seed: of the failures.
    """
    if mtbf == inf:
        return _undisturbed(failures, step_time=step_time, asked=asked, horizon=horizon, seed=seed)
    curve = _curve(failures, mtbf=mtbf, seed=seed)
    best = max(curve, key=lambda each: each.goodput)
    chosen = best if asked is None else simulate_goodput(asked, failures, mtbf=mtbf, seed=seed)
    named = {
        "best": best.interval,
        "daly": daly_interval(failures.checkpoint, mtbf),
        "young": young_interval(failures.checkpoint, mtbf),
        "expected_best": best_interval(failures.checkpoint, mtbf),
    }
    return {
        **_common(failures, chosen, mtbf=mtbf, step_time=step_time, horizon=horizon, seed=seed),
        "intervals": {
            name: _at(each, failures, mtbf=mtbf, seed=seed) for name, each in named.items() if each > 0
        },
        "curve": [asdict(each) for each in curve],
    }


def _curve(failures: Failures, *, mtbf: float, seed: int) -> Sequence[Goodput]:
    """Intervals around the expected best; around a hundredth of the time between failures where it is 0."""
    middle = best_interval(failures.checkpoint, mtbf) or mtbf / 100
    grid = [middle * RATIO ** (number - SHOWN // 2) for number in range(SHOWN)]
    return simulate_intervals(grid, failures, mtbf=mtbf, seed=seed)


def _at(interval: float, failures: Failures, *, mtbf: float, seed: int) -> dict[str, float]:
    found = simulate_goodput(interval, failures, mtbf=mtbf, seed=seed)
    expected = expected_waste(interval, checkpoint=failures.checkpoint, mtbf=mtbf, restart=failures.restart)
    return {
        "interval": interval,
        "goodput": found.goodput,
        "waste": found.waste,
        "expected_waste": expected,
    }


def _common(
    failures: Failures, chosen: Goodput, *, mtbf: float | None, step_time: float, horizon: float, seed: int
) -> dict[str, Any]:
    known = {name: None if each == inf else each for name, each in asdict(failures).items()}
    steps = horizon * chosen.goodput / step_time
    return {
        "failures": known,
        "mtbf": mtbf,
        "seed": seed,
        "horizon": horizon,
        "interval": None if chosen.interval == inf else chosen.interval,
        "interval_steps": None if chosen.interval == inf else chosen.interval / step_time,
        "goodput": chosen.goodput,
        "waste": chosen.waste,
        "breakdown": {
            "training": chosen.goodput,
            "checkpoints": chosen.checkpoints,
            "lost": chosen.lost,
            "restarts": chosen.restarts,
            "waiting": chosen.waiting,
        },
        "expected_failures": 0.0 if mtbf is None else horizon / mtbf,
        "steps": steps,
    }


def _undisturbed(
    failures: Failures, *, step_time: float, asked: float | None, horizon: float, seed: int
) -> dict[str, Any]:
    """Nothing ever fails: no checkpoint is the best interval."""
    chosen = simulate_goodput(inf if asked is None else asked, failures, mtbf=inf, seed=seed)
    data = _common(failures, chosen, mtbf=None, step_time=step_time, horizon=horizon, seed=seed)
    return {**data, "intervals": {}, "curve": []}
