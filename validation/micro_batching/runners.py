"""Which runner there is for a backend that a user names."""

from importlib import import_module

import numpy as np

from validation.micro_batching.runner import ArrayRunner, Runner
from validation.microbenchmarks.backends import load_backend
from validation.microbenchmarks.host_process import keep_freed_memory


def load_runner(name: str, device: str) -> Runner:
    """The runner of a backend on a device.

    Raises:
        MeasurementError: the backend is not installed, or reaches no such device.
    """
    keep_freed_memory()
    backend = load_backend(name, device)
    if name == "numpy":
        return ArrayRunner(backend, np)
    if name == "torch":
        from validation.micro_batching.torch_runner import TorchRunner  # noqa: PLC0415 - only where asked

        return TorchRunner(backend, import_module("torch"), device)
    from validation.micro_batching.cudnn_runner import load_cupy_runner  # noqa: PLC0415 - only where asked

    return load_cupy_runner(backend)
