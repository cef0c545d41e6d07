"""Which backend measures on a device that a user names."""

import re
from importlib import import_module
from importlib.util import find_spec

from validation.errors import MeasurementError
from validation.microbenchmarks.arrays.backend import NumpyBackend
from validation.microbenchmarks.backend import Backend
from validation.microbenchmarks.host_process import threads_per_process

BACKENDS = ("numpy", "cupy", "torch")
DEVICE = re.compile(r"cpu|cuda:\d+")
INSTALL = {
    "cupy": "pip install -e '.[cuda12]' or '.[cuda13]' from a checkout",
    "torch": "pip install -e '.[torch]' from a checkout",
}


def resolve_device(text: str) -> str:
    """``cpu`` or ``cuda:N``; ``auto`` takes the first GPU that a library can reach, otherwise the processor.

    Raises:
        MeasurementError: the text names no device.
    """
    if text == "auto":
        return "cuda:0" if gpu_library() else "cpu"
    if DEVICE.fullmatch(text) is None:
        raise MeasurementError(f"--device: found {text!r}; expected auto, cpu or cuda:N such as cuda:0")
    return text


def gpu_library() -> str:
    """The backend that reaches a GPU: CuPy before PyTorch; empty where there is none."""
    for name in ("cupy", "torch"):
        if find_spec(name) is not None and not _gpu_problem(name, 0):
            return name
    return ""


def default_backend(device: str) -> str:
    """NumPy on the processor, CuPy on a GPU (PyTorch where CuPy is not installed)."""
    if device == "cpu":
        return "numpy"
    return "cupy" if find_spec("cupy") is not None or find_spec("torch") is None else "torch"


def load_backend(name: str, device: str, *, processes: int = 1) -> Backend:
    """The backend of this name on a device.

    Args:
        name: one of ``BACKENDS``.
        device: ``cpu`` or ``cuda:N``.
        processes: that share the processor.

    Raises:
        MeasurementError: it is not installed, reaches no such device, or cannot run there.
    """
    _check(name, device)
    threads = threads_per_process(processes)
    if name == "numpy":
        return NumpyBackend(threads)
    if name == "torch":
        from validation.microbenchmarks.pytorch.backend import TorchBackend  # noqa: PLC0415 - only where asked

        return TorchBackend(import_module("torch"), device, threads)
    from validation.microbenchmarks.nvidia.cupy_backend import CupyBackend  # noqa: PLC0415 - only where asked

    return CupyBackend(import_module("cupy"), int(device.partition(":")[2]))


def _check(name: str, device: str) -> None:
    if name not in BACKENDS:
        raise MeasurementError(f"--backend: found {name!r}; expected one of {', '.join(BACKENDS)}")
    if name == "numpy" and device != "cpu":
        raise MeasurementError(f"--backend numpy runs on the processor; found --device {device}")
    if name == "cupy" and device == "cpu":
        raise MeasurementError("--backend cupy runs on GPUs; found --device cpu; expected numpy or torch")
    if name != "numpy" and find_spec(name) is None:
        raise MeasurementError(f"--backend {name}: not installed; {INSTALL[name]}")
    if device != "cpu":
        problem = _gpu_problem(name, int(device.partition(":")[2]))
        if problem:
            raise MeasurementError(f"--device {device}: {problem}")


def _gpu_problem(name: str, index: int) -> str:
    """Why a library cannot run on GPU ``index``; empty if it can."""
    try:
        module = import_module(name)
        count = module.cuda.runtime.getDeviceCount() if name == "cupy" else module.cuda.device_count()
    except Exception as error:  # noqa: BLE001 - a missing driver shows as errors of many kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return f"{name} reaches no NVIDIA driver ({reason}); expected a GPU with its driver, or --device cpu"
    if index >= count:
        return f"{name} sees {count} GPUs; expected an index below that, or --device cpu"
    return ""
