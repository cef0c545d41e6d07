"""Fits links and collective libraries on sweeps, all at once, by the model that prices collectives.

Which algorithm and protocol a row runs follows from the library's tuning model and not from what is fitted,
so a row is one curve of `simdl.communication.cost.build_curve` whose numbers are looked up among the
parameters. Rows of one algorithm, protocol and library are evaluated together, as arrays. Run as ``python
-m validation.fit.links`` it prints the parameters.

The loss is the softened logarithm of predicted over measured time, plus the distance of every parameter
from where it starts or from its parent, in spreads (``links.toml``). A row below 1 MiB counts 0.6, and a
sweep of many rows as the root of their number.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simdl.communication.algorithms import Algorithm, find_algorithm
from simdl.communication.cost import build_curve, channels_for, ways
from simdl.communication.group import extents
from simdl.communication.library import InSwitch, Library, load_library
from simdl.communication.network import Channel, channels
from simdl.communication.terms import Terms
from validation.fit.least_squares import Vector, minimise, soften
from validation.judging.rules import Pattern, first_match, load_rules
from validation.sweeps.compare import LARGE, Measured, measured_rows
from workloads.amounts import as_number

SOFT = 0.1  # error beyond which a row pulls no harder
SMALL_WEIGHT = 0.6
TYPICAL_ROWS = 10
MICRO = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One number of the fit: where it starts, and how far it goes on average, in logarithms."""

    name: str
    start: float
    spread: float
    parent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Links that share their numbers."""

    pattern: Pattern
    family: str
    ramp: str


@cache
def parameters() -> tuple[Parameter, ...]:
    """What the fit may move."""
    return load_rules("fit/links.toml", Parameter)


@cache
def _place(name: str) -> int:
    return [parameter.name for parameter in parameters()].index(name)


@cache
def family_of(link: str) -> Family | None:
    """Family of a link; None where the fit knows none."""
    return first_match(load_rules("fit/link_families.toml", Family), link)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRows:
    """One level of some rows: terms, peak of a rank [bytes/s], and places of the link's numbers."""

    terms: Terms
    peak: Vector
    latency: NDArray[np.intp]
    efficiency: NDArray[np.intp]
    ramp: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows that one algorithm with one protocol of one library carries out on as many levels."""

    places: NDArray[np.intp]
    algorithm: Algorithm
    protocol: str
    library: Library
    levels: tuple[LevelRows, ...]
    inner: bool  # the first of the levels is the innermost
    switch_share: Vector
    arithmetic: Vector
    sizes: Vector
    launches: Vector
    alone: NDArray[np.bool_]


def group_rows(measured: Sequence[Measured]) -> tuple[Rows, ...]:
    """The rows by what is evaluated together; rows on links of no family are left out."""
    found: dict[Any, list[tuple[int, Any]]] = {}
    for place, row in enumerate(measured):
        curve = ways(row.operation, row.group, row.cluster, row.library, row.algorithm).at(row.size)
        members = extents(row.group, row.cluster)
        algorithm = find_algorithm(row.operation, curve.algorithm)
        terms = algorithm.terms(members)
        both = zip(terms, channels(members, row.cluster), strict=True)
        used = [(level, term, channel) for level, (term, channel) in enumerate(both) if term.sent > 0]
        families = [family_of(channel.link) for _, _, channel in used]
        if None in families or algorithm.name == "pairwise":
            continue
        levels = tuple(level for level, _, _ in used)
        key = (row.operation, curve.algorithm, curve.protocol, row.library, levels)
        reduced = sum(term.reduced for term in terms) * 3 / row.cluster.device.memory_bandwidth
        found.setdefault(key, []).append((place, (row, used, families, reduced)))
    return tuple(_rows(key, rows) for key, rows in found.items())


def _rows(key: Any, rows: Sequence[tuple[int, Any]]) -> Rows:  # noqa: ANN401 - the key of a group of rows
    operation, algorithm, protocol, library, levels = key
    profile = load_library(library)
    return Rows(
        places=np.array([place for place, _ in rows]),
        algorithm=find_algorithm(operation, algorithm),
        protocol=protocol,
        library=profile,
        levels=tuple(
            _level([(used[index], families[index]) for _, (_, used, families, _) in rows])
            for index in range(len(levels))
        ),
        inner=levels[0] == 0,
        switch_share=_switch_shares(profile, [used[0][2].link for _, (_, used, _, _) in rows]),
        arithmetic=np.array([reduced for _, (_, _, _, reduced) in rows]),
        sizes=np.array([row.size for _, (row, _, _, _) in rows], dtype=float),
        launches=np.array([row.launches for _, (row, _, _, _) in rows], dtype=float),
        alone=np.array([row.alone for _, (row, _, _, _) in rows]),
    )


def _switch_shares(library: Library, links: Sequence[str]) -> Vector:
    return np.array([library.in_switch[at].efficiency if at in library.in_switch else 1.0 for at in links])


def _level(rows: Sequence[Any]) -> LevelRows:
    terms = [term for (_, term, _), _ in rows]
    return LevelRows(
        terms=Terms(
            steps=as_number(np.array([term.steps for term in terms], dtype=float)),
            sent=as_number(np.array([term.sent for term in terms], dtype=float)),
        ),
        peak=np.array([channel.peak for (_, _, channel), _ in rows]),
        latency=np.array([_place(f"{family.family}.latency") for _, family in rows]),
        efficiency=np.array([_place(f"{family.family}.efficiency") for _, family in rows]),
        ramp=np.array([_place(f"{family.ramp}.ramp") for _, family in rows]),
    )


def predict_times(rows: Rows, values: Vector) -> Vector:
    """[s] of some rows with these parameters."""
    profile = _with_values(rows.library, values, rows.switch_share)
    found = tuple(_channel(level, values) for level in rows.levels)
    if rows.inner:
        found = channels_for(rows.algorithm, found, profile, across=len(found) > 1)
    used = [(level.terms, channel) for level, channel in zip(rows.levels, found, strict=True)]
    curve = build_curve(
        rows.algorithm,
        profile.protocol(rows.protocol),
        profile,
        used=used,
        arithmetic=as_number(rows.arithmetic),
    )
    host = np.where(
        rows.launches > 0, profile.least + profile.least_more * np.maximum(rows.launches - 1, 0), 0.0
    )
    device = curve.device_time(as_number(rows.sizes))
    times: Vector = np.where(rows.alone, host + device, np.maximum(host, device))
    return times


def _channel(level: LevelRows, values: Vector) -> Channel:
    return Channel(
        link="",
        switched=True,
        latency=as_number(values[level.latency] * MICRO),
        peak=as_number(level.peak),
        bandwidth=as_number(level.peak * np.minimum(values[level.efficiency], 1.0)),
        ramp=as_number(values[level.ramp] * MICRO),
    )


def _with_values(library: Library, values: Vector, switch_share: Vector) -> Library:
    """A library with the numbers of the fit."""

    def value(name: str) -> float:
        return float(values[_place(name)])

    if library.version is None:
        return replace(library, launch=value("mlsl.launch") * MICRO) if library.name == "mlsl" else library
    protocols = tuple(
        replace(
            protocol,
            launch=value(f"{protocol.name}.launch") * MICRO,
            latency=1.0 if protocol.name == "ll" else value(f"{protocol.name}.latency"),
        )
        for protocol in library.protocols
    )
    return replace(
        library,
        least=value("library.least") * MICRO,
        least_more=value("library.least_more") * MICRO,
        overlap=value("library.overlap"),
        tree=min(1.0, value("library.tree")),
        protocols=protocols,
        in_switch={
            "": InSwitch(latency=value("library.in_switch") * MICRO, efficiency=as_number(switch_share))
        },
    )


def fit_links(measured: Sequence[Measured]) -> Vector:
    """The parameters that suit some rows best, in the units of ``links.toml``."""
    starts = np.log([parameter.start for parameter in parameters()])
    spreads = np.array([parameter.spread for parameter in parameters()])
    parents = np.array([_place(parameter.parent) if parameter.parent else -1 for parameter in parameters()])
    groups = group_rows(measured)
    times = np.array([row.time for row in measured])
    weights = _weights(measured)

    def residuals(point: Vector) -> Vector:
        values = np.exp(point)
        errors = [
            weights[rows.places] * np.log(predict_times(rows, values) / times[rows.places]) for rows in groups
        ]
        home = np.where(parents >= 0, point[parents], starts)
        return np.concatenate([*(soften(part, SOFT) for part in errors), (point - home) / spreads])

    return np.exp(minimise(residuals, starts))


def _weights(measured: Sequence[Measured]) -> Vector:
    counts: dict[str, int] = {}
    for row in measured:
        counts[row.sweep] = counts.get(row.sweep, 0) + 1
    return np.array(
        [
            (1.0 if row.size >= LARGE else SMALL_WEIGHT)
            / np.sqrt(max(counts[row.sweep], TYPICAL_ROWS / 3) / TYPICAL_ROWS)
            for row in measured
        ]
    )


def predict_rows(measured: Sequence[Measured], values: Vector) -> Vector:
    """[s] of every row with these parameters; nan for rows that the fit does not cover."""
    found = np.full(len(measured), np.nan)
    for rows in group_rows(measured):
        found[rows.places] = predict_times(rows, values)
    return found


def leave_out_fabrics(measured: Sequence[Measured]) -> Vector:
    """[s] of every row by a fit without any row that crosses its outermost link."""
    found = np.full(len(measured), np.nan)
    for fabric in dict.fromkeys(row.fabric for row in measured):
        values = fit_links([row for row in measured if row.fitted and fabric not in row.links])
        own = [place for place, row in enumerate(measured) if row.fabric == fabric]
        found[own] = predict_rows([measured[place] for place in own], values)
    return found


def main() -> None:
    """Fit the published rows and print every parameter."""
    rows = [row for _, row in measured_rows() if row.fitted]
    for parameter, value in zip(parameters(), fit_links(rows), strict=True):
        sys.stdout.write(f"{parameter.name} {value:.4g}\n")


if __name__ == "__main__":
    main()
