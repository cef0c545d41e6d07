"""Which commands stand together in the help, the first things first."""

from collections.abc import Iterable, Iterator

GROUPS: dict[str, tuple[str, ...]] = {
    "Plan (what to run, and what it takes)": (
        "plan",
        "simulate",
        "export",
        "memory",
        "scale",
        "goodput",
        "consistency",
        "search",
        "sweep",
        "pipeline",
        "microbatch",
        "transform",
    ),
    "Look (into answers, networks and machines)": (
        "explain",
        "diff",
        "dashboard",
        "models",
        "hardware",
        "collectives",
    ),
    "Measure (this machine)": ("calibrate", "train"),
    "Check (predictions against measurements)": ("validate", "overlay"),
}
OTHERS = "Others"


def grouped(names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Headings with the commands under them, those of other packages last.

    Example:
        >>> [*grouped(["simulate", "of-mine", "plan"])]
        [('Plan (what to run, and what it takes)', ['plan', 'simulate']), ('Others', ['of-mine'])]
    """
    left = set(names)
    for heading, members in GROUPS.items():
        found = [name for name in members if name in left]
        left -= {*found}
        if found:
            yield heading, found
    if left:
        yield OTHERS, sorted(left)
