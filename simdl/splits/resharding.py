"""Resharding: what ranks send when a tensor leaves one layer in one layout and is read in another.

Ranks g = max(inner degrees) apart hold the same samples under both layouts, so the exchange stays among g
neighbours: nothing where every rank holds more than it needs, an all-gather where it needs all, otherwise
an all-to-all (Dryden et al. 2019, IPDPS, section III-C: "shuffle"). The gradient travels the other way.
"""

from simdl.communication import Group, Operation
from simdl.splits.layout import Layout
from simdl.splits.site import Message


def reshard_message(source: Layout, target: Layout, elements: float) -> Message | None:
    """The message that turns one layout into another; None where nothing is sent.

    Args:
        source: how the tensor is laid out.
        target: how it is needed.
        elements: of the tensor, all samples of the step.
    """
    if source == target or source.copies >= target.inner:
        return None
    ranks = source.ranks
    size = max(source.inner, target.inner)
    held = elements * size / ranks
    if target.copies == size:
        return Message(Operation.ALL_GATHER, held, Group(size=size // source.copies, stride=source.copies))
    return Message(Operation.ALL_TO_ALL, elements * target.copies / ranks, Group(size=size))
