"""Pipeline: a named order of forward and backward passes; a file of this package holds each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from simdl.pipelines.action import Orders


def single_stage(_ranks: int, _microbatches: int, virtual_stages: int) -> Iterator[str]:
    """For pipelines with one stage per rank."""
    if virtual_stages != 1:
        yield f"virtual stages: found {virtual_stages}; expected 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A pipeline order.

    Attributes:
        name: as strategies write it.
        description: one line.
        build: ranks, microbatches and virtual stages per rank to the order of every rank.
        problems: reasons why a size is refused, with the same arguments.
    """

    name: str
    description: str
    build: Callable[[int, int, int], Orders]
    problems: Callable[[int, int, int], Iterator[str]]
