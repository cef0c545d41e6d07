"""How the weights of a layer are stored once a network has been made smaller.

A dense matrix of n weights takes n b bits. With a share s of zeros left out, the n (1 - s) others are stored
one after another, each with the distance to the one before in i bits. A distance can be 2^i at most; where a
gap is longer, a zero is stored in between. Of zeros at independent places, with q = s, that happens

    q^(2^i) / (1 - q^(2^i))

times per weight that is kept (Han, Mao and Dally 2016, arXiv:1510.00149, section 2 and figure 2: relative
indexes and filler zeros). Shared weights are b-bit indexes into a table of 2^b numbers of 32 bits (section
3). Codes of variable length (section 4) make both b and i means over the stored entries; the table of codes
is not counted, nor is it there. A 2:4 pattern keeps two of four neighbours and says with two bits each which
(NVIDIA, "Accelerating Inference with Sparsity Using the NVIDIA Ampere Architecture and TensorRT", 2021).
"""

from dataclasses import dataclass

UNSTRUCTURED = "unstructured"
TWO_OF_FOUR = "2:4"
PATTERNS = (UNSTRUCTURED, TWO_OF_FOUR)
PATTERN_INDEX = 2
"""[bit] that say where a kept weight stands among its four neighbours."""
CODEBOOK_NUMBER = 32
"""[bit] of a shared value (Han et al. 2016, section 3.1: b)."""


WIDEST = 16
"""[bit] of an index, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFormat:
    """How the weights of one layer are stored.

    Attributes:
        sparsity: share of the weights that are zero and left out, in [0, 1).
        pattern: which ones: ``"unstructured"`` or ``"2:4"``; ``""`` where none are left out.
        bits: of a stored weight; 0 for the precision's.
        index_bits: of the distance between two stored weights; 0 for the width that takes the least bytes.
        shared: stored weights are indexes into a table of 2^bits values.
        coded_bits: mean bits of a stored weight in a code of variable length; 0 without one.
        coded_index_bits: the same of a distance.
        entries: stored entries per weight that is kept, where they were counted; 0: expected from the gaps.
    """

    sparsity: float = 0.0
    pattern: str = ""
    bits: int = 0
    index_bits: int = 0
    shared: bool = False
    coded_bits: float = 0.0
    coded_index_bits: float = 0.0
    entries: float = 0.0

    @property
    def density(self) -> float:
        """Share of the weights that are kept."""
        return 1.0 - self.sparsity


def index_width(form: WeightFormat, full: int) -> int:
    """[bit] of the place of a stored weight.

    Args:
        form: how weights are stored.
        full: [bit] of a weight of the precision.

    Example:
        >>> index_width(WeightFormat(sparsity=0.9, pattern="unstructured", bits=8), 32)
        5
    """
    if form.pattern == TWO_OF_FOUR:
        return PATTERN_INDEX
    if form.pattern != UNSTRUCTURED:
        return 0
    each = form.bits or full
    return form.index_bits or min(
        range(1, WIDEST + 1), key=lambda width: expected_entries(form.sparsity, width) * (each + width)
    )


def expected_entries(sparsity: float, index_bits: int) -> float:
    """Stored entries per weight that is kept: one, and the filler zeros that long gaps need.

    Example:
        >>> expected_entries(0.5, 1)
        1.3333333333333333
    """
    beyond: float = sparsity ** (2**index_bits)
    return 1.0 / (1.0 - beyond)


def stored_entries(form: WeightFormat, full: int) -> float:
    """Stored entries per weight of the dense matrix."""
    if form.pattern != UNSTRUCTURED:
        return form.density
    return form.density * (form.entries or expected_entries(form.sparsity, index_width(form, full)))


def stored_bits(form: WeightFormat, weights: int, full: int, *, coded: bool = True) -> float:
    """Bits that a layer's weights take in a file.

    Args:
        form: how they are stored.
        weights: elements of the dense matrix.
        full: [bit] of a weight of the precision.
        coded: with codes of variable length, where there are any.
    """
    each: float = form.bits or full
    index: float = index_width(form, full)
    if coded:
        each, index = form.coded_bits or each, form.coded_index_bits or index
    return weights * stored_entries(form, full) * (each + index) + _table(form)


def held_bits(form: WeightFormat, weights: int, full: int, *, sparse: bool) -> float:
    """Bits that a layer's weights take in a device's memory while the network runs.

    Kernels for dense matrices read every weight, so zeros are filled in when a file is loaded, and codes of
    variable length are opened. Shared weights stay indexes into their table.

    Args:
        form: how they are stored.
        weights: elements of the dense matrix.
        full: [bit] of a weight of the precision.
        sparse: whether the device has kernels for the pattern, which read kept weights and their places.
    """
    if sparse:
        return stored_bits(form, weights, full, coded=False)
    return float(weights * (form.bits or full) + _table(form))


def _table(form: WeightFormat) -> int:
    """[bit] of the table of shared values."""
    return 2**form.bits * CODEBOOK_NUMBER if form.shared else 0
