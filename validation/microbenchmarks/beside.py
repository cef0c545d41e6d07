"""Computation beside copies: a thread that copies host memory while kernels run."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

COPIED = 1 << 26
"""[bytes] of one copy: larger than caches."""


@contextmanager
def host_copies() -> Iterator[None]:
    """Copies go on in another thread; NumPy lets go of the interpreter while it copies."""
    stop = threading.Event()
    source, result = np.ones(COPIED // 4, dtype=np.float32), np.empty(COPIED // 4, dtype=np.float32)

    def copy() -> None:
        while not stop.is_set():
            np.copyto(result, source)

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
