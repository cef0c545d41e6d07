"""Measured against predicted time of chosen passes, pass by pass and in all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hardware.units import format_quantity
from planner.commands.microbatch import format_micro_batches
from validation.micro_batching.measure import RunPass

HEADER = (
    "layer",
    "pass",
    "micro-batches",
    "time",
    "predicted",
    "undivided",
    "speed-up",
    "predicted",
    "equal",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Sums over passes.

    Attributes:
        time, predicted: [s] as chosen.
        undivided_time, undivided_predicted: [s] undivided; None where a pass does not fit undivided.
    """

    time: float
    predicted: float
    undivided_time: float | None
    undivided_predicted: float | None

    @property
    def speedup(self) -> float | None:
        """Undivided over chosen time, measured."""
        return None if self.undivided_time is None else self.undivided_time / self.time

    @property
    def predicted_speedup(self) -> float | None:
        """Undivided over chosen time, predicted."""
        return None if self.undivided_predicted is None else self.undivided_predicted / self.predicted


def total_of(passes: Sequence[RunPass]) -> Total:
    """The sums."""
    whole = [p.undivided_time for p in passes if p.undivided_time is not None]
    foretold = [p.choice.undivided.time for p in passes if p.choice.undivided is not None]
    complete = len(whole) == len(foretold) == len(passes)
    return Total(
        time=sum(p.time for p in passes),
        predicted=sum(p.choice.configuration.time for p in passes),
        undivided_time=sum(whole) if complete else None,
        undivided_predicted=sum(foretold) if complete else None,
    )


def record(passes: Sequence[RunPass]) -> dict[str, Any]:
    """Everything in base units."""
    total = total_of(passes)
    return {
        "time": total.time,
        "predicted_time": total.predicted,
        "undivided_time": total.undivided_time,
        "predicted_undivided_time": total.undivided_predicted,
        "speedup": total.speedup,
        "predicted_speedup": total.predicted_speedup,
        "equal": all(p.equal for p in passes),
        "layers": [_pass_record(p) for p in passes],
    }


def _pass_record(found: RunPass) -> dict[str, Any]:
    choice, total = found.choice, total_of([found])
    return {
        "layer": choice.layer,
        "pass": choice.which,
        "micro_batches": choice.configuration.micro_batches,
        "time": total.time,
        "predicted_time": total.predicted,
        "undivided": choice.undivided,
        "undivided_time": total.undivided_time,
        "speedup": total.speedup,
        "predicted_speedup": total.predicted_speedup,
        "difference": found.difference,
        "tolerance": found.tolerance,
        "equal": found.equal,
    }


def rows(passes: Sequence[RunPass]) -> list[tuple[str, ...]]:
    """Cells of a printed table, the sums last."""
    cells = [
        (p.choice.layer, p.choice.which.value, format_micro_batches(p.choice.configuration), *_times([p]))
        for p in passes
    ]
    return [*cells, ("all", "", "", *_times(passes))]


def _times(passes: Sequence[RunPass]) -> tuple[str, ...]:
    total = total_of(passes)
    whole = total.undivided_time
    return (
        format_quantity(total.time, "time"),
        format_quantity(total.predicted, "time"),
        "-" if whole is None else format_quantity(whole, "time"),
        _ratio(total.speedup),
        _ratio(total.predicted_speedup),
        "yes" if all(p.equal for p in passes) else "NO",
    )


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
