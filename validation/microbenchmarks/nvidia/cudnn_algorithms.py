"""What a search of cuDNN's legacy convolutions says of the enumerated algorithms (`simdl.kernels.cudnn`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simdl.kernels.cudnn import cudnn_algorithms
from validation.microbenchmarks.nvidia.cudnn_library import (
    BFLOAT16,
    DEFAULT_MATH,
    FLOAT,
    FMA_MATH,
    HALF,
    TENSOR_OP_MATH,
    CudnnLibrary,
    Performance,
)
from workloads.operators import Pass

NAMES: Mapping[Pass, Mapping[int, str]] = {
    which: {each.number: each.name for each in cudnn_algorithms(which)} for which in Pass
}
"""The simulator's name of cuDNN's algorithms by their numbers."""

ALGORITHMS = tuple(dict.fromkeys(each.name for each in cudnn_algorithms() if each.implemented))
"""Names of all that some version runs, in any pass."""

FORMATS: Mapping[str, tuple[int, int]] = {
    "fp32": (FLOAT, FMA_MATH),
    "tf32": (FLOAT, DEFAULT_MATH),
    "fp16": (HALF, TENSOR_OP_MATH),
    "bf16": (BFLOAT16, TENSOR_OP_MATH),
}
"""cuDNN's data and math type of an arithmetic; sums are FP32 in all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """One algorithm for one shape.

    Attributes:
        number: cuDNN's.
        workspace: [bytes].
        searched: [s] that the search took for it once; 0 where there was no search.
        refused: why it does not run; empty if it does.
    """

    number: int
    workspace: int = 0
    searched: float = 0.0
    refused: str = ""


def read_rows(
    library: CudnnLibrary, which: Pass, dtype: str, rows: Sequence[Performance]
) -> dict[str, Algorithm]:
    """The fastest row of every algorithm, or why it has none."""
    found = {
        name: Algorithm(number=number, refused="not among those that were tried")
        for number, name in NAMES[which].items()
    }
    for row in sorted(rows, key=lambda row: (row.status != 0, row.time)):
        name = NAMES[which].get(row.algo)
        if name is None or not found[name].refused or (row.status == 0 and not _is_wanted(row, dtype)):
            continue
        refused = library.reason(row.status) if row.status else ""
        found[name] = Algorithm(
            number=row.algo, workspace=row.memory, searched=row.time * 1e-3, refused=refused
        )
    return found


def _is_wanted(row: Performance, dtype: str) -> bool:
    """Whether a row ran with the arithmetic that is asked for: FP32 keeps off matrix units."""
    return dtype != "fp32" or row.mathType in {DEFAULT_MATH, FMA_MATH}
