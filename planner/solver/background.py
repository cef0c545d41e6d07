"""Calls into libraries that hear of no interrupt while they work, such as a solver."""

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")


def in_background(call: Callable[[], Result]) -> Result:
    """What a call returns or raises, in a thread of its own, so that Ctrl-C ends the wait for it.

    The thread ends with the process if it is no longer waited for; the call must let go of Python's lock
    while it works.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            errors.append(error)

    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
