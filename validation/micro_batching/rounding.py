"""How far two right answers of one pass may lie apart: the rounding of sums of a known depth.

A pass adds ``depth`` products of zero-mean operands with root mean squares a and b. Each addition rounds by
at most u times the partial sum, which after k terms is about sqrt(k) a b; errors of either sign add up to a
standard deviation of

    u a b sqrt(1 + 2 + ... + depth)  ~  u a b depth / sqrt(2)

(Higham, "Accuracy and Stability of Numerical Algorithms", 2002, sections 2.8 and 4.2, rounding errors as
independent random numbers). ``SPREAD`` such deviations cover the largest of millions of elements and the
difference of two answers; ``TRANSFORMS`` roundings stand for those of an FFT or Winograd transform. A tap or
a micro-batch left out changes a result by a b sqrt(depth times its share): far more than that.
"""

from simdl.kernels.kernel import ConvolutionCall
from workloads.operators import Pass

UNIT = 2.0**-24
"""u of FP32: half the distance from 1 to the next number."""

SPREAD = 16.0
TRANSFORMS = 128


def sum_depth(call: ConvolutionCall) -> int:
    """Products that one element of the result adds at most."""
    s = call.shape
    taps = s.kernel_height * s.kernel_width
    match call.which:
        case Pass.FORWARD:
            return taps * s.in_channels // s.groups
        case Pass.INPUT_GRADIENT:
            return taps * s.out_channels // s.groups
        case Pass.WEIGHT_GRADIENT:
            return call.batch * s.out_height * s.out_width


def rounding_tolerance(call: ConvolutionCall, first: float, second: float) -> float:
    """Largest difference of two answers that rounding explains.

    Args:
        call: the undivided pass.
        first: root mean square of its first operand, whose mean is zero.
        second: the same of the other.
    """
    return SPREAD * UNIT * first * second * (sum_depth(call) + TRANSFORMS)
