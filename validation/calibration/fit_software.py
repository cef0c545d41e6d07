"""What a framework spends beside kernels on a processor: per step, per parameter, per sharded call.

All of it is a difference of measured cases (`validation.microbenchmarks.families`), in seconds of Python and
dispatch:

    per parameter   (update of 100 parameters - update of one) / 99
    per step        a step of one parameter, less the operators and gradients that a simulated step counts
    per call        a third of (a block with sharded parameters - the block, less its three collectives),
                    for a block of next to no bytes

What a large block takes beyond that is copies around its collectives, which count as part of their rates.

A difference of measurements that are noisy may come out below zero or far too large: it is left out then, and
the stack's own number holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hardware.cluster import MeasuredCollective
from validation.calibration.least_squares import solve_relative
from validation.microbenchmarks.families.collective import BLOCK_SIZES, BLOCKS, HOOKED, PLAIN, SHARDED
from validation.microbenchmarks.families.overheads import CHAIN, GRADIENT, IN_A_ROW, STEP, UPDATE
from validation.microbenchmarks.measurement import Measurement, quietest

Values = Mapping[tuple[str, int, int], float]
"""[s] by kernel, count and bytes."""

OPERATORS, NODES = 2, 3
"""Operators and nodes of the graph in a case of a step that a simulated step counts with its kernels."""

MOST: Mapping[str, float] = {"step_overhead": 1e-3, "variable_overhead": 50e-6, "shard_call": 2e-3}
"""[s] beyond which a difference is noise: some hundred times the dispatch of an operator for a step."""

FEWEST = 4
"""Sizes from which a collective's latency and rate are told apart."""

FAR = 0.35
"""Median error of a collective's fit from which it is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareFit:
    """What could be told.

    Attributes:
        seconds: [s] by field of a software stack.
        collectives: of sharded parameters by operation, with the copies around them.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    collectives: Mapping[str, MeasuredCollective] = field(default_factory=dict)


def fit_software(measurements: Iterable[Measurement]) -> SoftwareFit:
    """Differences of measured cases; those that are noise are left out."""
    found = quietest(measurements)
    values = {
        (row.case.kernel, row.case.dims.get("count", 1), row.case.dims.get("bytes", 0)): row.value
        for row in found.values()
    }
    calls, collectives = _sharded(values, list(found.values()))
    told = {**_steps(values), **calls}
    kept = {name: seconds for name, seconds in told.items() if 0 < seconds <= MOST[name]}
    return SoftwareFit(seconds=kept, collectives=collectives)


def _steps(values: Values) -> dict[str, float]:
    one, many = (UPDATE, 1, 0), (UPDATE, CHAIN, 0)
    needed = {(STEP, 1, 0), one, many, (IN_A_ROW, CHAIN, 0), (GRADIENT, CHAIN, 0)}
    if not needed <= set(values):
        return {}
    counted = OPERATORS * values[IN_A_ROW, CHAIN, 0] + NODES * values[GRADIENT, CHAIN, 0]
    return {
        "step_overhead": values[STEP, 1, 0] - counted,
        "variable_overhead": (values[many] - values[one]) / (CHAIN - 1),
    }


def _sharded(
    values: Values, rows: Sequence[Measurement]
) -> tuple[dict[str, float], dict[str, MeasuredCollective]]:
    """Seconds per call, and collectives with the copies around them; nothing where either cannot be told."""
    fits = {name: fit for name in SHARDED if (fit := _fit(name, rows)) is not None}
    pairs = [
        (nbytes, values[HOOKED, BLOCKS, nbytes] - values[PLAIN, BLOCKS, nbytes])
        for nbytes in BLOCK_SIZES
        if (HOOKED, BLOCKS, nbytes) in values and (PLAIN, BLOCKS, nbytes) in values
    ]
    if len(fits) < len(SHARDED) or len(pairs) < len(BLOCK_SIZES):
        return {}, {}
    gather, scatter = (fits[name] for name in SHARDED)
    (small, first), (large, second) = (
        (nbytes, (more - 2 * _seconds(gather, nbytes) - _seconds(scatter, nbytes)) / 3)
        for nbytes, more in pairs
    )
    pace = max(0.0, (second - first) / (large - small))
    slower = {
        name: MeasuredCollective(latency=fit.latency, bandwidth=1 / (1 / fit.bandwidth + pace))
        for name, fit in fits.items()
    }
    return {"shard_call": first - pace * small}, slower


def _seconds(collective: MeasuredCollective, nbytes: float) -> float:
    return collective.latency + nbytes / collective.bandwidth


def _fit(operation: str, rows: Iterable[Measurement]) -> MeasuredCollective | None:
    own = [row for row in rows if row.case.kernel == f"collective/{operation}"]
    if len(own) < FEWEST:
        return None
    terms = np.array([[1.0, row.case.nbytes] for row in own])
    seconds = np.array([row.value for row in own])
    latency, pace = found = solve_relative(terms, seconds)
    error = float(np.median(np.abs(terms @ found / seconds - 1)))
    if pace <= 0 or error > FAR:
        return None
    return MeasuredCollective(latency=float(latency), bandwidth=1 / float(pace))
