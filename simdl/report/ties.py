"""Which plans of one question are ties, and what choosing one of them is expected to cost.

What all seconds of a run share cancels between two plans of one question, and so does what both spend on a
cause. The log of the ratio of their times then errs by

    root of (alternatives^2 + factor^2 x sum over causes (difference of the seconds x spread of the cause)^2)

with the difference as a share of the mean step. ``alternatives`` is what every plan has for itself: how well
one layout, micro-batch or schedule is priced against another. It stands in ``simdl/software/spreads.toml``
and is judged on published alternatives (:mod:`validation.published.alternatives`).
"""

from collections.abc import Sequence
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from simdl.report.certainty import (
    SPREAD_CAUSES,
    Kind,
    Knowledge,
    alternative_spread,
    cause_seconds,
    factors,
    sigmas,
    spreads,
)
from simdl.report.step_report import StepReport

Floats = NDArray[np.float64]
LEVEL = 0.9
DRAWS, SEED = 4096, 20
"""Of the errors that expected regrets are means over; the same ones in every run."""


def cause_spreads(knowledge: Knowledge, kind: Kind) -> Floats:
    """[causes] log spreads of ``SPREAD_CAUSES`` of a kind of network."""
    return factors()[kind] * np.array([spreads()[knowledge][cause] for cause in SPREAD_CAUSES])


def cause_shares(report: StepReport) -> Floats:
    """[causes] seconds of ``SPREAD_CAUSES`` as shares of the step; bubbles are in none."""
    seconds = cause_seconds(report.breakdown, report.kernels)
    return np.array([seconds[cause] for cause in SPREAD_CAUSES]) / report.step_time


def ratio_spread(ratios: Floats, first: Floats, second: Floats, spread: Floats, *, own: float) -> Floats:
    """[pairs] standard deviations of the log of how the times of two plans compare.

    Args:
        ratios: [pairs] time of the second plan over that of the first.
        first: [pairs x causes] shares of the step of the first plan.
        second: the same of the second.
        spread: [causes], as of :func:`cause_spreads`.
        own: log spread that plans do not share beside their causes.
    """
    middle = np.sqrt(ratios)[..., None]
    apart = (second * middle - first / middle) * spread
    found: Floats = np.sqrt(own**2 + (apart**2).sum(axis=-1))
    return found


def are_ties(first: StepReport, second: StepReport, *, level: float = LEVEL) -> bool:
    """Whether the times of two plans of one question differ by less than their errors leave open."""
    ratio = second.step_time / first.step_time
    spread = ratio_spread(
        np.array(ratio),
        cause_shares(first),
        cause_shares(second),
        cause_spreads(*_known(first)),
        own=alternative_spread(),
    )
    return abs(log(ratio)) <= sigmas(level) * float(spread)


def tied_with_the_first(reports: Sequence[StepReport]) -> int:
    """How many plans of one question, from the first on, cannot be told from the first; 0 without plans."""
    apart = (place for place, report in enumerate(reports) if place and not are_ties(reports[0], report))
    return next(apart, len(reports))


def expected_regrets(reports: Sequence[StepReport]) -> Floats:
    """[plans] how much longer each is expected to take than the one that turns out fastest, as a share.

    The mean over ``DRAWS`` of errors of every plan and of all causes.

    Args:
        reports: of plans of one question, at least one.
    """
    times = np.array([report.step_time for report in reports])
    shares = np.array([cause_shares(report) for report in reports])
    generator = np.random.default_rng(SEED)
    own = generator.standard_normal((DRAWS, len(reports))) * alternative_spread() / sqrt(2)
    causes = generator.standard_normal((DRAWS, len(SPREAD_CAUSES))) * cause_spreads(*_known(reports[0]))
    turned_out = times * np.exp(own + causes @ shares.T)
    found: Floats = (turned_out / turned_out.min(axis=1, keepdims=True)).mean(axis=0) - 1
    return found


def _known(report: StepReport) -> tuple[Knowledge, Kind]:
    """What is known of the software and machine of a report, and the kind of its network."""
    known = report.provenance
    return known.get("knowledge", "unknown"), known.get("kind", "other networks")
