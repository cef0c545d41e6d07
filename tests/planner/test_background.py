"""Calls that are waited for in a thread of their own."""

import os
import signal
import time
from threading import Timer

import pytest

from planner.errors import SolverError
from planner.solver.background import in_background


def test_gives_what_the_call_gives():
    assert in_background(lambda: 3) == 3


def test_raises_what_the_call_raises():
    def fail():
        raise SolverError("gave up")

    with pytest.raises(SolverError, match="gave up"):
        in_background(fail)


@pytest.fixture
def interruptible():
    """Interrupts are raised, also where a shell that ran this in the background had them ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_wait():
    began = time.perf_counter()
    Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        in_background(lambda: time.sleep(30))
    assert time.perf_counter() - began < 20
