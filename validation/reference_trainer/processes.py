"""The processes of a case: one per rank, watched until all have answered; none outlives the call.

Ranks meet through a file in a folder of their own and talk over the loopback interface.
"""

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import validation
from validation.errors import TrainerError
from validation.microbenchmarks.host_process import threads_per_process
from validation.reference_trainer.case import TrainingCase

GRACE = 30.0
"""[s] beyond the budget before ranks that do not answer are ended."""
POLL = 0.1
"""[s] between looks at the ranks; rare, because they need the cores."""

Process = subprocess.Popen[bytes]


def run_ranks(case: TrainingCase) -> list[dict[str, Any]]:
    """Run all ranks of a case; their answers in order of rank.

    Raises:
        TrainerError: a rank failed, died or did not answer in time; names the rank and its message.
    """
    started = time.monotonic()
    deadline = started + case.budget
    with TemporaryDirectory(prefix="simdl-train-") as name:
        folder = Path(name)
        processes: list[Process] = []
        try:
            for rank in range(case.strategy.devices):
                processes.append(_start(case, rank, deadline, folder))  # noqa: PERF401 (ends those that started)
            _wait(processes, folder, deadline + GRACE, case.budget)
        finally:
            _end(processes)
        return [_answer(folder, rank) for rank in range(len(processes))]


def _start(case: TrainingCase, rank: int, deadline: float, folder: Path) -> Process:
    arguments = ["-m", "validation.reference_trainer.worker", str(rank), str(deadline), str(folder)]
    with (folder / f"{rank}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 (this interpreter, our own module)
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=_environment(case.strategy.devices),
        )
    assert process.stdin is not None  # noqa: S101
    with suppress(BrokenPipeError):  # it died at once; waiting for it says why
        process.stdin.write(pickle.dumps(case))
        process.stdin.flush()
    return process


def _environment(ranks: int) -> dict[str, str]:
    """This process's, with the path of the package, the threads of a rank and the loopback interface."""
    root = str(Path(validation.__file__).resolve().parent.parent)
    known = os.environ.get("PYTHONPATH")
    threads = str(threads_per_process(ranks))
    return {
        **os.environ,
        "PYTHONPATH": f"{root}{os.pathsep}{known}" if known else root,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
    }


def _wait(processes: Sequence[Process], folder: Path, deadline: float, budget: float) -> None:
    while True:
        states = [process.poll() for process in processes]
        failed = [rank for rank, state in enumerate(states) if state not in (None, 0)]
        if failed:
            raise TrainerError(_failure(processes, folder, failed))
        if all(state == 0 for state in states):
            return
        if time.monotonic() > deadline:
            silent = [rank for rank, state in enumerate(states) if state is None]
            names = ", ".join(map(str, silent))
            raise TrainerError(f"rank {names}: no answer {GRACE:.0f} s after the budget of {budget:.4g} s")
        time.sleep(POLL)


def _failure(processes: Sequence[Process], folder: Path, failed: Sequence[int]) -> str:
    """The message of the rank that failed first: one that died before those that only lost it."""
    died = [rank for rank in failed if not (folder / f"{rank}.json").exists()]
    rank = died[0] if died else min(failed, key=lambda r: (folder / f"{r}.json").stat().st_mtime)
    if not died:
        return f"rank {rank}: {_read(folder, rank)['error']}"
    status = processes[rank].returncode
    reason = f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
    memory = " (out of memory?)" if status == -9 else ""
    lines = (folder / f"{rank}.log").read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    return f"rank {rank}: {reason}{memory}" + (f": {last}" if last else "")


def _answer(folder: Path, rank: int) -> dict[str, Any]:
    if not (folder / f"{rank}.json").exists():
        raise TrainerError(f"rank {rank}: ended without an answer")
    return _read(folder, rank)


def _read(folder: Path, rank: int) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / f"{rank}.json").read_text(encoding="utf-8"))
    return content


def _end(processes: Sequence[Process]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
    for process in processes:
        process.wait()
        if process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()
