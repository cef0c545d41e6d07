"""How many processes a machine can keep busy."""

import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of processors that a container may take, and per how many (Linux, cgroup-v2.rst)."""


def usable_cores(quota: Path = QUOTA) -> int:
    """Cores this process may run on, as far as its container's share of processor time keeps them busy.

    Args:
        quota: file with that share.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        most, period = map(int, quota.read_text(encoding="ascii").split())
    except (OSError, ValueError):  # none, or "max"
        return cores
    return max(1, min(cores, most // period))
