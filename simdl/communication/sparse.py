"""Sparse all-reduce: streams of index and value pairs that densify as they reduce.

A rank holds k of N values. Where the places of the ranks are independent, P merged streams hold
N (1 - (1 - k/N)^P) values on average; a stream turns dense once its pairs would take more room than N plain
values (Renggli et al. 2019, "SparCML", sections 5.1 and 5.3).

recursive doubling    sum over t < lg P of (alpha + s_t (beta + gamma)), s_t the bytes of 2^t merged streams
split, all-gather     (P-1)(alpha + s_0/P (beta + gamma)) + lg P alpha + (P-1)/P s_P beta
"""

from dataclasses import dataclass

from simdl.communication.terms import log_steps
from simdl.errors import CollectiveError


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseStream:
    """What one rank contributes.

    Attributes:
        dimension: values of the dense vector.
        nonzeros: of them that a rank holds.
        value_bytes: [bytes] of one value.
        index_bytes: [bytes] of one index.
    """

    dimension: float
    nonzeros: float
    value_bytes: float = 4.0
    index_bytes: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.nonzeros <= self.dimension:
            raise CollectiveError(
                f"sparse stream: found {self.nonzeros:g} non-zeros of {self.dimension:g} values; "
                "expected more than 0 and at most all"
            )

    def merged(self, ranks: int) -> float:
        """Values that the streams of so many ranks hold together, on average."""
        return self.dimension * (1 - (1 - self.nonzeros / self.dimension) ** ranks)

    def nbytes(self, ranks: int) -> float:
        """[bytes] of that many merged streams, sparse or dense, whichever is less."""
        sparse = self.merged(ranks) * (self.index_bytes + self.value_bytes)
        return min(sparse, self.dimension * self.value_bytes)

    def is_dense(self, ranks: int) -> bool:
        """Whether so many merged streams are sent as plain values."""
        return self.nbytes(ranks) >= self.dimension * self.value_bytes

    def part(self, ranks: int) -> float:
        """[bytes] of one of as many parts of a single stream."""
        return self.nbytes(1) / ranks

    def merged_part(self, ranks: int) -> float:
        """[bytes] of one of as many parts of all streams merged."""
        return self.nbytes(ranks) / ranks


def round_sizes(p: int, stream: SparseStream) -> tuple[float, ...]:
    """[bytes] that a rank sends in each round of recursive doubling among p ranks, a power of two."""
    return tuple(stream.nbytes(1 << round_) for round_ in range(log_steps(p)))


def estimate_recursive_doubling(
    p: int, stream: SparseStream, *, alpha: float, beta: float, gamma: float
) -> float:
    """Sparse all-reduce by recursive doubling [s]."""
    return sum(alpha + size * (beta + gamma) for size in round_sizes(p, stream))


def estimate_split_all_gather(
    p: int, stream: SparseStream, *, alpha: float, beta: float, gamma: float
) -> float:
    """Sparse all-reduce by splitting, then gathering [s]."""
    split = (p - 1) * (alpha + stream.part(p) * (beta + gamma))
    return split + log_steps(p) * alpha + (p - 1) * stream.merged_part(p) * beta
