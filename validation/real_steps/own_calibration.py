"""The calibration that `simdl validate hardware` makes for itself: one half before the first runs, one after.

A shared host is fast for some minutes and slow for others. Of kernels the quietest round counts and of steps
the quickest run, so both are looked at in two places of the same ten minutes. Nobody shares a GPU: its
kernels are measured at once.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from validation.calibration.session import Calibration, continue_later, run_calibration
from validation.calibration.verdict import verdict_line
from validation.microbenchmarks.backend import DeviceFacts
from validation.microbenchmarks.session import Order
from validation.real_steps.rounds import Between
from validation.real_steps.runs import load_profiles

FIRST, SECOND = 0.0, 30.0
"""[s] of a stage after which no further round is begun: every case once, then again as time allows."""


class OwnCalibration:
    """A quick calibration with PyTorch's kernels in two halves.

    Args:
        folder: of its files.
        device: ``cpu`` or ``cuda:N``.
        facts: of the device.

    Attributes:
        seconds: [s] that the first half took.
    """

    def __init__(self, folder: Path, device: str, facts: DeviceFacts) -> None:
        self._order = Order(out=folder, device=device, backend="torch", quick=True)
        self._facts = facts
        self._found: Sequence[Calibration] = ()
        self.seconds = 0.0

    def begin(self) -> None:
        """Measure every case once, and all rounds of a GPU.

        Raises:
            MeasurementError: measuring failed, or left too little to fit.
        """
        start = time.monotonic()
        order = replace(self._order, seconds=FIRST) if self._order.device == "cpu" else self._order
        self._found = run_calibration(order, self._facts)
        self.seconds = time.monotonic() - start

    def between(self) -> Between | None:
        """The second half, for a processor."""
        return Between(profiles=self._go_on, seconds=self.seconds) if self._order.device == "cpu" else None

    def _go_on(self) -> Mapping[int, str]:
        """Measure further rounds and fit both halves; paths of the profiles by number of processes."""
        continue_later(self._order.out, self._order.device)
        found = run_calibration(replace(self._order, seconds=SECOND), self._facts)
        self._found = [
            replace(after, others=_most(before.others, after.others))
            for before, after in zip(self._found, found, strict=True)
        ]
        return load_profiles(self._order.out, self._facts)

    @property
    def verdicts(self) -> list[str]:
        """What to make of it, in words, for every number of processes."""
        return [verdict_line(each) for each in self._found]


def _most(first: float | None, second: float | None) -> float | None:
    return max((cores for cores in (first, second) if cores is not None), default=None)
