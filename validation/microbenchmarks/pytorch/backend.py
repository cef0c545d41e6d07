"""The PyTorch backend: its operators on the processor or on an NVIDIA GPU, timed one by one."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from math import prod
from typing import Any, final

from validation.microbenchmarks.arena import Arena, block_elements
from validation.microbenchmarks.arrays.backend import host_facts
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
from validation.microbenchmarks.families.overheads import UPDATE
from validation.microbenchmarks.nvidia.cuda_devices import registered_name
from validation.microbenchmarks.pytorch.convolutions import build_attention, build_convolution
from validation.microbenchmarks.pytorch.kernels import BUILDERS, Fresh, Tensor, Torch, build_product
from validation.microbenchmarks.pytorch.launches import build_launch
from validation.microbenchmarks.pytorch.recurrence import build_recurrence, walked_steps
from validation.microbenchmarks.timing import Call, HostTimer, Timer
from workloads.operators import Pass


@final
class TorchBackend(Backend):
    """PyTorch on one device.

    Args:
        torch: the module.
        device: ``cpu`` or ``cuda:N``.
        threads: of the processor.
    """

    name = "torch"

    def __init__(self, torch: Torch, device: str, threads: int) -> None:
        self._torch, self._device, self._threads = torch, torch.device(device), threads
        if self._device.type == "cpu":
            torch.set_num_threads(threads)
        else:
            torch.cuda.set_device(self._device)
            torch.backends.cudnn.benchmark = True
        self._arenas: dict[object, Arena] = {}

    def facts(self) -> DeviceFacts:
        """The processor, or what the CUDA runtime says of the GPU."""
        if self._device.type == "cpu":
            return host_facts(self._threads)
        found = self._torch.cuda.get_device_properties(self._device)
        return DeviceFacts(
            name=found.name,
            kind="cuda",
            driver=f"CUDA {self._torch.version.cuda}",
            memory=float(found.total_memory),
            cache=float(found.L2_cache_size),
            multiprocessors=found.multi_processor_count,
            registered=registered_name(found.name),
        )

    def software(self) -> Mapping[str, str]:
        """PyTorch, the libraries it calls and Python."""
        torch = self._torch
        versions = {"torch": torch.__version__, "python": platform.python_version()}
        if self._device.type == "cuda":
            versions["cudnn"] = str(torch.backends.cudnn.version())
        else:
            versions["cpu capability"] = torch.backends.cpu.get_cpu_capability()
        return versions

    def offer(self) -> Offer:
        """FP32, and on GPUs TF32 and BF16; every operator of `torch_kernels`."""
        cuda = self._device.type == "cuda"
        return Offer(
            dtypes=("fp32", "tf32", "bf16") if cuda else ("fp32",),
            algorithms=("direct",) if cuda else ("direct", "gemm"),
            kernels=frozenset(BUILDERS),
            attention=True,
            layers=True,
        )

    def timer(self) -> Timer:
        """The host's clock on the processor, CUDA events on a GPU."""
        return HostTimer() if self._device.type == "cpu" else TorchEventTimer(self._torch)

    def prepare(self, case: Case) -> Prepared:
        """Buffers and calls of a case."""
        sets = (
            1
            if case.family in {"launch", "contention", "recurrence"}
            else buffer_sets(case.nbytes, self.facts().cache)
        )
        try:
            with self._mode(case):
                parts = [self._part(case) for _ in range(sets)]
        except (MemoryError, self._torch.OutOfMemoryError, RuntimeError) as error:
            if _is_out_of_memory(error):
                raise OutOfMemoryError(str(error).splitlines()[0]) from None
            raise
        return Prepared(
            calls=[part.calls[0] for part in parts],
            workspace=parts[0].workspace,
            per_call=_per_call(case),
            timer=HostTimer() if case.kernel == "launch/isolated" else None,
            background=self._background(case, parts[0]),
        )

    def release(self) -> None:
        """Give cached blocks of a GPU back."""
        if self._device.type == "cuda":
            self._torch.cuda.empty_cache()

    @contextmanager
    def _mode(self, case: Case) -> Iterator[None]:
        """No graphs but where a kernel asks for one; TF32 only where it is measured."""
        if self._device.type == "cuda":
            matmul, cudnn = self._torch.backends.cuda.matmul, self._torch.backends.cudnn
            matmul.allow_tf32 = cudnn.allow_tf32 = case.dtype == "tf32"
        with self._torch.no_grad():
            yield

    @contextmanager
    def _timed(self, case: Case, part: Prepared) -> Iterator[None]:
        copies = host_copies if case.dims.get("copies") else nullcontext
        with self._mode(case), part.background(), copies():
            yield

    def _background(self, case: Case, part: Prepared) -> Callable[[], Any]:
        return lambda: self._timed(case, part)

    def _part(self, case: Case) -> Prepared:
        torch, fresh = self._torch, self._fresh(case)
        name = case.kernel.partition("/")[2]
        if case.family == "convolution":
            return build_convolution(torch, convolution_of(Pass(name), case.dims), case.algorithm, fresh)
        if case.family == "attention":
            return Prepared(calls=(build_attention(torch, case, Pass(name), fresh),))
        return Prepared(calls=(self._plain(case, fresh),))

    def _plain(self, case: Case, fresh: Fresh) -> Call:
        torch = self._torch
        if case.family == "matmul" or case.kernel == "contention/product":
            return build_product(torch, case, fresh)
        if case.family == "streaming" and case.kernel in BUILDERS:
            return BUILDERS[case.kernel](torch, case, fresh)
        if case.family == "copy":
            return self._copy(case, fresh)
        if case.family == "launch":
            return build_launch(torch, case, fresh)
        if case.family == "recurrence":
            return build_recurrence(torch, case, fresh)
        if case.kernel == "contention/add":
            first, second = (fresh((case.dims["elements"],)) for _ in range(2))
            return lambda: first + second
        raise UnsupportedCaseError(f"{case.kernel} has no PyTorch operator")

    def _copy(self, case: Case, fresh: Fresh) -> Call:
        source, result = fresh((case.dims["bytes"] // 4,)), fresh((case.dims["bytes"] // 4,))
        if case.kernel == "copy/device":
            return lambda: result.copy_(source)
        host = source.cpu().pin_memory()
        if case.kernel == "copy/host to device":
            return lambda: result.copy_(host, non_blocking=True)
        return lambda: host.copy_(source, non_blocking=True)

    def _fresh(self, case: Case) -> Fresh:
        arena = self._arena(self._torch.bfloat16 if case.dtype == "bf16" else self._torch.float32)

        def fresh(shape: Sequence[int], *, grad: bool = False) -> Tensor:
            return arena.take(prod(shape)).view(tuple(shape)).requires_grad_(grad)

        return fresh

    def _arena(self, dtype: Tensor) -> Arena:
        if dtype not in self._arenas:
            torch, place = self._torch, {"dtype": dtype, "device": self._device}
            block = torch.rand(block_elements(self.facts().cache, dtype.itemsize), **place)

            def allocate(count: int) -> Tensor:
                return (
                    torch.empty(-(-count // len(block)), len(block), **place).copy_(block).flatten()[:count]
                )

            self._arenas[dtype] = Arena(block, allocate)
        return self._arenas[dtype]


def _per_call(case: Case) -> int:
    """What one call holds of what the case is of."""
    if case.family == "recurrence":
        return walked_steps(case)
    return case.dims.get("count", 1) if case.family == "launch" and case.kernel != UPDATE else 1


HOLD_CYCLES = 100_000
"""Cycles, some 50 us, that the device waits per call, so that the host has enqueued all before it starts."""


@final
class TorchEventTimer(Timer):
    """CUDA events on the current stream, behind a kernel that only waits: kernels may outrun launches."""

    def __init__(self, torch: Torch) -> None:
        self._torch = torch

    def seconds(self, calls: Sequence[Call]) -> float:
        """Seconds between two events around the calls."""
        cuda = self._torch.cuda
        start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
        cuda._sleep(HOLD_CYCLES * len(calls))  # noqa: SLF001 - nothing public waits on the device
        start.record()
        for call in calls:
            call()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) * 1e-3


def _is_out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text
