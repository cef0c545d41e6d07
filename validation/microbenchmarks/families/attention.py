"""Fused attention, forward and backward, causal and not, over tokens, heads and head sizes."""

from collections.abc import Iterator

from validation.microbenchmarks.case import Case
from validation.microbenchmarks.scope import Scope
from workloads.operators import Pass

SHAPES = (
    (1, 128, 4, 64),
    (8, 128, 6, 64),
    (2, 256, 6, 64),
    (8, 256, 6, 64),
    (2, 512, 4, 64),
    (4, 512, 12, 64),
    (2, 384, 4, 128),
    (1, 1024, 12, 64),
    (2, 1024, 8, 128),
    (8, 2048, 16, 64),
    (4, 4096, 16, 128),
)
"""(batch, tokens, heads, head size)."""


def attention_cases(scope: Scope) -> Iterator[Case]:
    """Attention in every dtype, where the backend has a fused kernel."""
    if not scope.offer.attention:
        return
    for dtype in scope.offer.dtypes:
        for index, (batch, tokens, heads, size) in enumerate(SHAPES):
            for causal in (0, 1):
                for which in (Pass.FORWARD, Pass.INPUT_GRADIENT):
                    dims = {"batch": batch, "tokens": tokens, "heads": heads, "head_size": size}
                    case = _case({**dims, "causal": causal}, which, dtype, held_out=index % 3 == 1)
                    if case.flops <= 2 * scope.flops:  # the smallest that fill their blocks need so many
                        yield case


def _case(dims: dict[str, int], which: Pass, dtype: str, *, held_out: bool) -> Case:
    """Flops and bytes as `simdl.kernels.sharding` counts a fused attention kernel."""
    rows = dims["batch"] * dims["tokens"] * dims["heads"]
    flops = 4.0 * rows * dims["tokens"] * dims["head_size"] * (0.5 if dims["causal"] else 1.0)
    elements = 4 * rows * dims["head_size"]
    if which is Pass.INPUT_GRADIENT:
        flops, elements = 2.5 * flops, 2 * elements
    size = 2 if dtype in {"bf16", "fp16"} else 4
    return Case(
        family="attention",
        kernel=f"attention/{which.value}",
        dims=dims,
        dtype=dtype,
        flops=flops,
        nbytes=float(elements * size),
        held_out=held_out,
    )
