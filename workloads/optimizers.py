"""Optimizers: the state they keep, the words their update moves, and what it has to exchange.

An update streams gradient, weights and state through memory once; what a rule needs beyond that one pass is
written down per parameter: words that move again, norms of whole tensors, row and column sums of matrices
(Adafactor), products of whole matrices (Muon), state in 8 bit or in pages that the host may hold. What that
costs on a cluster is :mod:`simdl.step.costs.update`'s.
"""

from dataclasses import dataclass

from workloads.errors import UnknownNameError
from workloads.fact_tables import load_facts


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
    source: str
    moment_size: float = 0.0
    passes: int = 0
    norms: int = 0
    factored: bool = False
    orthogonal_steps: int = 0
    paged: bool = False

    @property
    def exchanges(self) -> bool:
        """Whether ranks that share a tensor exchange anything for its update."""
        return bool(self.norms or self.factored or self.orthogonal_steps)


OPTIMIZERS = load_facts("optimizers", Optimizer)


def load_optimizer(name: str) -> Optimizer:
    """The registered optimizer of this name.

    Raises:
        UnknownNameError: no such optimizer; the message suggests the nearest.
    """
    try:
        return OPTIMIZERS[name]
    except KeyError:
        raise UnknownNameError("optimizer", name, OPTIMIZERS) from None
