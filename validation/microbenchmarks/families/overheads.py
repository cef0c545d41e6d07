"""What surrounds kernels: launches, copies, computation beside copies, power."""

from collections.abc import Iterator

from validation.microbenchmarks.case import Case
from validation.microbenchmarks.scope import Scope

SIZES = tuple(2**power for power in (12, 16, 20, 22, 24, 26, 28))
QUICK_SIZES = tuple(2**power for power in (12, 18, 22, 26))
CHAIN = 100
"""Launches in one sample of launches back to back."""

PRODUCT = 1024
"""Rows, outputs and inputs of the product that runs beside copies."""


ISOLATED, IN_A_ROW = "launch/isolated", "launch/back to back"
LAYER, GRADIENT, GRADIENT_CALL = "launch/layer", "launch/gradient", "launch/gradient call"
"""What a framework spends on one layer forward and on one gradient, both in a chain, and on one call for a
single gradient."""
STEP, UPDATE = "launch/step", "launch/update"
"""A step of one parameter whose kernels do next to nothing, and an update of so many parameters."""


def launch_cases(scope: Scope) -> Iterator[Case]:
    """A kernel that does nothing, alone and many in a row; with a framework also what a layer costs."""
    yield Case(family="launch", kernel=ISOLATED, dims={"count": 1})
    yield Case(family="launch", kernel=IN_A_ROW, dims={"count": CHAIN})
    if scope.offer.layers:
        yield Case(family="launch", kernel=LAYER, dims={"count": CHAIN})
        yield Case(family="launch", kernel=GRADIENT, dims={"count": CHAIN})
        yield Case(family="launch", kernel=GRADIENT_CALL, dims={"count": 1})
        yield Case(family="launch", kernel=STEP, dims={"count": 1})
        for count in (1, CHAIN):
            yield Case(family="launch", kernel=UPDATE, dims={"count": count})


def copy_cases(scope: Scope) -> Iterator[Case]:
    """Copies inside the device's memory and, on an accelerator, to and from the host's."""
    kinds = ["copy/device"]
    if scope.facts.kind == "cuda":
        kinds += ["copy/host to device", "copy/device to host"]
    for kernel in kinds:
        for index, nbytes in enumerate(QUICK_SIZES if scope.quick else SIZES):
            if 4 * nbytes <= scope.memory:
                yield Case(
                    family="copy",
                    kernel=kernel,
                    dims={"bytes": nbytes},
                    nbytes=2.0 * nbytes if kernel == "copy/device" else float(nbytes),
                    held_out=index % 3 == 1,
                )
    if scope.facts.present > 1:
        for nbytes in QUICK_SIZES if scope.quick else SIZES:
            yield Case(
                family="copy", kernel="copy/peer", dims={"bytes": nbytes, "peer": 1}, nbytes=float(nbytes)
            )


def contention_cases(_scope: Scope) -> Iterator[Case]:
    """A product and a streaming kernel, alone and while copies run beside them."""
    edge = PRODUCT
    flops, nbytes = 2.0 * edge**3, 12.0 * edge**2
    for beside in (0, 1):
        yield Case(
            family="contention",
            kernel="contention/product",
            dims={"rows": edge, "outputs": edge, "inputs": edge, "copies": beside},
            flops=flops,
            nbytes=nbytes,
        )
        elements = 2**22
        yield Case(
            family="contention",
            kernel="contention/add",
            dims={"elements": elements, "copies": beside},
            nbytes=12.0 * elements,
        )


def power_cases(_scope: Scope) -> Iterator[Case]:
    """Power at rest and under products, where the driver reports it."""
    for load in ("idle", "product"):
        yield Case(family="power", kernel=f"power/{load}", dims={"rows": 4 * PRODUCT})
