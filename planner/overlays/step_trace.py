"""The Chrome trace of a simulated step, with what only its question knows: layers by stage, equal ranks."""

from pathlib import Path
from typing import Any

from simdl.report.chrome_trace import chrome_trace, write_chrome_trace
from simdl.report.stage_layers import stage_layers
from simdl.step.simulate import Simulation


def step_trace(simulation: Simulation) -> dict[str, Any]:
    """The trace as a JSON-ready object."""
    return chrome_trace(simulation.timeline, layers=_layers(simulation), copies=_copies(simulation))


def write_step_trace(simulation: Simulation, path: Path) -> None:
    """Write the trace as a whole or not at all.

    Raises:
        SimdlError: the directory is missing or not writable.
    """
    write_chrome_trace(simulation.timeline, path, layers=_layers(simulation), copies=_copies(simulation))


def _layers(simulation: Simulation) -> tuple[str, ...]:
    return tuple(stage_layers(simulation.step))


def _copies(simulation: Simulation) -> int:
    """Equal ranks that a simulated one stands for."""
    strategy = simulation.report.strategy
    return strategy.devices // strategy.pp
