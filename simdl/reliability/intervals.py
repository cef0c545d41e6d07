"""Intervals between checkpoints in closed form.

With M between failures (exponential), delta per checkpoint and R per restart, tau of training between two
checkpoints takes, failures and lost work included,

    T(tau) = M exp(R / M) (exp((tau + delta) / M) - 1)

(Daly 2006, A higher order estimate of the optimum checkpoint interval for restart dumps, FGCS 22, equation
20). Its minimum per trained second is at exp((tau + delta)/M) (1 - tau/M) = 1; Young 1974 and Daly
(equation 37) approximate it.
"""

from math import expm1, inf, sqrt

from simdl.errors import SimdlError

BISECTIONS = 200
LARGEST = 700.0  # exponent of a double


def young_interval(checkpoint: float, mtbf: float) -> float:
    """[s] of training between checkpoints: sqrt(2 delta M) (Young 1974, CACM 17:9)."""
    return inf if mtbf == inf else sqrt(2 * checkpoint * mtbf)


def daly_interval(checkpoint: float, mtbf: float) -> float:
    """[s] of training between checkpoints, to a higher order (Daly 2006, equation 37)."""
    if mtbf == inf or checkpoint >= 2 * mtbf:
        return mtbf
    ratio = checkpoint / (2 * mtbf)
    return sqrt(2 * checkpoint * mtbf) * (1 + sqrt(ratio) / 3 + ratio / 9) - checkpoint


def expected_waste(interval: float, *, checkpoint: float, mtbf: float, restart: float) -> float:
    """Share of the time that is not training kept, in [0, 1].

    Raises:
        SimdlError: the interval is not above 0.
    """
    if not interval > 0:
        raise SimdlError(f"interval: found {interval} s; expected above 0")
    if mtbf == inf:
        return checkpoint / (interval + checkpoint) if interval < inf else 0.0
    exponent = (interval + checkpoint) / mtbf
    if exponent + restart / mtbf > LARGEST:
        return 1.0
    wall = mtbf * (1 + expm1(restart / mtbf)) * expm1(exponent)
    return 1 - interval / wall


def best_interval(checkpoint: float, mtbf: float) -> float:
    """[s] of training between checkpoints with the least expected waste.

    The waste does not depend on the restart but by a factor, so the best interval does not either.
    """
    if mtbf == inf:
        return inf
    low, high = 0.0, mtbf
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        # derivative of expm1((tau + delta)/M) / tau is negative while this is
        if expm1((middle + checkpoint) / mtbf) * (middle / mtbf - 1) + middle / mtbf < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
