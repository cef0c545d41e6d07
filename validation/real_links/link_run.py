"""What a run on shaped links found: its conditions, and every timed repetition."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from validation.real_links.namespaces import Star

SOCKETS = "sockets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Where, when and on which links a run took place.

    Attributes:
        date: in UTC, as ISO 8601.
        kernel, cpu, python, numpy: names and versions.
        torch: version, or empty if not installed.
        cores: that the run could use.
        ranks: on the switch.
        rate: [bytes/s] that each direction of each link was shaped to.
        delay: [s] added to each direction of each link; a path from rank to rank has two links.
        delay_by: what added it, ``netem`` or ``wire``; empty for none.
        latency: [s] measured from rank to rank for a message of one byte: half a round trip, median.
    """

    date: str
    kernel: str
    cpu: str
    cores: int
    python: str
    numpy: str
    torch: str
    ranks: int
    rate: float
    delay: float
    delay_by: str
    latency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """One timed move.

    Attributes:
        transport: ``sockets`` or ``gloo``.
        algorithm: the simulator's name of it.
        nbytes: buffer of one rank.
        time: [s] until the slowest rank was through.
    """

    transport: str
    algorithm: str
    nbytes: int
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The repetitions of one algorithm and size together; times in seconds."""

    transport: str
    algorithm: str
    nbytes: int
    times: tuple[float, ...]

    @property
    def time(self) -> float:
        """Median [s]."""
        return median(self.times)

    @property
    def spread(self) -> float:
        """Largest less smallest time, over the median."""
        return (max(self.times) - min(self.times)) / self.time


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRun:
    """A run: its conditions, its repetitions, and the transports left out with the reasons."""

    conditions: Conditions
    repetitions: tuple[Repetition, ...]
    skipped: tuple[tuple[str, str], ...] = ()


def timings(run: LinkRun) -> list[Timing]:
    """The repetitions by transport, algorithm and size, in the order they were first met."""
    found: dict[tuple[str, str, int], list[float]] = {}
    for each in run.repetitions:
        found.setdefault((each.transport, each.algorithm, each.nbytes), []).append(each.time)
    return [
        Timing(transport=transport, algorithm=algorithm, nbytes=nbytes, times=tuple(times))
        for (transport, algorithm, nbytes), times in found.items()
    ]


def current_conditions(made: Star, *, latency: float) -> Conditions:
    """Conditions of a run on this machine, now, over links of this latency [s]."""
    return Conditions(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        kernel=f"{platform.system()} {platform.release()}",
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        numpy=version("numpy"),
        torch=_version_or_empty("torch"),
        ranks=made.ranks,
        rate=made.rate,
        delay=made.delay,
        delay_by=made.delay_by,
        latency=latency,
    )


def _version_or_empty(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _cpu() -> str:
    """Model name of the processor as the kernel prints it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
