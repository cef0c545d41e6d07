"""Matrix products as linear layers have them: rows (samples or tokens) by outputs by inputs, in three passes.

Forward with and without a bias added in the product's epilogue, for which libraries take different kernels.

From few rows, where the weights stream through memory once for little work, to thousands of tokens; from
narrow layers to the widest classifier heads.
"""

from collections.abc import Iterator
from itertools import product

from validation.microbenchmarks.case import Case
from validation.microbenchmarks.scope import Scope

PASSES = ("product+bias", "product", "input gradient", "weight gradient")
ROWS = (1, 4, 8, 16, 64, 128, 256, 512, 1024, 2048)
QUICK_ROWS = (4, 16, 64, 256, 1024, 2048)
FEATURES = (
    (64, 64),
    (120, 400),
    (10, 256),
    (384, 384),
    (1000, 512),
    (1024, 1024),
    (512, 2048),
    (2048, 512),
    (1536, 384),
    (8192, 512),
    (1000, 4096),
    (4096, 4096),
    (4096, 9216),
)
BATCHED = ((64, 64), (128, 64), (512, 64))
"""(tokens, head size) of the products of unfused attention."""


def matmul_cases(scope: Scope) -> Iterator[Case]:
    """Products of linear layers and of attention heads, in every dtype that the backend offers."""
    rows = QUICK_ROWS if scope.quick else ROWS
    for dtype in scope.offer.dtypes:
        for index, (count, (outputs, inputs)) in enumerate(product(rows, FEATURES)):
            dims = {"rows": count, "outputs": outputs, "inputs": inputs}
            yield from _passes(scope, dims, dtype, held_out=index % 3 == 1)
        for tokens, size in BATCHED:
            dims = {"rows": tokens, "outputs": tokens, "inputs": size, "count": 32}
            yield from _passes(scope, dims, dtype, held_out=False)


def _passes(scope: Scope, dims: dict[str, int], dtype: str, *, held_out: bool) -> Iterator[Case]:
    count, m, n, k = dims.get("count", 1), dims["rows"], dims["outputs"], dims["inputs"]
    flops = 2.0 * count * m * n * k
    elements = count * (m * n + n * k + m * k)
    size = 2 if dtype in {"bf16", "fp16"} else 4
    if flops > scope.flops or elements * size > scope.memory:
        return
    for name in PASSES if count == 1 else ("scores",):
        yield Case(
            family="matmul",
            kernel=f"matmul/{name}",
            dims=dims,
            dtype=dtype,
            flops=flops,
            nbytes=float(elements * size),
            held_out=held_out,
        )
