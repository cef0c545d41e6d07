"""Rows of measurements as a machine with known terms would give them, for tests of what is fitted to them."""

from dataclasses import replace
from functools import cache

import numpy as np

from hardware.kernel_terms import KernelTerms, Tier
from validation.calibration.calibrate import predicted_time
from validation.microbenchmarks.backend import DeviceFacts, Offer
from validation.microbenchmarks.case import case_kernel, convolution_of
from validation.microbenchmarks.families.collective import HOOKED, PLAIN, collective_cases
from validation.microbenchmarks.families.convolution import convolution_shape
from validation.microbenchmarks.families.overheads import (
    GRADIENT,
    GRADIENT_CALL,
    IN_A_ROW,
    ISOLATED,
    LAYER,
    STEP,
    UPDATE,
)
from validation.microbenchmarks.families.recurrence import bare_walk, walk_steps
from validation.microbenchmarks.families.streaming import DIFFERENCES
from validation.microbenchmarks.journal import append_measurements, finish_journal, start_journal
from validation.microbenchmarks.measurement import Measurement, Setting
from validation.microbenchmarks.pytorch.kernels import IN_ONE_CALL
from validation.microbenchmarks.scope import Scope
from validation.microbenchmarks.session import measurements_name
from validation.microbenchmarks.suite import all_cases
from workloads.operators import Pass
from workloads.registry import load_network

FACTS = DeviceFacts(
    name="Test Processor 9",
    kind="cpu",
    driver="Linux 6.1",
    memory=8.0 * 2**30,
    cache=32.0 * 2**20,
    multiprocessors=2,
    registered="host-cpu",
)
STREAMING = frozenset(
    {
        "elementwise/relu",
        "elementwise/relu gradient",
        "elementwise/input gradient",
        "reduction/gradient sums",
        "softmax/softmax",
        "pooling/max pool",
        "gather/lookup",
    }
)
"""A kernel or two of every kind, so that fits take a second."""

OFFERS = {
    "numpy": Offer(dtypes=("fp32",), algorithms=("gemm", "fft"), kernels=STREAMING),
    "torch": Offer(
        dtypes=("fp32",),
        algorithms=("direct", "gemm"),
        kernels=STREAMING,
        attention=True,
        layers=True,
    ),
}
COPY = 2e10
"""[bytes/s] read and written."""

STREAM = {
    "all": (Tier(start=0.0, bandwidth=4e10), Tier(start=2.0**22, bandwidth=1.5e10)),
    "single": (Tier(start=0.0, bandwidth=8e7),),  # 0.1 us each
}
PRODUCT = {name: (Tier(start=0.0, bandwidth=pace),) for name, pace in (("left", 2e10), ("right", 1e10))}
MAPS = {name: (Tier(start=0.0, bandwidth=3e10),) for name in ("image", "filter", "result")}
TRUE = {
    "streaming": KernelTerms(latency=2e-6, traffic=STREAM),
    "attention": KernelTerms(latency=5e-6, flop_rate=4e10, traffic=STREAM),
    "matmul": KernelTerms(latency=3e-6, flop_rate=1e11, traffic=PRODUCT),
    "convolution": KernelTerms(latency=1e-5, flop_rate=6e10, lanes=8, traffic=MAPS),
    "recurrence": KernelTerms(latency=8e-6, flop_rate=7e10, traffic=PRODUCT),
}
"""Terms by family."""

SLOWER = {"gemm": 1.3}
"""Algorithms that take longer than the terms say."""

LAUNCHES = {ISOLATED: 2e-6, IN_A_ROW: 1e-6, LAYER: 4e-6, GRADIENT: 3e-6, GRADIENT_CALL: 9e-6}
SOFTWARE = {"step_overhead": 60e-6, "variable_overhead": 4e-6, "shard_call": 80e-6}
"""[s] beside kernels: per step, per parameter, per gather or scatter of sharded parameters."""
SHARDED = {"all_gather": (40e-6, 4e9), "reduce_scatter": (60e-6, 2e9)}
"""[s] and [bytes/s] of their collectives."""
SHARD_COPIES = 3e9
"""[bytes/s] of copies around each of them."""
LAUNCH, LATENCY, BANDWIDTH = 10e-6, 20e-6, 3e9
"""[s], [s] and [bytes/s] of a ring between processes; the launch is what `simdl` gives Gloo."""


def setting(processes=1, backend="numpy"):
    return Setting(
        device=FACTS.name,
        driver=FACTS.driver,
        backend=backend,
        software={backend: "9.9", "python": "3.11"},
        processes=processes,
        threads=2 // processes,
    )


