"""Configurations: a batch cut into micro-batches, each with its algorithm.

Micro-batches run one after the other and share one workspace: times add up, workspaces do not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from simdl.errors import SimdlError

BATCH = 65_536
"""Samples of a batch that is divided, at most: every size up to it is looked at."""
ANY_BATCH = 4_096
"""The same where a micro-batch of each of these sizes is priced."""

ANY_LAUNCHES = 500_000
"""Sizes times unlike passes that are then priced, at most: choosing takes about 20 s of a processor."""
DIVIDED_LAUNCHES = 400_000
"""The same where all passes divide one workspace, so that each has many configurations to choose from."""
JOINT_LAUNCHES = 40_000
"""The same where layouts are chosen as well, by a programme with a column for each of them."""


class Policy(StrEnum):
    """Which sizes micro-batches may have."""

    UNDIVIDED = "undivided"
    """the whole batch"""
    POWER_OF_TWO = "power-of-two"
    """powers of two, and the whole batch"""
    ANY = "any"
    """every size up to the batch"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroBatch:
    """``size`` samples run by one algorithm in ``time`` [s] with ``workspace`` [bytes]."""

    size: int
    algorithm: str
    time: float
    workspace: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Micro-batches of one pass, largest first.

    Attributes:
        micro_batches: their sizes add up to the batch.
        time: [s] of all.
        workspace: [bytes] of the most demanding.
    """

    micro_batches: tuple[MicroBatch, ...]
    time: float
    workspace: float


def build_configuration(micro_batches: Iterable[MicroBatch]) -> Configuration:
    """The configuration of these micro-batches."""
    ordered = tuple(sorted(micro_batches, key=lambda part: (-part.size, part.algorithm)))
    return Configuration(
        micro_batches=ordered,
        time=sum(part.time for part in ordered),
        workspace=max(part.workspace for part in ordered),
    )


def micro_batch_sizes(policy: Policy, batch: int) -> tuple[int, ...]:
    """Sizes that a policy allows, ascending.

    Raises:
        SimdlError: a batch of too many samples to look at all its divisions.

    Example:
        >>> micro_batch_sizes(Policy.POWER_OF_TWO, 12)
        (1, 2, 4, 8, 12)
    """
    most = ANY_BATCH if policy is Policy.ANY else BATCH
    if batch > most:
        raise SimdlError(
            f"batch: found {batch:,}; expected at most {most:,} with {policy.value} micro-batches"
        )
    match policy:
        case Policy.UNDIVIDED:
            return (batch,)
        case Policy.POWER_OF_TWO:
            return tuple(sorted({batch, *(1 << power for power in range(batch.bit_length()))}))
        case Policy.ANY:
            return tuple(range(1, batch + 1))


def check_work(batch: int, *, passes: int, layouts: int, divided: bool, concurrent: bool) -> None:
    """Refuse a batch of whose sizes too many would be looked at where each is a micro-batch of its own.

    Args:
        batch: samples.
        passes: unlike ones.
        layouts: tensors are priced in.
        divided: whether all passes divide one workspace.
        concurrent: whether layers that run beside each other are looked at, which takes as long again.

    Raises:
        SimdlError: too large a batch.
    """
    ways = layouts * (2 if concurrent else 1)
    joint = JOINT_LAUNCHES if layouts > 1 else DIVIDED_LAUNCHES
    most = (joint if divided else ANY_LAUNCHES) // max(passes * ways, 1)
    if batch > most:
        raise SimdlError(
            f"batch: found {batch:,}; expected at most {most:,} with any micro-batches of {passes:,} unlike "
            f"passes in {layouts} layout{'s' * (layouts > 1)}{', some beside others' * concurrent}"
            f"{' that divide one workspace' * divided}"
        )


def undominated(parts: Iterable[MicroBatch]) -> tuple[MicroBatch, ...]:
    """Micro-batches of one size without those that another beats or equals in both time and workspace.

    Ordered by rising workspace, and so by falling time.
    """
    kept: list[MicroBatch] = []
    for part in sorted(parts, key=lambda each: (each.workspace, each.time)):
        if not kept or part.time < kept[-1].time:
            kept.append(part)
    return tuple(kept)
