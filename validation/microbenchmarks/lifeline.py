"""Ends a process with its parent: the parent holds the other end of a pipe, which closes however it ends."""

import os
import threading
from typing import BinaryIO

ORPHANED = 3
"""Exit status of a process whose parent is gone."""
CHUNK = 4096  # [bytes]


def end_with(pipe: BinaryIO) -> None:
    """End this process as soon as the pipe closes; returns at once."""
    threading.Thread(target=_wait, args=(pipe.fileno(),), daemon=True).start()


def _wait(descriptor: int) -> None:
    """Wait without the lock of a buffered file, which an interpreter that ends would want too."""
    while os.read(descriptor, CHUNK):
        pass
    os._exit(ORPHANED)