def true_seconds(case, ranks=1):
    """[s] that a call of a case takes; None for power, which nobody reports here."""
    if case.family in TRUE:
        return kernel_seconds(case) + around_kernel(case)
    if case.family == "collective":
        name = case.kernel.partition("/")[2]
        if name in SHARDED:
            return SHARDED[name][0] + case.nbytes / SHARDED[name][1]
        if case.kernel in {PLAIN, HOOKED}:
            nbytes = case.dims["bytes"]
            return 50e-6 + nbytes / 1e10 + (_sharded(nbytes) if case.kernel == HOOKED else 0.0)
        steps = 2.0 * (ranks - 1) if case.kernel.endswith("all_reduce") else 1.0
        share = steps / ranks if case.kernel.endswith("all_reduce") else 1.0
        return LAUNCH + steps * LATENCY + share * case.nbytes / BANDWIDTH
    return {
        "launch": lambda: _launch(case.kernel, case.dims["count"]),
        "copy": lambda: 1e-6 + case.nbytes / COPY,
        "contention": lambda: 0.02 * (1.5 if case.dims["copies"] else 1.0),
        "power": lambda: None,
    }[case.family]()


def _sharded(nbytes):
    """[s] that sharding adds to a small block: three collectives and what is around each."""
    gather, scatter = (latency + nbytes / bandwidth for latency, bandwidth in SHARDED.values())
    return 2 * gather + scatter + 3 * (SOFTWARE["shard_call"] + nbytes / SHARD_COPIES)


def _launch(kernel, count):
    if kernel == STEP:
        return 2 * LAUNCHES[IN_A_ROW] + 3 * LAUNCHES[GRADIENT] + SOFTWARE["step_overhead"]
    if kernel == UPDATE:
        return 30e-6 + count * SOFTWARE["variable_overhead"]
    return LAUNCHES[kernel]


def kernel_seconds(case):
    """[s] of the kernel itself."""
    return predicted_time(TRUE[case.family], case_kernel(case)) * SLOWER.get(case.algorithm, 1.0)


def around_kernel(case):
    """[s] of what the same call runs besides: autograd, the other kernel of a pair, the walk over steps."""
    walk = bare_walk(case) if case.family == "recurrence" else None
    if walk is not None:
        return kernel_seconds(walk) * walk_steps(walk)
    other = DIFFERENCES.get(case.kernel)
    seconds = LAUNCHES[GRADIENT_CALL] if case.kernel in IN_ONE_CALL and case.family == "streaming" else 0.0
    return seconds + (0.0 if other is None else kernel_seconds(replace(case, kernel=other)))


def measured_rows(processes=1, backend="numpy", *, noise=0.02, seed=0, rounds=2):
    """Every case of a quick run, off by ``noise``."""
    numbers = np.random.default_rng(seed)
    where = setting(processes, backend)
    scope = Scope(quick=True, facts=FACTS, offer=OFFERS[backend], processes=processes)
    cases = (
        *filter(_wanted, all_cases(scope)),
        *_between(processes, backend),
    )
    base = Measurement(setting=where, case=cases[0], turn=0, date="2026-11-26T12:00:00+00:00", samples=7)
    for turn in range(rounds):
        for case in cases:
            seconds = true_seconds(case, processes)
            if seconds is None:
                yield replace(base, case=case, turn=turn, samples=0, skipped="not supported: no counters")
                continue
            value = seconds * float(np.exp(numbers.normal(0, noise)))
            scratch = 1e6 * case.dims["batch"] if case.algorithm == "gemm" else 0.0
            yield replace(
                base, case=case, turn=turn, value=value, least=value, spread=noise, workspace=scratch
            )


def _between(processes, backend):
    if processes == 1:
        return ()
    return tuple(collective_cases(quick=True, ranks=processes, sharded=backend == "torch"))


def _wanted(case):
    """Of convolutions those of AlexNet, so that fits take a second."""
    if case.family != "convolution":
        return True
    return convolution_of(Pass(case.kernel.partition("/")[2]), case.dims).shape in _alexnet_shapes()


@cache
def _alexnet_shapes():
    return {convolution_shape(layer) for _, layer in load_network("alexnet").layers()}


def write_measurements(folder, processes=1, backend="numpy", **options):
    """The file that a finished run would leave."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / measurements_name(processes)
    start_journal(path, ())
    append_measurements(path, measured_rows(processes, backend, **options))
    finish_journal(path)
    return path
