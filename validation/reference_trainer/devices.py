"""The device, number format and threads of one rank."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from validation.errors import TrainerError
from validation.microbenchmarks.host_process import threads_per_process
from validation.reference_trainer.case import TrainingCase

Autocast = Callable[[], AbstractContextManager[None]]


def rank_device(case: TrainingCase, rank: int) -> torch.device:
    """The device of a rank.

    Raises:
        TrainerError: there is no such GPU.
    """
    if case.device == "cpu":
        return torch.device("cpu")
    index = int(case.device.partition(":")[2]) + rank
    found = torch.cuda.device_count()
    if index >= found:
        raise TrainerError(f"device cuda:{index} of rank {rank}: PyTorch finds {found} NVIDIA GPUs here")
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def set_up_threads(ranks: int) -> int:
    """Give this process its part of the cores; returns the number of compute threads."""
    threads = threads_per_process(ranks)
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    return threads


def set_up_format(precision: str, device: torch.device) -> Autocast:
    """Choose the products' format; returns the context that forward passes run in.

    ``fp32`` and ``tf32`` set what NVIDIA matrix units may do; ``bf16`` keeps FP32 parameters and casts
    (autocast).

    Raises:
        TrainerError: the device multiplies no bf16.
    """
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    if precision != "bf16":
        return nullcontext
    if not _multiplies_bf16(device):
        raise TrainerError(
            f"precision: found bf16; PyTorch has no bf16 products on this {device.type} device"
        )
    return lambda: torch.autocast(device.type, torch.bfloat16)


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001


def synchronize(device: torch.device) -> None:
    """Wait until everything launched has run."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
