"""What a split is given and what it gives: a layer with its inputs, and the work and messages of one rank.

A pass is a sequence of phases. In a phase a rank computes and communicates at the same time; the next one
starts when both are done. So a halo exchange beside the interior of an image, and the reduction of an input
gradient beside the weight gradient, are one phase each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from simdl.communication import Group, Operation
from simdl.splits.layout import Layout
from workloads.layer import Layer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Site:
    """A layer where it stands.

    Attributes:
        layer: undivided.
        shapes: of one sample of each of its inputs.
        batch: samples that pass together, all sample groups of them.
    """

    layer: Layer
    shapes: tuple[tuple[int, ...], ...]
    batch: int


@dataclass(frozen=True, slots=True)
class Message:
    """One communication of one rank.

    Attributes:
        operation: collective, or None for a message to a neighbour.
        elements: as :func:`simdl.communication.collective_time` counts bytes (gathered output of an
            all-gather, input of a reduce-scatter), or what one message carries.
        group: the ranks.
        parameters: elements are parameters rather than activations.
    """

    operation: Operation | None
    elements: float
    group: Group
    parameters: bool = False


Messages = tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Messages of one pass, by when they run.

    Attributes:
        before: messages that the product needs.
        interior: share of the product that does not need them.
        after: messages that carry its result.
    """

    before: Messages = ()
    interior: float = 0.0
    after: Messages = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Divided:
    """What one rank does of a layer.

    Attributes:
        layer: the part it computes; its operators are per sample of its sample group.
        samples: of its sample group.
        source: layout in which it reads its inputs.
        output: layout of its output.
        forward, input_gradient, weight_gradient: messages of each pass.
        replicas: ranks that hold the same parameters and add up their gradients (a segmented all-reduce
            where they are not all ranks).
        gathered: elements of a neighbour's parts that it holds while the layer runs.
    """

    layer: Layer
    samples: int
    source: Layout
    output: Layout
    forward: Phase = field(default_factory=Phase)
    input_gradient: Phase = field(default_factory=Phase)
    weight_gradient: Phase = field(default_factory=Phase)
    replicas: Group
    gathered: float = 0.0


def local_samples(batch: int, layout: Layout) -> int:
    """Samples of the largest sample group."""
    return -(-batch // layout.sample)


def elements(shape: Sequence[int]) -> int:
    """Elements of one sample of this shape."""
    count = 1
    for extent in shape:
        count *= extent
    return count
