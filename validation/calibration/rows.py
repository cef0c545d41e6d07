"""Measurements as rows of the fit: which kernel, by which key of a profile, how many seconds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from simdl.kernels.costs.terms import convolution_keys, kernel_keys
from simdl.kernels.kernel import ConvolutionCall, Kernel
from validation.calibration.fit_terms import Timed
from validation.microbenchmarks.case import Case, case_kernel
from validation.microbenchmarks.families.overheads import GRADIENT, GRADIENT_CALL, IN_A_ROW, LAYER
from validation.microbenchmarks.families.recurrence import bare_walk, walk_steps
from validation.microbenchmarks.families.streaming import DIFFERENCES
from validation.microbenchmarks.measurement import Measurement, quietest
from validation.microbenchmarks.pytorch.kernels import IN_ONE_CALL

LEAST_SHARE = 0.05
"""Share of a call's time that is at least left to a kernel when the other's time is taken off."""

LEAST_BEYOND = 0.1
"""Share of a walk's time over many inputs below which what it takes beyond one of few is noise: of the sizes
measured a fifth to a half is the products' own."""

KERNEL_FAMILIES = ("matmul", "convolution", "streaming", "attention", "recurrence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """What a framework spends around a kernel in a step beyond what its measurement holds; 0 for libraries.

    Attributes:
        forward: [s] of a layer around its operator.
        gradient: [s] of a node of the graph.
        call: [s] of one call for a single gradient.
    """

    forward: float = 0.0
    gradient: float = 0.0
    call: float = 0.0

    def around(self, kernel: str) -> float:
        """[s] to add to a kernel's measurement; below zero where that holds a whole call."""
        if kernel in IN_ONE_CALL:
            return self.gradient - self.call
        return self.gradient if "gradient" in kernel else self.forward


def measured_dispatch(measurements: Iterable[Measurement]) -> Dispatch:
    """The dispatch of the backend that was measured."""
    launches = {found.case.kernel: found.value for found in measurements if found.case.family == "launch"}
    if LAYER not in launches:
        return Dispatch()
    return Dispatch(
        forward=max(0.0, launches[LAYER] - launches[IN_A_ROW]),
        gradient=launches[GRADIENT],
        call=launches[GRADIENT_CALL],
    )


def timed_kernels(measurements: Iterable[Measurement]) -> dict[str, list[Timed]]:
    """Rows by key of the profile, of all kernels that were measured."""
    values = quietest(measurements)
    dispatch = measured_dispatch(values.values())
    rows: dict[str, list[Timed]] = {}
    for found in values.values():
        if found.case.family not in KERNEL_FAMILIES:
            continue
        kernel = case_kernel(found.case)
        seconds = _own_seconds(found, values, dispatch)
        if seconds is None:
            continue
        timed = Timed(
            kernel=kernel,
            seconds=seconds,
            held_out=found.case.held_out,
            dims=found.case.dims,
            moment=found.moment,
            slowed=found.slowed,
        )
        rows.setdefault(profile_key(found.case, kernel), []).append(timed)
    return rows


def _own_seconds(found: Measurement, values: Mapping[str, Measurement], dispatch: Dispatch) -> float | None:
    """The call's time as part of a step: what its framework spends around it in a step instead of alone.

    Without the time of another kernel that the same call runs. Each of two such kernels bears a node of the
    graph: one for the layer, one for the sum that its parameters' gradients go to. None where the other's
    time is needed and was not measured.
    """
    kernel = found.case.kernel
    if found.case.family == "recurrence":
        return _walk_seconds(found, values)
    seconds = found.value + dispatch.around(kernel)
    other = DIFFERENCES.get(kernel)
    within = None if other is None else values.get(_twin(found.case, other).key)
    if within is not None:
        seconds -= within.value + dispatch.around(within.case.kernel) - dispatch.gradient
    return max(seconds, LEAST_SHARE * found.value)


def _walk_seconds(found: Measurement, values: Mapping[str, Measurement]) -> float | None:
    """Of one step among many of a call, or of many inputs: what the call takes beyond one of few."""
    bare = bare_walk(found.case)
    if bare is None:
        return found.value
    walk = values.get(bare.key)
    if walk is None:
        return None
    beyond = found.value - walk.value * walk_steps(bare)
    return beyond if beyond >= LEAST_BEYOND * found.value else None


def _twin(case: Case, kernel: str) -> Case:
    """The case of another kernel over the same elements."""
    return replace(case, kernel=kernel)


def profile_key(case: Case, kernel: Kernel) -> str:
    """Where the kernel's terms stand in a profile."""
    if isinstance(kernel.shape, ConvolutionCall):
        return convolution_keys(kernel.shape, case.algorithm, case.dtype)[0]
    return kernel_keys(kernel)[0]
