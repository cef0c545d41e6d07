"""Packings: jobs of several possible widths on nodes of equal devices.

A job runs on some devices of one node, or on whole nodes, without a break. A node's devices are alike, so a
set of jobs fits on a node if at no time their devices are more than it has (an interval graph is coloured by
its largest clique). The serial rule places jobs one after another, each as early as it fits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TOLERANCE = 1e-9  # relative, of times that are compared


@dataclass(frozen=True, slots=True)
class Width:
    """One way to run a job: so many devices of each of so many nodes, for so long [s]."""

    devices: int
    nodes: int
    time: float

    @property
    def area(self) -> float:
        """[s] of devices."""
        return self.devices * self.nodes * self.time


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is packed into: nodes of so many devices each."""

    nodes: int
    devices: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A job in a packing: which, in which width, from when [s], on which nodes."""

    job: int
    width: Width
    start: float
    nodes: tuple[int, ...]

    @property
    def end(self) -> float:
        """[s]."""
        return self.start + self.width.time


Jobs = Sequence[Sequence[Width]]
"""Widths of every job."""


def pack(
    order: Sequence[int],
    widths: Sequence[Width],
    shelf: Shelf,
    *,
    nodes: Mapping[int, Sequence[int]] | None = None,
) -> tuple[Placed, ...]:
    """Jobs one after another, each as early as it fits, on the fullest node where it does.

    Args:
        order: jobs.
        widths: of each job, chosen.
        shelf: what they are packed into.
        nodes: of each job, where they are chosen too.
    """
    every = range(shelf.nodes)
    held: list[list[Placed]] = [[] for _ in range(shelf.nodes)]
    placed: list[Placed] = []
    for job in order:
        starts = sorted({0.0, *(each.end for each in placed)})
        found = _earliest(job, widths[job], held, starts, shelf, every if nodes is None else nodes[job])
        placed.append(found)
        for node in found.nodes:
            held[node].append(found)
    return tuple(placed)


def _earliest(  # noqa: PLR0917 - a job, and what it finds
    job: int,
    width: Width,
    held: Sequence[Sequence[Placed]],
    starts: Sequence[float],
    shelf: Shelf,
    on: Sequence[int],
) -> Placed:
    for start in starts:
        end = start + width.time
        free = [(_free(held[node], start, end, shelf.devices), node) for node in on]
        fitting = sorted(each for each in free if each[0] >= width.devices)
        if len(fitting) >= width.nodes:
            return Placed(job, width, start, tuple(sorted(node for _, node in fitting[: width.nodes])))
    raise AssertionError("after the last end everything is free")


def _free(held: Sequence[Placed], start: float, end: float, devices: int) -> int:
    """Devices of a node that are free all the time from start to end."""
    last, first = end * (1 - TOLERANCE), start * (1 + TOLERANCE)
    beside = [each for each in held if each.start < last and each.end > first]
    moments = {start, *(each.start for each in beside if each.start > start)}
    return devices - max(
        (sum(each.width.devices for each in beside if each.start <= now < each.end) for now in moments),
        default=0,
    )


def makespan(placed: Sequence[Placed]) -> float:
    """[s] until the last job ends."""
    return max((each.end for each in placed), default=0.0)


def device_numbers(placed: Sequence[Placed], shelf: Shelf) -> dict[int, tuple[int, ...]]:
    """Devices of every job, counted through all nodes; the lowest free ones as jobs start."""
    until = [[0.0] * shelf.devices for _ in range(shelf.nodes)]
    found: dict[int, tuple[int, ...]] = {}
    for each in sorted(placed, key=lambda one: (one.start, one.job)):
        numbers: list[int] = []
        for node in each.nodes:
            free = [
                device
                for device, time in enumerate(until[node])
                if time <= each.start * (1 + TOLERANCE) + TOLERANCE
            ][: each.width.devices]
            for device in free:
                until[node][device] = each.end
            numbers += [node * shelf.devices + device for device in free]
        found[each.job] = tuple(numbers)
    return found
