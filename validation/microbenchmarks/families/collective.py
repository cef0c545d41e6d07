"""All-reduce and point-to-point over sizes: between processes of one host, or between its GPUs."""

from collections.abc import Iterator
from itertools import product

from validation.microbenchmarks.case import Case
from validation.microbenchmarks.scope import Scope

SIZES = tuple(2**power for power in (12, 14, 16, 18, 20, 22, 24, 26))
QUICK_SIZES = tuple(2**power for power in (12, 14, 16, 18, 20, 22, 24, 25))
OPERATIONS = ("all_reduce", "point_to_point")


SHARDED = ("all_gather", "reduce_scatter")
"""Operations of sharded parameters; sizes are those of the whole buffer."""
PLAIN, HOOKED = "collective/plain blocks", "collective/sharded blocks"
"""Passes over small blocks, forward and backward, as they are and with their parameters sharded."""
BLOCKS, BLOCK_SIZES = 8, (2**14, 2**22)
"""So many of them, of so many bytes each."""


def collective_cases(*, quick: bool, ranks: int, sharded: bool = False) -> Iterator[Case]:
    """Every operation and size between so many ranks; those of sharded parameters only where asked for."""
    for operation in (*OPERATIONS, *(SHARDED if sharded else ())):
        for index, nbytes in enumerate(QUICK_SIZES if quick else SIZES):
            yield Case(
                family="collective",
                kernel=f"collective/{operation}",
                dims={"bytes": nbytes, "ranks": ranks},
                nbytes=float(nbytes),
                held_out=index % 3 == 1,
            )
    for kernel, nbytes in product((PLAIN, HOOKED) if sharded else (), BLOCK_SIZES):
        yield Case(
            family="collective", kernel=kernel, dims={"bytes": nbytes, "ranks": ranks, "count": BLOCKS}
        )


def device_collective_cases(scope: Scope) -> Iterator[Case]:
    """Between the GPUs of this machine, where there are several; they are driven by one process."""
    if scope.facts.kind == "cuda" and scope.facts.present > 1:
        yield from collective_cases(quick=scope.quick, ranks=scope.facts.present)
