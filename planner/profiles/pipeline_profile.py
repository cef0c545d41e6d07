"""Pipelines from measured profiles: contiguous stages, some of them replicated, over levels of machines.

With layers i to j, their times T_l, weights w_l, activations a_l, and m components of level k joined by
bandwidth B_k,

    T_k(i..j, m) = 1/m max(A_{k-1}(i..j, m_{k-1}), 2 (m - 1) sum w_l / B_k)          one stage, m replicas
    A_k(i..j, m) = min(T_k(i..j, m), min over s, m' of max(A_k(i..s, m - m'), 2 a_s / B_k, T_k(s+1..j, m')))

and A_0 is the sum of T_l (Narayanan et al. 2019, PipeDream, SOSP, section 3.1). A graph is cut along one
topological order; a_s are all tensors that cross the cut. The inner minimum is that of
:mod:`simdl.step.cuts.stage_cut`, for every first layer at once. Of more than ``CUTS`` places to cut, those
that the fewest bytes cross are tried.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from hardware.cluster import Cluster
from simdl.communication.network import channels
from simdl.errors import SimdlError
from simdl.step.cuts.stage_cut import Table, least_slowest, range_sums
from workloads.importers.layer_profile import LayerProfile

WORK = 2e10  # comparisons of a cut, and what starts one costs; about a minute
STARTED = 1500  # comparisons that one call of numpy costs
CUTS = 400  # places at which deeper profiles may be cut: those that the fewest bytes cross


@dataclass(frozen=True, slots=True)
class Tier:
    """Components of one level that take part, and what joins them.

    Attributes:
        count: components (devices of a node, nodes of a cluster).
        bandwidth: [bytes/s] of one component, one direction.
    """

    count: int
    bandwidth: float


@dataclass(frozen=True, slots=True)
class ProfileStage:
    """Consecutive layers on some devices.

    Attributes:
        first: index of its first layer in the profile.
        last: index of its last layer.
        replicas: copies per tier, innermost first; their product is the stage's devices.
    """

    first: int
    last: int
    replicas: tuple[int, ...]

    @property
    def devices(self) -> int:
        """Devices of the stage."""
        return prod(self.replicas)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePipeline:
    """The best pipeline.

    Attributes:
        stages: in order.
        time: [s] between minibatches, that of the slowest stage or transfer.
        data_parallel: [s] the same with all layers on every device.
    """

    stages: tuple[ProfileStage, ...]
    time: float
    data_parallel: float


def cluster_tiers(cluster: Cluster) -> tuple[Tier, ...]:
    """The levels of a cluster with what one component of each can sustain.

    A node's bandwidth to the network is that of its devices together.
    """
    sizes = [level.size for level in cluster.levels]
    members = [*sizes[:-1], cluster.devices // int(np.prod(sizes[:-1]))]
    below, tiers = 1, []
    for count, channel in zip(members, channels(members, cluster), strict=True):
        tiers.append(Tier(count, channel.bandwidth * below))
        below *= count
    return tuple(tiers)


def solve_profile_pipeline(profile: LayerProfile, tiers: Sequence[Tier]) -> ProfilePipeline:
    """The contiguous stages and replicas whose slowest stage or transfer is fastest, all devices used.

    Args:
        profile: layers in topological order.
        tiers: innermost first.

    Raises:
        SimdlError: a tier without components or bandwidth, or of too many components to try them all.
    """
    for number, tier in enumerate(tiers):
        if tier.count < 1 or not tier.bandwidth > 0:
            raise SimdlError(
                f"tier {number}: found {tier.count} components at {tier.bandwidth} B/s; expected positive"
            )
    sums = _Sums(profile)
    most = _most_components(len(sums.places))
    if (largest := max(tier.count for tier in tiers)) > most:
        raise SimdlError(
            f"cluster: found {largest:,} components of one level (nodes, or devices of a node); expected at "
            f"most {most:,} for the {len(profile.layers)} layers of {profile.name}"
        )
    levels = []
    inner = sums.compute
    for tier in tiers:
        levels.append(_Level(sums, tier, inner))
        inner = levels[-1].best[tier.count]
    return ProfilePipeline(
        stages=tuple(
            ProfileStage(sums.places[stage.first], sums.places[stage.last + 1] - 1, stage.replicas)
            for stage in _stages(levels, (0, len(sums.places) - 1), tiers[-1].count)
        ),
        time=float(inner[0, -1]),
        data_parallel=_data_parallel(sums, tiers),
    )


def _most_components(places: int) -> int:
    """Components of a level whose pipelines can be tried within ``WORK``."""
    pair = places * (places**2 / 6 + STARTED)
    return int((2 * WORK / pair) ** 0.5)


def _data_parallel(sums: "_Sums", tiers: Sequence[Tier]) -> float:
    time = float(sums.compute[0, -1])
    for tier in tiers:
        time = max(time, 2 * (tier.count - 1) * float(sums.weights[0, -1]) / tier.bandwidth) / tier.count
    return time


class _Sums:
    """Sums over layers between two places, as [places, places] tables, infinite up to the diagonal."""

    def __init__(self, profile: LayerProfile) -> None:
        layers = profile.layers
        crossing = _crossing(profile)
        inside = sorted(range(1, len(layers)), key=crossing.__getitem__)[:CUTS]
        self.places = [0, *sorted(inside), len(layers)]
        between = self.places[:-1]
        times = [layer.forward + layer.backward for layer in layers]
        self.compute = range_sums(np.add.reduceat(times, between).tolist())
        weights = [layer.parameters for layer in layers]
        self.weights = range_sums(np.add.reduceat(weights, between).tolist())
        self.crossing = crossing[self.places]


def _crossing(profile: LayerProfile) -> Table:
    """[bytes] of the tensors that are made before a cut and read behind it, by cut position."""
    place = {layer.name: index for index, layer in enumerate(profile.layers)}
    until = [index + 1 for index in range(len(place))]
    for index, layer in enumerate(profile.layers):
        for name in layer.inputs:
            until[place[name]] = max(until[place[name]], index + 1)
    crossing = np.zeros(len(place) + 1)
    for index, layer in enumerate(profile.layers):
        crossing[index + 1 : until[index]] += layer.activation
    return crossing


class _Level:
    """Tables of one level: ``stage[m]`` is T_k and ``best[m]`` is A_k for m components."""

    def __init__(self, sums: _Sums, tier: Tier, inner: Table) -> None:
        self.transfer = 2 * sums.crossing / tier.bandwidth
        self.stage: dict[int, Table] = {}
        self.best: dict[int, Table] = {}
        for m in range(1, tier.count + 1):
            reduce = 2 * (m - 1) * sums.weights / tier.bandwidth if m > 1 else np.zeros_like(inner)
            self.stage[m] = np.maximum(inner, reduce) / m
            self.best[m] = self.stage[m].copy()
            for last in range(1, m):
                self._extend(m, last)

    def _extend(self, m: int, last: int) -> None:
        """Pipelines over m components whose last stage has ``last`` replicas, for every end at once."""
        before = np.maximum(self.best[m - last], self.transfer[None, :])
        found = least_slowest(before, self.stage[last])
        np.minimum(self.best[m], found, out=self.best[m])

    def split(self, first: int, end: int, m: int) -> tuple[int, int] | None:
        """(cut, replicas of the last stage) of the best pipeline; None where it is one stage."""
        goal = self.best[m][first, end]
        if self.stage[m][first, end] <= goal:
            return None
        for last in range(1, m):
            for cut in range(first + 1, end):
                before = max(self.best[m - last][first, cut], self.transfer[cut])
                if max(before, self.stage[last][cut, end]) <= goal:
                    return cut, last
        raise AssertionError("a best pipeline is one of those that were compared")


def _stages(
    levels: Sequence[_Level], span: tuple[int, int], m: int, outer: tuple[int, ...] = ()
) -> Iterator[ProfileStage]:
    """Stages of a table entry of the last level, outer replicas passed down to the stages inside them."""
    first, end = span
    *inner, level = levels
    found = level.split(first, end, m)
    if found is not None:
        cut, last = found
        yield from _stages(levels, (first, cut), m - last, outer)
        first, m = cut, last
    if inner:
        yield from _stages(inner, (first, end), max(inner[-1].best), (m, *outer))
    else:
        yield ProfileStage(first, end - 1, (m, *outer))
