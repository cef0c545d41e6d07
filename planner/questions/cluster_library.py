"""The collective library that a cluster's file names, in place of that of its devices and its software."""

from dataclasses import replace
from typing import Any

from hardware.cluster import Cluster
from simdl.communication import usual_library
from simdl.communication.library import load_library
from simdl.errors import CollectiveError
from simdl.software.reader import load_stack, stack_lineage
from simdl.software.stack import Stack

MEASURED = {"torch": "pytorch-cpu"}
"""Stacks, by the library whose calibration times what they spend beside kernels."""


def named_library(cluster: Cluster) -> str:
    """What ``library`` in the file of a cluster says, checked; ``""`` where it says nothing.

    Raises:
        CollectiveError: no such library or release, or nodes of a mixed cluster that name several.
    """
    names = {part.node.library: part.name for part in cluster.parts}
    if len(names) > 1:
        found = ", ".join(f"{name or 'none'} of {part}" for name, part in names.items())
        raise CollectiveError(f"cluster {cluster.name}: library: found {found}; expected one for all nodes")
    name = next(iter(names))
    if name:
        try:
            load_library(name)
        except CollectiveError as error:
            raise CollectiveError(f"cluster {cluster.name}: library: {error}") from None
    return name


def library_of(cluster: Cluster) -> str:
    """The library of collectives on a cluster: the one it names, else its devices' own.

    Raises:
        CollectiveError: as in :func:`named_library`.
    """
    return named_library(cluster) or usual_library(cluster.device.generation)


def stack_on(name: str, cluster: Cluster) -> Stack:
    """A software stack with the library that a cluster names, and with what was measured of it there.

    Raises:
        CollectiveError: as in :func:`named_library`.
        StackError: no such stack.
    """
    stack, library = load_stack(name), named_library(cluster)
    changes: dict[str, Any] = {"library": library} if library else {}
    if _is_measured(name, cluster):
        changes |= cluster.node.software
        if cluster.node.collectives:  # measured with the copies around them
            changes["shard_copies"] = False
    return replace(stack, **changes) if changes else stack


def _is_measured(name: str, cluster: Cluster) -> bool:
    """Whether a calibrated profile has timed the framework of a stack."""
    backend = cluster.node.measured_on.get("backend")
    return MEASURED.get(backend or "") in {base for base, _ in stack_lineage(name)}


def library_assumed(name: str, cluster: Cluster) -> tuple[str, ...]:
    """A sentence where a cluster's library takes the place of the stack's."""
    own, library = load_stack(name).library, named_library(cluster)
    if not library or library == own:
        return ()
    return (f"collective library {library} (of the cluster's file; {name} has {own})",)
