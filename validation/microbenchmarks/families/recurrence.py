"""Walks over recurrent layers on processors: steps that wait for one another, in one call of the framework.

PyTorch hands an LSTM to oneDNN whole (aten/src/ATen/native/mkldnn/RNN.cpp), forward and backward, and runs
other cells operator by operator; either way a call holds what a simulated step counts apart. Inputs are few,
so that their product next to nothing: what is timed is the walk, over its steps. Gates are as large as the
product's result and share its traffic. Many inputs of an LSTM are multiplied in the same call, by oneDNN's
own kernels and not by those of linear layers: theirs is what a call takes beyond one of few inputs.
"""

from collections.abc import Iterator, Mapping

from validation.microbenchmarks.case import Case, walk_product
from validation.microbenchmarks.scope import Scope

STEPS, INPUTS = 32, 8
CELLS = ("lstm", "gru")
SIZES = ((4, 128), (32, 128), (128, 128), (4, 512), (32, 256), (32, 512), (16, 1024), (64, 650))
"""Samples and units."""
QUICK_SIZES = ((4, 128), (32, 128), (128, 128), (4, 512), (32, 512))
READING = ((4, 128, 128), (32, 128, 128), (128, 128, 128), (32, 128, 512), (4, 512, 512), (32, 512, 512))
"""Samples, units and inputs of walks over many inputs; those over few are among the others."""

WITHIN: Mapping[str, tuple[str, ...]] = {
    **{f"matmul/{cell} step product/fp32": (f"elementwise/{cell} gates",) for cell in CELLS},
    **{
        f"matmul/{cell} step gradient/fp32": (
            f"elementwise/{cell} gate gradients",
            f"matmul/{cell} step weight gradient/fp32",
            f"reduction/{cell} bias gradient",
        )
        for cell in CELLS
    },
    "matmul/lstm input gradient/fp32": ("matmul/lstm input weight gradient/fp32",),
}
"""By a measured kernel's key, those of kernels that run in the same call and take nothing beside it."""


def recurrence_cases(scope: Scope) -> Iterator[Case]:
    """Walks of every cell forward and backward, where a processor's framework runs layers."""
    if not scope.offer.layers or scope.facts.kind == "cuda":
        return
    for cell in CELLS:
        for name in ("step product", "step gradient"):
            for batch, hidden in QUICK_SIZES if scope.quick else SIZES:
                yield _case(f"{cell} {name}", {"steps": STEPS, "batch": batch, "hidden": hidden})
    for name in ("lstm input product", "lstm input gradient"):
        for batch, hidden, inputs in READING:
            yield _case(name, {"steps": STEPS, "batch": batch, "hidden": hidden, "inputs": inputs})


def walk_steps(case: Case) -> int:
    """Steps of a walk: backward all but one, whose state has no gradient."""
    return case.dims["steps"] - ("gradient" in case.kernel)


def bare_walk(case: Case) -> Case | None:
    """The case of the same walk over few inputs; None for a case of such a walk."""
    if "inputs" not in case.dims:
        return None
    dims = {name: extent for name, extent in case.dims.items() if name != "inputs"}
    return _case(case.kernel.partition("/")[2].replace("input", "step"), dims)


def _case(name: str, dims: dict[str, int]) -> Case:
    product = walk_product(name, dims)
    m, n, k = product.m, product.n, product.k
    return Case(
        family="recurrence",
        kernel=f"matmul/{name}",
        dims=dims,
        flops=2.0 * m * n * k,
        nbytes=4.0 * (m * k + k * n + m * n),
    )
