"""How a measuring or training process on the host is set up, so that kernels and steps see the same machine.

Two settings matter. Threads: a process that shares the host with others gets its part of the cores. Memory:
by default the C library returns freed pages to the kernel, and every large tensor then pays page faults anew,
which no accelerator does; here freed memory is kept, as PyTorch's own caching allocator keeps it on GPUs and
as its tuning guide for CPUs advises (jemalloc, tcmalloc).
"""

import ctypes
import platform
import sys
from pathlib import Path

from simdl.cores import usable_cores

M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
"""Parameters of ``mallopt`` (mallopt(3), malloc.h of the GNU C library)."""


def keep_freed_memory() -> bool:
    """Ask the C library to keep what is freed: no mapping of single blocks, no trimming of the heap.

    Returns:
        Whether it could be asked (GNU C library only).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, -1))


def threads_per_process(processes: int) -> int:
    """Compute threads of each of several processes that share the host evenly; at least one."""
    return max(1, usable_cores() // processes)


def processor_name() -> str:
    """Model name of the processor as the Linux kernel prints it, elsewhere its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
