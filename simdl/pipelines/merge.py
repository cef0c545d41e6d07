"""Merging of a rank's forward and backward passes: warm-up, steady state, drain."""

from collections.abc import Sequence

from simdl.pipelines.action import Action, Order


def merge(forwards: Sequence[Action], backwards: Sequence[Action], *, warm_up: int) -> Order:
    """``warm_up`` forwards, then forward and backward in turn, then the backwards that are left."""
    warm_up = min(warm_up, len(forwards))
    steady = len(forwards) - warm_up
    pairs = zip(forwards[warm_up:], backwards[:steady], strict=True)
    return (*forwards[:warm_up], *(action for pair in pairs for action in pair), *backwards[steady:])
