"""Runs `ip` and `tc` (iproute2): a time limit, and their own words in the error."""

import subprocess

from validation.errors import RealLinksError

TIMEOUT = 10.0


def run(*arguments: str, timeout: float = TIMEOUT) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        RealLinksError: it is not installed, failed, or took longer than the time limit [s].
    """
    try:
        done = subprocess.run(  # noqa: S603 - arguments are ours, and no shell reads them
            arguments, capture_output=True, text=True, timeout=timeout, check=False
        )
    except FileNotFoundError:
        raise RealLinksError(f"{arguments[0]}: not installed; expected iproute2 on the PATH") from None
    except subprocess.TimeoutExpired:
        raise RealLinksError(f"{' '.join(arguments)}: no end within {timeout:g} s") from None
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}"
        raise RealLinksError(f"{' '.join(arguments)}: {said}")
    return done.stdout
