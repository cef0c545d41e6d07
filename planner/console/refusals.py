"""What a user can get wrong, as one message on standard error and exit status 2."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click

from hardware.errors import HardwareError
from readers.errors import InputError
from simdl.errors import SimdlError
from workloads.errors import WorkloadError

LONG_NUMBER = re.compile(r"[0-9]{60,}")
LONGEST, MOST = 1000, 100
"""Characters of a line and lines of a message, at most."""


class BadInputError(click.ClickException):
    """A user's input is refused: one message on standard error, exit status 2."""

    exit_code = 2


def bad_input(error: Exception | str) -> BadInputError:
    """The error as one message on standard error; the command ends with exit status 2."""
    if isinstance(error, OSError) and error.filename is not None:
        return BadInputError(f"{error.filename}: {error.strerror}")
    return BadInputError(readable(str(error)))


def readable(message: str) -> str:
    """A message of as many lines and characters as somebody reads, whatever it was given to show."""
    lines = [
        line if len(line) <= LONGEST else f"{line[:LONGEST]}..."
        for line in without_long_numbers(message).splitlines()
    ]
    more = len(lines) - MOST
    return "\n".join([*lines[:MOST], *([f"... and {more:,} more"] if more > 0 else [])])


def without_long_numbers(message: str) -> str:
    """A message that says how many digits a number has where nobody reads them."""
    return LONG_NUMBER.sub(lambda found: f"<{len(found[0]):,} digits>", message)


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Turn what a user can get wrong into a refusal; a context, or a decorator as ``@reporting_errors()``.

    An OSError counts only if it names a file: a closed pipe is no bad input.

    Raises:
        BadInputError: in place of HardwareError, WorkloadError, SimdlError, InputError and OSError.
    """
    try:
        yield
    except (HardwareError, WorkloadError, SimdlError, InputError) as error:
        raise bad_input(error) from None
    except OSError as error:
        if error.filename is None:
            raise
        raise bad_input(error) from None
