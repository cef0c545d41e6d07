"""Measuring in processes of their own: threads are set before a library starts, and nothing else runs."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from simdl.cores import usable_cores
from validation.errors import MeasurementError
from validation.microbenchmarks.host_process import threads_per_process
from validation.microbenchmarks.session import Order, measurements_name

ROOT = Path(__file__).resolve().parents[2]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""What linear-algebra libraries read their threads from."""


def process_counts(device: str) -> tuple[int, ...]:
    """Numbers of processes that a device is measured with: alone and, where there are cores for it, two."""
    return (1, 2) if device == "cpu" and usable_cores() > 1 else (1,)


def measure_apart(order: Order) -> Path:
    """Run a session in a process of its own, its progress on standard error; the file of measurements.

    It holds the other end of a pipe to this process, and ends when this one is gone, however it went.

    Raises:
        MeasurementError: it refused or failed; its message went to standard error.
        KeyboardInterrupt: it was interrupted; what it measured stays and is taken up again.
    """
    command = [sys.executable, "-m", "validation.microbenchmarks", "--out", str(order.out.resolve())]
    command += ["--device", order.device, "--processes", str(order.processes), "--end-with-input"]
    command += ["--backend", order.backend] if order.backend else []
    command += ["--quick"] if order.quick else []
    command += [] if order.seconds is None else ["--seconds", str(order.seconds)]
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, env=environment(order.processes), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    said = ""
    try:
        assert process.stderr is not None  # noqa: S101 - asked for above
        for line in process.stderr:
            said = line.strip() or said
            sys.stderr.write(line)
        status = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    if status:
        reason = said.removeprefix("Error: ") or f"ended with status {status}"
        raise MeasurementError(f"measuring with {order.processes} processes: {reason}")
    return order.out / measurements_name(order.processes)


def environment(processes: int) -> Mapping[str, str]:
    """The environment of a measuring process: its share of threads, and this package on the path."""
    threads = str(threads_per_process(processes))
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, **dict.fromkeys(THREADS, threads), "PYTHONPATH": path}
