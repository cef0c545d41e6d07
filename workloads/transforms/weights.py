"""Transforms that change how weights are stored: pruning, quantisation, sharing, codes of variable length.

The network computes the same products of the same shapes. What they cost outside training follows from the
bits that a device reads and the kernels that it has (`workloads.evaluation`); training computes with dense
weights of its own precision, as fine-tuning of pruned or quantised networks does (Han, Mao and Dally 2016,
arXiv:1510.00149, sections 2 and 3.3: masks and shared gradients on full weights).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.network import Network
from workloads.transforms.selection import (
    change_layers,
    chosen_layers,
    has_product_weights,
    has_stored_weights,
)
from workloads.weight_format import PATTERNS, TWO_OF_FOUR, UNSTRUCTURED, WIDEST, WeightFormat

WIDEST_WEIGHT = 32
WIDEST_TABLE = 16
WEIGHTS = "a layer that multiplies by weights of its own, or a table of rows"
NOTE = (
    "weights that are pruned, quantised, shared or coded count in storage and in inference; training "
    "computes with dense weights of its precision"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Leaves out zeros among the weights.

    Attributes:
        layers: names or patterns; all with weights where there are none.
        sparsity: share that is zero, in [0, 1); 0.5 where the pattern is 2:4.
        pattern: ``"unstructured"`` or ``"2:4"``.
        index_bits: of the distance between two weights; 0 for the width that takes the least bytes.
    """

    layers: tuple[str, ...] = ()
    sparsity: float = 0.5
    pattern: str = UNSTRUCTURED
    index_bits: int = 0

    def apply(self, network: Network) -> Network:
        """The pruned network."""
        pattern = self.pattern if self.sparsity else ""

        def pruned(old: WeightFormat) -> WeightFormat:
            return replace(old, sparsity=self.sparsity, pattern=pattern, index_bits=self.index_bits)

        return _formatted(network, self.layers, "prune", pruned)

    def faults(self) -> Iterator[str]:
        """What is wrong with the numbers."""
        if not 0 <= self.sparsity < 1:
            yield f"sparsity: found {self.sparsity:g}; expected at least 0 and below 1"
        if self.pattern not in PATTERNS:
            yield f"pattern: found {self.pattern!r}; expected one of {', '.join(PATTERNS)}"
        if self.pattern == TWO_OF_FOUR and self.sparsity != 0.5:
            yield f"sparsity: found {self.sparsity:g} with the pattern 2:4; expected 0.5, two of four"
        if self.pattern == TWO_OF_FOUR and self.index_bits:
            yield f"index_bits: found {self.index_bits} with the pattern 2:4; expected none: it takes two"
        if not 0 <= self.index_bits <= WIDEST:
            yield f"index_bits: found {self.index_bits}; expected 1 to {WIDEST}, or 0 for the best"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize:
    """Fewer bits for weights and for what layers read and write.

    Attributes:
        layers: names or patterns; all where there are none: those with weights of networks of sequences,
            every one of other networks.
        weight_bits: of a weight; 0 leaves them.
        activation_bits: of what the layers read and write; 0 leaves them.
    """

    layers: tuple[str, ...] = ()
    weight_bits: int = 0
    activation_bits: int = 0

    def apply(self, network: Network) -> Network:
        """The quantised network."""
        changed = network
        if self.weight_bits:
            changed = _formatted(changed, self.layers, "quantize", self._narrowed)
        if not self.activation_bits:
            return changed
        everything = not self.layers and network.sample != "sequence"
        names = chosen_layers(
            changed,
            self.layers,
            (lambda layer: bool(layer.forward)) if everything or self.layers else has_product_weights,
            what="quantize",
            expected="a layer that computes",
        )
        bits = self.activation_bits
        return change_layers(changed, names, lambda _, layer: (replace(layer, activation_bits=bits),))

    def _narrowed(self, old: WeightFormat) -> WeightFormat:
        return replace(old, bits=self.weight_bits, shared=False)

    def faults(self) -> Iterator[str]:
        """What is wrong with the numbers."""
        for name in ("weight_bits", "activation_bits"):
            if not 0 <= getattr(self, name) <= WIDEST_WEIGHT:
                yield f"{name}: found {getattr(self, name)}; expected 1 to {WIDEST_WEIGHT}, or 0 for none"
        if not self.weight_bits and not self.activation_bits:
            yield "weight_bits: found 0 and no activation_bits; expected one of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Weights that are indexes into a table of few values.

    Attributes:
        layers: names or patterns; all with weights where there are none.
        weight_bits: of an index; the table has 2^weight_bits values.
    """

    layers: tuple[str, ...] = ()
    weight_bits: int = 8

    def apply(self, network: Network) -> Network:
        """The network with shared weights."""

        def shared(old: WeightFormat) -> WeightFormat:
            return replace(old, bits=self.weight_bits, shared=True)

        return _formatted(network, self.layers, "share", shared)

    def faults(self) -> Iterator[str]:
        """What is wrong with the numbers."""
        if not 1 <= self.weight_bits <= WIDEST_TABLE:
            yield f"weight_bits: found {self.weight_bits}; expected 1 to {WIDEST_TABLE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Codes of variable length (Huffman) for stored weights and their places, by their mean bits.

    What a code takes depends on how often each value stands in the weights, so it is measured, not derived.

    Attributes:
        layers: names or patterns; all with weights where there are none.
        weight_bits: mean of a stored weight.
        index_bits: mean of a distance; 0 where places are not coded.
        entries: stored entries per kept weight where they were counted; 0 for what gaps make one expect.
    """

    layers: tuple[str, ...] = ()
    weight_bits: float = 0.0
    index_bits: float = 0.0
    entries: float = 0.0

    def apply(self, network: Network) -> Network:
        """The network with coded weights.

        Raises:
            NetworkError: unknown layers, or layers whose places are coded without having been pruned.
        """

        def coded(old: WeightFormat) -> WeightFormat:
            if self.index_bits and not old.pattern:
                raise NetworkError(["found coded indexes of dense weights; expected prune before them"])
            return replace(
                old,
                coded_bits=self.weight_bits,
                coded_index_bits=self.index_bits,
                entries=self.entries,
            )

        return _formatted(network, self.layers, "code", coded)

    def faults(self) -> Iterator[str]:
        """What is wrong with the numbers."""
        if not 0 < self.weight_bits <= WIDEST_WEIGHT:
            yield f"weight_bits: found {self.weight_bits:g}; expected above 0 and at most {WIDEST_WEIGHT}"
        if not 0 <= self.index_bits <= WIDEST:
            yield f"index_bits: found {self.index_bits:g}; expected 0 to {WIDEST}"
        if self.entries and self.entries < 1:
            yield f"entries: found {self.entries:g}; expected at least 1, or 0 for what gaps need"


def _formatted(
    network: Network, patterns: tuple[str, ...], what: str, form: Callable[[WeightFormat], WeightFormat]
) -> Network:
    """The network with some layers' weights stored in another way, those that share them alike."""
    accepts = has_stored_weights if patterns else has_product_weights
    names = chosen_layers(network, patterns, accepts, what=what, expected=WEIGHTS)

    def change(name: str, layer: Layer) -> tuple[Layer]:
        try:
            return (replace(layer, weight_format=form(layer.weight_format or WeightFormat())),)
        except NetworkError as error:
            raise NetworkError([f"{what}: {name}: {fault}" for fault in error.faults]) from None

    tied = {
        f"{block.name}/{layer.name}"
        for block in network.blocks
        for layer in block.layers
        if layer.tied in names
    }
    changed = change_layers(network, names | tied, change)
    return changed if NOTE in network.notes else replace(changed, notes=(*network.notes, NOTE))
