"""Speed of matrix units that a board's power leaves in hours of training, told from another board's.

Above the least voltage of a process its dynamic power grows with the cube of the clock, because the voltage
follows the clock. With idle power P0 of a board of W watts, dlog(clock) / dlog(W) = W / (3 (W - P0)), so that

    sustained = known x ((W / peak) / (known W / known peak)) ** (1 / (3 (1 - P0 / W)))

and at most 1, where the board never meets its limit. Power is taken per operation of the peak, so that boards
of one architecture with other numbers of multiprocessors or other clocks share one number.

Source: Mudge, "Power: A First-Class Architectural Design Constraint" (Computer 34(4), 2001), p. 52 (cube of
the frequency); the idle share is that of ``hardware/data/power.toml``.
"""

from hardware.device import Device
from hardware.power_shares import power_shares

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
    exponent = 1 / (3 * (1 - power_shares().idle))
    return float(min(1.0, known * (here / there) ** exponent))
