"""Programs of this package as processes inside namespaces, each with a pipe to the one that started it."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from validation.real_links.orders import Stop

ROOT = Path(__file__).resolve().parents[2]
GRACE = 5.0  # [s] for a process to end
LAST_WORDS = 500
SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A running program: its process, the pipe to it, and the file that it prints to."""

    process: subprocess.Popen[bytes]
    pipe: Connection
    printed: IO[bytes]


def start_program(namespace: str, module: str, arguments: Mapping[str, object]) -> Program:
    """Start a module in a namespace with its arguments as JSON, and ``pipe``, the descriptor of its pipe."""
    ours, theirs = Pipe()
    text = json.dumps({**arguments, "pipe": theirs.fileno()})
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end_programs
    try:
        process = subprocess.Popen(  # noqa: S603 - our own program
            ("ip", "netns", "exec", namespace, sys.executable, "-m", module, text),  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            pass_fds=(theirs.fileno(),),
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},  # programs share the cores
        )
    finally:
        theirs.close()
    return Program(process=process, pipe=ours, printed=printed)


def end_with_starter() -> None:
    """Let the kernel end this program when the process that started it ends, even in the middle of a move."""
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def last_words(program: Program) -> str:
    """How a program ended, with the end of what it printed."""
    with suppress(subprocess.TimeoutExpired):
        program.process.wait(timeout=GRACE)
    program.printed.seek(0)
    said = program.printed.read().decode("utf-8", "replace").strip()[-LAST_WORDS:]
    return f"ended with status {program.process.returncode}" + (f": {said}" if said else "")


def kill_programs(programs: Sequence[Program]) -> None:
    """End programs that may be waiting for one another."""
    for program in programs:
        program.process.kill()


def end_programs(programs: Sequence[Program]) -> None:
    """Tell every program to stop; one that does not listen is killed."""
    for program in programs:
        with suppress(OSError):
            program.pipe.send(Stop())
        program.pipe.close()
    deadline = time.monotonic() + GRACE
    for program in programs:
        try:
            program.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            program.process.kill()
            program.process.wait()
        program.printed.close()
