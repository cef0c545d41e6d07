"""Horizon: what of a long stretch of time a cluster trains, failures and checkpoints included."""

from dataclasses import dataclass
from math import inf

from hardware.cluster import Cluster
from simdl.reliability.checkpoint import checkpoint_bytes, checkpoint_time
from simdl.reliability.failures import STORAGE_PER_NODE, Failures
from simdl.reliability.intervals import best_interval, expected_waste
from workloads.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A long training, in expectation (Daly 2006).

    Attributes:
        horizon: [s].
        mtbf: [s] between failures of anything.
        checkpoint_bytes: [bytes] of one checkpoint.
        checkpoint_time: [s] of one checkpoint.
        interval: [s] of training between checkpoints with the least waste.
        goodput: share of the time that is training kept.
        steps: kept within the horizon.
        samples: kept within the horizon.
    """

    horizon: float
    mtbf: float
    checkpoint_bytes: float
    checkpoint_time: float
    interval: float
    goodput: float
    steps: float
    samples: float


def failures_of(workload: Workload, cluster: Cluster, *, storage: float | None = None) -> Failures:
    """The default failures of a cluster, with checkpoints of a workload.

    Args:
        workload: what is trained.
        cluster: on what.
        storage: [bytes/s] of storage; the default for so many nodes where None.
    """
    bandwidth = storage or STORAGE_PER_NODE * sum(part.count for part in cluster.parts)
    seconds = checkpoint_time(checkpoint_bytes(workload), bandwidth)
    base = Failures(checkpoint=seconds)
    return Failures(checkpoint=seconds, restart=base.restart + seconds)


def goodput(failures: Failures, cluster: Cluster) -> tuple[float, float]:
    """The best interval between checkpoints [s], and the share of the time that is training kept with it."""
    mtbf = failures.mtbf(cluster)
    interval = best_interval(failures.checkpoint, mtbf)
    if interval == inf:
        return interval, 1.0
    waste = expected_waste(interval, checkpoint=failures.checkpoint, mtbf=mtbf, restart=failures.restart)
    return interval, 1.0 - waste


def outlook(
    workload: Workload,
    cluster: Cluster,
    *,
    step_time: float,
    horizon: float,
    failures: Failures | None = None,
) -> Outlook:
    """The outlook of a training whose step takes ``step_time`` [s].

    Args:
        workload: what is trained.
        cluster: on what.
        step_time: [s].
        horizon: [s].
        failures: what it meets; the defaults where None.
    """
    met = failures or failures_of(workload, cluster)
    interval, kept = goodput(met, cluster)
    steps = horizon * kept / step_time
    return Outlook(
        horizon=horizon,
        mtbf=met.mtbf(cluster),
        checkpoint_bytes=checkpoint_bytes(workload),
        checkpoint_time=met.checkpoint,
        interval=interval,
        goodput=kept,
        steps=steps,
        samples=steps * workload.global_batch,
    )
