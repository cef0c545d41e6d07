"""Partners at distances 1, 2, 4, ... step by step: butterfly, Rabenseifner, recursive halving and doubling.

Formulas and what happens beyond the largest power of two stand in :mod:`simdl.communication.butterfly`,
:mod:`simdl.communication.rabenseifner` and :mod:`simdl.communication.recursive`.
"""

from collections.abc import Sequence

from simdl.communication.stepwise.schedule import Message, Round, Schedule, scheduled
from simdl.errors import CollectiveError
from simdl.topology.patterns import doubling_distances


def _exchange(q: int, distance: int, nbytes: float, *, combine: bool) -> Round:
    combined = nbytes if combine else 0.0
    return [Message(rank, rank ^ distance, nbytes, combined) for rank in range(q)]


def _largest_power(p: int) -> int:
    return 1 << (p.bit_length() - 1)


def _only_powers(p: int) -> None:
    if p & (p - 1):
        raise CollectiveError(f"recursive halving or doubling among {p} ranks: expected a power of two")


def butterfly_all_reduce(p: int, n: float) -> Schedule:
    """Recursive doubling of the entire buffer; ranks past the largest power of two go through a partner."""
    q = _largest_power(p)
    fold = [[Message(rank, rank - q, n, n) for rank in range(q, p)]]
    core = [_exchange(q, distance, n, combine=True) for distance in doubling_distances(q)]
    unfold = [[Message(rank - q, rank, n) for rank in range(q, p)]]
    return scheduled(p, fold, core, unfold)


def _halving(q: int, n: float) -> list[Round]:
    return [_exchange(q, d, n / (2 * d), combine=True) for d in doubling_distances(q)]


def _doubling(q: int, n: float) -> list[Round]:
    return [_exchange(q, d, n / (2 * d), combine=False) for d in reversed(doubling_distances(q))]


def rabenseifner_all_reduce(p: int, n: float) -> Schedule:
    """Recursive halving, then doubling; pairs past the largest power of two first combine halves."""
    q = _largest_power(p)
    swap = [Message(a, b, n / 2, n / 2) for r in range(q, p) for a, b in ((r, r - q), (r - q, r))]
    collect = [Message(rank, rank - q, n / 2) for rank in range(q, p)]
    result = [Message(rank - q, rank, n) for rank in range(q, p)]
    return scheduled(p, [swap, collect], _halving(q, n), _doubling(q, n), [result])


def recursive_reduce_scatter(p: int, n: float) -> Schedule:
    """Recursive halving of n input bytes.

    Raises:
        CollectiveError: p is not a power of two.
    """
    _only_powers(p)
    return scheduled(p, _halving(p, n))


def recursive_all_gather(p: int, n: float) -> Schedule:
    """Recursive doubling to n bytes.

    Raises:
        CollectiveError: p is not a power of two.
    """
    _only_powers(p)
    return scheduled(p, _doubling(p, n))


def sparse_all_reduce(sizes: Sequence[float]) -> Schedule:
    """Recursive doubling of streams that grow as they merge; ``sizes`` [bytes] by round."""
    q = 1 << len(sizes)
    rounds = [
        _exchange(q, distance, nbytes, combine=True)
        for distance, nbytes in zip(doubling_distances(q), sizes, strict=True)
    ]
    return scheduled(q, rounds)
