"""Weak and strong scaling of plain data parallelism, where it stops paying, and what stops it.

Weak scaling keeps the samples of a device, strong scaling those of a step. Efficiency is throughput per
device over that of the smallest count. Growing from one count to the next pays while it brings at least half
of the throughput that as many more devices could (Amdahl 1967; Ben-Nun and Hoefler 2018, section 6.1). What
stops it is the cause whose device-seconds per sample have grown most since the smallest count.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hardware.cluster import Cluster
from planner.errors import InfeasibleError, SolverError
from planner.per_layer.search import plan_layers
from planner.scaling.data_parallel import DataParallelRun, simulate_data_parallel
from simdl.errors import SimdlError
from simdl.kernels.cost_model import CostModel
from simdl.kernels.pricing import Pricing
from simdl.software.stack import Stack
from simdl.step.simulate import price
from workloads.workload import Workload

PAYS = 0.5  # least share of the ideal gain over the count before
CAUSES = {
    "forward": "kernels: smaller parts of the batch use a device less well",
    "backward": "kernels: smaller parts of the batch use a device less well",
    "launch": "launching: the host cannot keep up with short kernels",
    "overhead": "overhead: what every step costs whatever its size",
    "optimizer": "optimizer: every device updates all parameters",
    "data_communication": "communication: gradients are added up over all devices",
    "contention": "communication: kernels slow down beside gradient sums",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalePoint:
    """One count of nodes.

    Attributes:
        nodes, devices: of the cluster.
        global_batch: samples of a step.
        step_time: [s]; 0 where it cannot run.
        samples_per_s: throughput; 0 where it cannot run.
        efficiency: throughput per device over that of the first point that can run.
        gain: share of the ideal gain over the point before that it brings; None for the first.
        breakdown: [s] by cause.
        kernels: [s] of the passes by kind of kernel.
        reason: why it cannot run, empty if it can.
        split_layers: [samples/s] with the best split of every layer; None where it was not asked for or
            does not exist.
    """

    nodes: int
    devices: int
    global_batch: int
    step_time: float
    samples_per_s: float
    efficiency: float
    gain: float | None
    breakdown: Mapping[str, float]
    kernels: Mapping[str, float]
    reason: str = ""
    split_layers: float | None = None

    @property
    def ran(self) -> bool:
        """Whether there is a step to speak of, even one that does not fit."""
        return self.step_time > 0

    @property
    def answers(self) -> bool:
        """Whether it can be carried out, plainly or with its layers split."""
        return not self.reason or self.split_layers is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleCurve:
    """Points by rising count.

    Attributes:
        mode: ``"weak"`` or ``"strong"``.
        points: one per count.
        stops_at: devices of the first point that does not pay: it cannot run, or its ``gain`` is below
            ``PAYS``; None if every point pays.
        stopped_by: what stops it, empty if nothing does.
    """

    mode: str
    points: tuple[ScalePoint, ...]
    stops_at: int | None
    stopped_by: str


def node_counts(first: int, last: int) -> tuple[int, ...]:
    """First, its doublings up to last, and last.

    Example:
        >>> node_counts(1, 6)
        (1, 2, 4, 6)

    Raises:
        SimdlError: a count below one, or the last below the first.
    """
    if not 1 <= first <= last:
        raise SimdlError(f"nodes {first}..{last}: expected a range that starts at 1 or more and rises")
    counts = []
    while first < last:
        counts.append(first)
        first *= 2
    return (*counts, last)


def scale(
    workload: Workload,
    clusters: Sequence[Cluster],
    *,
    stack: Stack,
    mode: str,
    split_layers: bool = False,
    cost_model: CostModel | None = None,
) -> ScaleCurve:
    """The scaling curve of plain data parallelism.

    Args:
        workload: its global batch is that of the smallest cluster; strong scaling keeps it.
        clusters: by rising number of nodes.
        stack: the software it runs on.
        mode: ``"weak"`` or ``"strong"``.
        split_layers: also find the best split of every layer at each count (images only).
        cost_model: seconds per kernel; the device's own by default.

    Raises:
        SimdlError: an unknown mode, no clusters, or samples that are no images where layers are split.
        HardwareError: the device has no arithmetic of the workload's precision.
    """
    if mode not in {"weak", "strong"} or not clusters:
        raise SimdlError(
            f"mode {mode!r} over {len(clusters)} clusters: expected weak or strong and a cluster"
        )
    # each is checked before any runs
    workloads = [_sized(workload, cluster, clusters[0], mode) for cluster in clusters]
    points: list[ScalePoint] = []
    for cluster, sized in zip(clusters, workloads, strict=True):
        pricing = price(sized, cluster, stack=stack, cost_model=cost_model)
        split = _split_layers(sized, pricing) if split_layers else None
        points.append(_point(sized, cluster, simulate_data_parallel(sized, pricing), points, split))
    stop = next(_stops(points), None)
    return ScaleCurve(
        mode=mode,
        points=tuple(points),
        stops_at=None if stop is None else points[stop].devices,
        stopped_by="" if stop is None else _cause(points, stop),
    )


def _sized(workload: Workload, cluster: Cluster, first: Cluster, mode: str) -> Workload:
    """The workload of one point, with as many samples as its mode says."""
    if mode == "strong":
        return workload
    return replace(workload, global_batch=workload.global_batch * cluster.devices // first.devices)


def _split_layers(workload: Workload, pricing: Pricing) -> float | None:
    try:
        return plan_layers(workload, pricing, top=1).best.samples_per_s
    except (InfeasibleError, SolverError):
        return None


def _point(
    workload: Workload,
    cluster: Cluster,
    ran: DataParallelRun,
    before: Sequence[ScalePoint],
    split_layers: float | None,
) -> ScalePoint:
    rate = workload.global_batch / ran.step_time if ran.step_time else 0.0
    base = next((point for point in before if point.ran), None)
    first = base.samples_per_s / base.devices if base else rate / cluster.devices
    gain = None
    if before and before[-1].samples_per_s:
        ideal = cluster.devices / before[-1].devices - 1
        gain = (rate / before[-1].samples_per_s - 1) / ideal
    return ScalePoint(
        nodes=cluster.count,
        devices=cluster.devices,
        global_batch=workload.global_batch,
        step_time=ran.step_time,
        samples_per_s=rate,
        efficiency=rate / cluster.devices / first if first else 0.0,
        gain=gain,
        breakdown=ran.breakdown,
        kernels=ran.kernels,
        reason=ran.reason,
        split_layers=split_layers,
    )


def _stops(points: Sequence[ScalePoint]) -> Iterator[int]:
    """Points that cannot run, or that bring less than half of what their devices could."""
    for index, point in enumerate(points):
        if point.reason or (point.gain is not None and point.gain < PAYS):
            yield index


def _cause(points: Sequence[ScalePoint], index: int) -> str:
    point, base = points[index], points[0]
    if point.reason:
        return point.reason
    grown = {
        name: _per_sample(point, name) - _per_sample(base, name)
        for name in {*point.breakdown, *base.breakdown}
    }
    grown["forward"] = grown.get("forward", 0.0) + grown.pop("backward", 0.0)
    worst = max(grown, key=lambda name: grown[name])
    whole = point.step_time * point.devices / point.global_batch
    return f"{CAUSES.get(worst, worst)} ({grown[worst] / whole:.0%} of a step)"


def _per_sample(point: ScalePoint, cause: str) -> float:
    """Device-seconds per sample of one cause."""
    return point.breakdown.get(cause, 0.0) * point.devices / point.global_batch


def conclusion(curve: ScaleCurve) -> str:
    """Where data parallelism stops paying, in a sentence."""
    if not any(point.answers for point in curve.points):
        return f"no count can train it by data parallelism: {curve.points[-1].reason}"
    if curve.stops_at is not None:
        return f"data parallelism stops paying at {curve.stops_at} devices: {curve.stopped_by}"
    if len(curve.points) == 1:
        return "one count shows no scaling; expected a range of several, such as 1..64"
    return "data parallelism pays at every count"
