"""Optimizers: the state they keep, the words their update moves, and what it has to exchange.

An update streams gradient, weights and state through memory once; what a rule needs beyond that one pass is
written down per parameter: words that move again, norms of whole tensors, row and column sums of matrices
(Adafactor), products of whole matrices (Muon), state in 8 bit or in pages that the host may hold. What that
costs on a cluster is :mod:`simdl.step.costs.update`'s.
"""

from dataclasses import dataclass, field

from workloads.errors import UnknownNameError


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """An update rule.

    Attributes:
        name: registered name.
        moments: numbers it keeps per parameter, a master copy not included; of the second moment of a
            factored rule only the factors are kept, which are not in it.
        flops: floating-point operations per parameter of one update, products of whole matrices not included.
        source: paper.
        moment_size: [bytes] of one kept number; 0 for the precision's.
        passes: FP32 words per parameter that move beside one pass over gradient, weights and state.
        norms: sums over a whole tensor that one update of it needs.
        factored: the second moment of a matrix is kept as the means of its rows and of its columns.
        orthogonal_steps: Newton-Schulz iterations on the momentum of each hidden matrix; all other parameters
            are updated by AdamW.
        paged: state lies in pages that move to the host where the device has no room for them.
    """

    name: str
    moments: int
    flops: int
    source: str = ""
    moment_size: float = 0.0
    passes: int = 0
    norms: int = 0
    factored: bool = False
    orthogonal_steps: int = 0
    paged: bool = field(default=False)

    @property
    def exchanges(self) -> bool:
        """Whether ranks that share a tensor exchange anything for its update."""
        return bool(self.norms or self.factored or self.orthogonal_steps)


BLOCK = 2048
"""Elements that share one FP32 scale of 8-bit state (Dettmers et al. 2021, arXiv:2110.02861, section 2.1)."""
EIGHT_BIT = 1 + 4 / BLOCK
"""[bytes] of one number of 8-bit state with its part of a scale."""

_ADAM = "Kingma and Ba 2014, arXiv:1412.6980, algorithm 1"
_ADAMW = "Loshchilov and Hutter 2017, arXiv:1711.05101, algorithm 2"
_EIGHT_BIT = "Dettmers et al. 2021, arXiv:2110.02861, sections 2 and 3"
_PAGED = "Dettmers et al. 2023, arXiv:2305.14314, section 3 (paged optimizers)"

# flops: additions, products, roots and divisions of the algorithm as printed, each one. 8-bit rules look two
# numbers up, scale them, find two maxima, and search two codes of 256 entries (8 comparisons each).
OPTIMIZERS: dict[str, Optimizer] = {
    o.name: o
    for o in (
        Optimizer(name="sgd", moments=0, flops=2, source="Robbins and Monro 1951"),
        Optimizer(name="momentum", moments=1, flops=4, source="Polyak 1964; Sutskever et al. 2013, eq. 1-2"),
        Optimizer(name="nesterov", moments=1, flops=6, source="Sutskever et al. 2013, ICML, eq. 3-4"),
        Optimizer(name="adagrad", moments=1, flops=7, source="Duchi et al. 2011, JMLR 12, figure 1"),
        Optimizer(name="rmsprop", moments=1, flops=9, source="Tieleman and Hinton 2012, lecture 6.5"),
        Optimizer(name="adam", moments=2, flops=12, source=_ADAM),
        Optimizer(name="adamw", moments=2, flops=14, source=_ADAMW),
        # Norms of weight and gradient are known before the update begins: both are read once more.
        Optimizer(
            name="lars",
            moments=1,
            flops=11,
            source="You et al. 2017, arXiv:1708.03888, algorithm 1",
            passes=2,
            norms=2,
        ),
        # The direction is written, and read with the weight once its norm is known.
        Optimizer(
            name="lamb",
            moments=2,
            flops=20,
            source="You et al. 2019, arXiv:1904.00962, algorithm 2",
            passes=3,
            norms=2,
        ),
        # The gradient is read for the factors, for the norm of the update, and to apply it; with RMS(weight).
        Optimizer(
            name="adafactor",
            moments=0,
            flops=13,
            source="Shazeer and Stern 2018, arXiv:1804.04235, algorithm 4",
            passes=3,
            norms=2,
            factored=True,
        ),
        Optimizer(name="adam-8bit", moments=2, flops=34, source=_EIGHT_BIT, moment_size=EIGHT_BIT),
        Optimizer(name="adamw-8bit", moments=2, flops=36, source=_EIGHT_BIT, moment_size=EIGHT_BIT),
        Optimizer(name="paged-adam", moments=2, flops=12, source=_PAGED, paged=True),
        Optimizer(name="paged-adamw", moments=2, flops=14, source=_PAGED, paged=True),
        Optimizer(
            name="paged-adamw-8bit", moments=2, flops=36, source=_PAGED, moment_size=EIGHT_BIT, paged=True
        ),
        # One moment for hidden matrices, AdamW's second one for all else (`simdl.step.costs.update`).
        Optimizer(
            name="muon",
            moments=1,
            flops=7,
            source="Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; "
            "sharded as in Liu et al. 2025, arXiv:2502.16982, algorithm 1",
            orthogonal_steps=5,
        ),
    )
}


def load_optimizer(name: str) -> Optimizer:
    """The registered optimizer of this name.

    Raises:
        UnknownNameError: no such optimizer; the message suggests the nearest.
    """
    try:
        return OPTIMIZERS[name]
    except KeyError:
        raise UnknownNameError("optimizer", name, OPTIMIZERS) from None
