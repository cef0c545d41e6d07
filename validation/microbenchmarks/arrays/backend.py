"""The NumPy backend: kernels of the processor in the calling process."""

import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property, lru_cache
from math import prod
from pathlib import Path
from typing import Any, final

import numpy as np

from simdl.cores import usable_cores
from validation.microbenchmarks.arena import Arena, block_elements
from validation.microbenchmarks.arrays.convolutions import ALGORITHMS, build_convolution
from validation.microbenchmarks.arrays.kernels import BUILDERS, Fresh, build_product
from validation.microbenchmarks.arrays.windows import Array, Library
from validation.microbenchmarks.backend import (
    Backend,
    DeviceFacts,
    Offer,
    OutOfMemoryError,
    Prepared,
    UnsupportedCaseError,
    buffer_sets,
)
from validation.microbenchmarks.beside import host_copies
from validation.microbenchmarks.case import Case, convolution_of
from validation.microbenchmarks.host_process import processor_name
from validation.microbenchmarks.timing import Call, HostTimer, Timer
from workloads.operators import Pass


def array_call(xp: Library, case: Case, fresh: Fresh) -> Prepared:
    """One set of buffers and its call, of the families that both array libraries share.

    Raises:
        UnsupportedCaseError: no such kernel in array code.
    """
    if case.family == "convolution":
        which = Pass(case.kernel.partition("/")[2])
        return build_convolution(xp, convolution_of(which, case.dims), case.algorithm, fresh)
    return Prepared(calls=(_plain_call(xp, case, fresh),))


def _plain_call(xp: Library, case: Case, fresh: Fresh) -> Call:
    if case.family == "matmul" or case.kernel == "contention/product":
        return build_product(xp, case, fresh)
    if case.family == "streaming" and case.kernel in BUILDERS:
        return BUILDERS[case.kernel](xp, case, fresh)
    if case.family == "copy":
        source, result = (fresh((case.dims["bytes"] // 4,), written=written) for written in (False, True))
        return lambda: xp.copyto(result, source)
    if case.family == "launch":
        one = fresh((1,))
        return lambda: [xp.multiply(one, 1.0, out=one) for _ in range(case.dims["count"])]
    if case.kernel == "contention/add":
        first, second = (fresh((case.dims["elements"],)) for _ in range(2))
        result = fresh((case.dims["elements"],), written=True)
        return lambda: xp.add(first, second, out=result)
    raise UnsupportedCaseError(f"{case.kernel} is not written in array code")


@final
class NumpyBackend(Backend):
    """NumPy on the processor."""

    name = "numpy"

    def __init__(self, threads: int) -> None:
        self._threads = threads

    @cached_property
    def _operands(self) -> Arena:
        elements = block_elements(self.facts().cache, 4)
        block = np.random.default_rng(0).random(elements, dtype=np.float32)
        return Arena(block, lambda count: np.resize(block, count))

    @cached_property
    def _results(self) -> Arena:
        block = np.full(block_elements(self.facts().cache, 4), 0.0, np.float32)  # every page is touched
        return Arena(block, lambda count: np.zeros(count, np.float32))

    def facts(self) -> DeviceFacts:
        """The processor."""
        return host_facts(self._threads)

    def software(self) -> Mapping[str, str]:
        """NumPy, its linear-algebra library and Python."""
        return {"numpy": np.__version__, **blas_version(), "python": platform.python_version()}

    def offer(self) -> Offer:
        """FP32 products, three convolution algorithms, and what is written in array code."""
        return Offer(dtypes=("fp32",), algorithms=ALGORITHMS, kernels=frozenset(BUILDERS))

    def timer(self) -> Timer:
        """NumPy returns when it is done."""
        return HostTimer()

    def prepare(self, case: Case) -> Prepared:
        """Buffers and calls of a case."""
        fresh = self._fresh
        try:
            sets = [array_call(np, case, fresh) for _ in range(self._sets(case))]
        except MemoryError as error:
            raise OutOfMemoryError(str(error)) from None
        return Prepared(
            calls=[part.calls[0] for part in sets],
            workspace=sets[0].workspace,
            per_call=case.dims.get("count", 1) if case.family == "launch" else 1,
            background=host_copies if case.dims.get("copies") else nullcontext,
        )

    def _sets(self, case: Case) -> int:
        if case.family in {"launch", "contention"}:
            return 1
        return buffer_sets(case.nbytes, self.facts().cache)

    def _fresh(self, shape: Sequence[int], *, written: bool = False) -> Array:
        arena = self._results if written else self._operands
        return arena.take(prod(shape)).reshape(shape)

    def release(self) -> None:
        """Nothing is kept."""


@lru_cache(maxsize=8)
def host_facts(threads: int) -> DeviceFacts:
    """What the operating system says about the processor and its memory."""
    return DeviceFacts(
        name=processor_name(),
        kind="cpu",
        driver=f"{platform.system()} {platform.release()}",
        memory=float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        cache=_last_level_cache(),
        multiprocessors=threads or usable_cores(),
        registered="host-cpu",
    )


def _last_level_cache() -> float:
    """[bytes]; 32 MiB where the operating system does not say."""
    folder = Path("/sys/devices/system/cpu/cpu0/cache")
    sizes = []
    for path in sorted(folder.glob("index*/size")):
        text = path.read_text(encoding="utf-8").strip()
        if text.endswith("K") and text[:-1].isdecimal():
            sizes.append(float(text[:-1]) * 1024)
    return max(sizes, default=float(32 * 2**20))


def blas_version() -> dict[str, str]:
    """Name and version of NumPy's linear-algebra library."""
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return {"blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()}
