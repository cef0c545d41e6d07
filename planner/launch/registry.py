"""The launch formats there are: by name, and by what a file looks like."""

from difflib import get_close_matches
from pathlib import Path

from planner.launch.formats import (
    accelerate,
    deepspeed,
    maxtext,
    megatron,
    megatron_bridge,
    nemo_automodel,
    torchtitan,
)
from planner.launch.job import Context, Format, LaunchError, Read

FORMATS: dict[str, Format] = {
    each.FORMAT.name: each.FORMAT
    for each in (megatron, megatron_bridge, nemo_automodel, torchtitan, deepspeed, accelerate, maxtext)
}
LARGEST = 2**20
"""Bytes of a launch file, at most."""


def launch_format(name: str) -> Format:
    """The format of this name.

    Raises:
        LaunchError: no such format.
    """
    if name not in FORMATS:
        near = get_close_matches(name, FORMATS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(FORMATS)}"
        raise LaunchError(f"format {name!r}: unknown; {hint}")
    return FORMATS[name]


def read_launch_file(path: str, context: Context) -> tuple[Format, Read]:
    """The format of a file, and what it says.

    Raises:
        LaunchError: not readable, too large, of no format that can be read, or wrong in itself.
    """
    text = _text(Path(path))
    readable = [each for each in FORMATS.values() if each.read is not None]
    found = next((each for each in readable if each.recognise(Path(path).name, text)), None)
    if found is None or found.read is None:
        known = ", ".join(each.name for each in readable)
        raise LaunchError(f"{path}: not recognised as a launch file; expected one of {known}")
    try:
        return found, found.read(text, context)
    except LaunchError as error:
        raise LaunchError(f"{path}: {error}") from None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise LaunchError(f"{path}: found {path.stat().st_size:,} bytes; expected at most {LARGEST:,}")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LaunchError(f"{path}: cannot be read: {error}; expected a launch file") from None
