"""Whether a calibration is worth using, in one word and with the reasons.

Limits are assumed; on a quiet machine of our own (docs/calibration.md) kernels held out were 5 to 20 % off,
and a step, which adds up many, about half as far.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from simdl.report.certainty import DRIFTING
from validation.calibration.outcome import (
    Agreement,
    agreement_of_rounds,
    agreement_of_runs,
    family_errors,
)
from validation.calibration.residual import Residual
from validation.calibration.session import Calibration
from validation.microbenchmarks.session import describe

FEWEST = 5
"""Rows of a family held out from which on its error says something."""
NOISY, UNUSABLE = 0.15, 0.30
"""Median size of the error of kernels held out."""
FAMILY = 0.60
"""The same of one family from which on the profile is not to be used."""
APART = 0.10
"""Median by which rounds of one run, or of two, lie apart when a machine is not quiet."""
SPREAD = 0.50
"""The same at 90 % of the cases."""
LOAD = 0.15
"""Cores that others keep busy."""


class Word(StrEnum):
    """What to make of a calibration."""

    USABLE = "usable"
    NOISY = "noisy"
    NOT_USABLE = "not usable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A word and its reasons, none where it is usable."""

    word: Word
    reasons: tuple[str, ...]


def verdict(found: Calibration) -> Verdict:
    """The verdict on one setting."""
    wrong = (*_wrong(found.residuals), *_unlinked(found))
    loud = tuple(_loud(found))
    if wrong:
        return Verdict(word=Word.NOT_USABLE, reasons=(*wrong, *loud))
    return Verdict(word=Word.NOISY if loud else Word.USABLE, reasons=loud)


def verdict_line(found: Calibration) -> str:
    """The same in one line, with the setting."""
    given = verdict(found)
    reasons = f"{': ' * bool(given.reasons)}{'; '.join(given.reasons)}"
    return f"verdict: {given.word}{reasons} ({describe(found.fitted.setting)})"


def agreements(found: Calibration) -> tuple[Agreement | None, Agreement | None]:
    """How far the rounds of a run lie apart, and this run from the one before, where there are any."""
    rounds = agreement_of_rounds(found.measurements)
    runs = agreement_of_runs(found.before, found.measurements) if found.before else None
    return rounds, runs


def _held_out(residuals: Sequence[Residual]) -> float | None:
    errors = [abs(row.error) for row in residuals if row.timed.held_out]
    return float(np.median(errors)) if errors else None


def _wrong(residuals: Sequence[Residual]) -> Iterator[str]:
    error = _held_out(residuals)
    if error is None:
        yield "no kernel was held out; expected a whole run"
    elif not error <= UNUSABLE:
        yield f"kernels held out are off by {error:.0%} in the median; expected at most {UNUSABLE:.0%}"
    for row in family_errors(residuals):
        off = row.held_out_median
        if off is not None and row.held_out >= FEWEST and not off <= FAMILY:
            yield f"{row.family}: {row.held_out} kernels held out are off by {off:.0%} in the median"


def _unlinked(found: Calibration) -> Iterator[str]:
    """Whether processes were measured side by side, but nothing between them."""
    if found.fitted.setting.processes < 2 or found.fitted.gpu is not None or found.fitted.link is not None:
        return
    reasons = sorted({row.skipped for row in found.measurements if row.case.family == "collective"} - {""})
    yield f"nothing was measured between processes{': ' * bool(reasons)}{'; '.join(reasons)}"


def _loud(calibration: Calibration) -> Iterator[str]:
    error, others = _held_out(calibration.residuals), calibration.others
    if error is not None and NOISY < error <= UNUSABLE:
        yield f"kernels held out are off by {error:.0%} in the median; up to {NOISY:.0%} is usual"
    for found in agreements(calibration):
        if found is not None and (found.median > APART or found.p90 > SPREAD):
            yield f"equal measurements lie {found.median:.0%} apart in the median, {found.p90:.0%} at 90 %"
    steadiness = calibration.fitted.steadiness
    if steadiness is not None and steadiness.drift > DRIFTING:
        yield f"the machine's speed wandered by {steadiness.drift:.0%} meanwhile, by which intervals widen"
    if others is not None and others > LOAD:
        yield f"others kept {others:.1f} cores busy meanwhile; expected an idle machine"
