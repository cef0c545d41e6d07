"""All-reduce and point-to-point over sizes: between processes of one host, or between its GPUs."""

from collections.abc import Iterator

from validation.microbenchmarks.case import Case
from validation.microbenchmarks.scope import Scope

SIZES = tuple(2**power for power in (12, 14, 16, 18, 20, 22, 24, 26))
QUICK_SIZES = tuple(2**power for power in (12, 14, 16, 18, 20, 22, 24, 25))
OPERATIONS = ("all_reduce", "point_to_point")


def collective_cases(*, quick: bool, ranks: int) -> Iterator[Case]:
    """Every operation and size between so many ranks."""
    for operation in OPERATIONS:
        for index, nbytes in enumerate(QUICK_SIZES if quick else SIZES):
            yield Case(
                family="collective",
                kernel=f"collective/{operation}",
                dims={"bytes": nbytes, "ranks": ranks},
                nbytes=float(nbytes),
                held_out=index % 3 == 1,
            )


def device_collective_cases(scope: Scope) -> Iterator[Case]:
    """Between the GPUs of this machine, where there are several; they are driven by one process."""
    if scope.facts.kind == "cuda" and scope.facts.present > 1:
        yield from collective_cases(quick=scope.quick, ranks=scope.facts.present)
