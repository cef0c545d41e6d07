"""The breakdown of a step as rows with bars: what `plan`, `simulate` and `scale` print."""

from collections.abc import Mapping

from planner.console.format import format_seconds
from planner.console.output import bar

BREAKDOWN_HEADER = ("cause", "mean over stages", "share", "")
BAR = 40  # characters of the longest bar
ROUNDING = 1e-9  # of the whole; less is what rounding of sums leaves


def real_amounts(amounts: Mapping[str, float]) -> dict[str, float]:
    """Amounts that are more than rounding noise of their sum.

    Example:
        >>> real_amounts({"forward": 2.0, "bubble": 1e-15})
        {'forward': 2.0}
    """
    least = ROUNDING * sum(amounts.values())
    return {name: amount for name, amount in amounts.items() if amount > least}


def breakdown_rows(breakdown: Mapping[str, float]) -> list[tuple[str, str, str, str]]:
    """Causes, longest first, with bars; ends with their sum, the step time."""
    step = sum(breakdown.values())
    longest = max(breakdown.values())
    ordered = sorted(real_amounts(breakdown).items(), key=lambda item: -item[1])
    rows = [
        (
            cause.replace("_", " "),
            format_seconds(seconds),
            f"{seconds / step:.1%}",
            bar(seconds / longest, BAR).rstrip("."),
        )
        for cause, seconds in ordered
    ]
    return [*rows, ("step time", format_seconds(step), "100.0%", "")]
