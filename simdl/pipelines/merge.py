"""Merging of a rank's forward and backward passes: warm-up, steady state, drain."""

from collections.abc import Sequence

from simdl.pipelines.passes import Entry, Order


def merge(forwards: Sequence[Entry], backwards: Sequence[Entry], *, warm_up: int) -> Order:
    """``warm_up`` forwards, then forward and backward in turn, then the backwards that are left."""
    warm_up = min(warm_up, len(forwards))
    steady = len(forwards) - warm_up
    turns = [*forwards[warm_up:], *backwards[:steady]]
    turns[::2], turns[1::2] = forwards[warm_up:], backwards[:steady]
    return (*forwards[:warm_up], *turns, *backwards[steady:])
