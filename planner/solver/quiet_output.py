"""Silence for libraries that write to the standard output of the process, past Python's own.

HiGHS 1.16 announces itself as it is made, whatever its options say; an answer in JSON must stay JSON.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

STANDARD_OUTPUT = 1  # file descriptor


@contextmanager
def quiet_output() -> Iterator[None]:
    """Lead the process's standard output nowhere for a while; Python's own buffer is not touched."""
    try:
        kept = os.dup(STANDARD_OUTPUT)
    except OSError:  # closed: nothing can be written there
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, STANDARD_OUTPUT)
        yield
    finally:
        os.dup2(kept, STANDARD_OUTPUT)
        os.close(kept)
        os.close(nowhere)
