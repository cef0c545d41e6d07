"""The process of a worker: reads pickled pieces of work from its input, writes pickled answers to its output.

Started by :mod:`planner.workers.local` as ``python -m planner.workers.worker``. A process of its own rather
than a fork or a ``multiprocessing`` child: nothing of its parent's threads is in it, and it never runs the
user's own script again. It ends with its parent, whose end closes its input.
"""

import os
import pickle
import signal
import sys
import time
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

Work = Callable[[Any], Any]


def serve() -> None:
    """Answer until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    requests: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_receive, args=(sys.stdin.buffer, requests), daemon=True).start()
    work: Work = requests.get()
    while True:
        answer = answer_of(work, requests.get())
        answers.write(answer)
        answers.flush()


def answer_of(work: Work, piece: object) -> bytes:
    """Pickled (True, result, seconds), or (False, what went wrong, seconds)."""
    started = time.perf_counter()
    try:
        result = work(piece)
        return pickle.dumps((True, result, time.perf_counter() - started))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent shall say it
        return pickle.dumps((False, crash_reason(error), time.perf_counter() - started))


def crash_reason(error: BaseException) -> str:
    """An unexpected error in words."""
    return f"internal error: {type(error).__name__}: {error}"


def _receive(stream: BinaryIO, requests: "SimpleQueue[Any]") -> None:
    """Hand on what comes in; the process ends with its input, whatever it is computing."""
    try:
        while True:
            requests.put(pickle.load(stream))  # noqa: S301 - from the parent
    except EOFError:
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - such as a module that is not there
        sys.stderr.write(f"worker: {crash_reason(error)}\n")
        os._exit(1)


if __name__ == "__main__":
    serve()
