"""Work for worker processes in tests: what they do is named by module, so it lives in one of its own."""

import os
import signal
import time
from pathlib import Path


def square(number):
    return number * number


def divide_one_by(number):
    return 1 / number


def square_after_a_death(piece):
    """The square, once an earlier process has left its mark and been killed over the same piece."""
    number, mark = piece
    if mark is not None and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die(_piece):
    os.kill(os.getpid(), signal.SIGKILL)


def process_of(_piece):
    time.sleep(0.01)
    return os.getpid()
