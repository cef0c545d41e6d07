"""Speed of matrix units that a board's power leaves in hours of training, told from another board's.

Above the least voltage of a process its dynamic power grows with the cube of the clock, because the voltage
follows the clock. With idle power P0 of a board of W watts, dlog(clock) / dlog(W) = W / (3 (W - P0)), so that

    sustained = known x ((W / peak) / (known W / known peak)) ** (1 / (3 (1 - P0 / W)))

and at most 1, where the board never meets its limit. Power is taken per operation of the peak, so that boards
of one architecture with other numbers of multiprocessors or other clocks share one number. Where a short
benchmark of the board itself was already slowed by its power, its fraction of the peak is the lower one, and
``sustained`` is over that: times known fraction / own fraction. Kernels that use matrix units less than large
products draw less and keep a higher clock (`training_clock`).

Source: Mudge, "Power: A First-Class Architectural Design Constraint" (Computer 34(4), 2001), p. 52 (cube of
the frequency); the idle share is that of ``hardware/data/power.toml``.
"""

from typing import TYPE_CHECKING, TypeVar

from hardware.device import Device
from hardware.power_shares import power_shares

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Amount = TypeVar("Amount", float, "NDArray[np.float64]")
DTYPE = "fp16"
"""Format whose peak counts: matrix units of every architecture with this law have it."""


def sustained_by_power(device: Device, like: Device, known: float) -> float:
    """What a device sustains where another board of its architecture sustains a known share.

    Args:
        device: with a board power.
        like: the other board.
        known: speed of its matrix units in training over that of a short benchmark.
    """
    here, there = (each.power / each.flop_rate(DTYPE) for each in (device, like))
    own, other = (each.matmul.fraction[DTYPE] for each in (device, like))
    return float(min(1.0, known * other / own * (here / there) ** power_exponent()))


def power_exponent() -> float:
    """How a clock at the limit follows the power for each operation: dlog(clock) / dlog(power)."""
    return 1 / (3 * (1 - power_shares().idle))


def training_clock(sustained: float, busy: Amount) -> Amount:
    """Clock of a kernel in training over that of a short benchmark, where the power limit alone decides it.

    At a clock c over that of a short benchmark a kernel draws, over what large products draw at c = 1,

        power above idle = (s + (1 - s) busy) c ** 3

    where s is the share of a kernel that only streams. Large products (busy = 1) reach the limit at c =
    ``sustained``; a kernel that streams draws a known share of that limit at c = 1
    (``hardware/data/power.toml``), so s is that share times ``sustained`` cubed. At the limit

        c = sustained x (s + (1 - s) busy) ** (-1 / 3)

    which is above 1 where a kernel never comes to the limit.

    Args:
        sustained: of the device.
        busy: use of matrix units over that of large products; an array of many at once.
    """
    streaming = power_shares().streaming * sustained**3
    clock: Amount = sustained * (streaming + (1 - streaming) * busy) ** (-1 / 3)
    return clock
