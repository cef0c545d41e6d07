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
from planner.launch.job import Context, Format, LaunchError, Read, is_decoder
from planner.questions.question import Question
from readers.errors import InputError
from readers.limits import Kind
from readers.whole import read_text

FORMATS: dict[str, Format] = {
    each.FORMAT.name: each.FORMAT
    for each in (megatron, megatron_bridge, nemo_automodel, torchtitan, deepspeed, accelerate, maxtext)
}


def formats_of(question: Question) -> dict[str, Format]:
    """The formats whose training programs could train a network, whatever the strategy.

    That of the software stack which a question names or assumes comes first.
    """
    decoder = is_decoder(question.workload.network)
    own = sorted(FORMATS, key=lambda name: not question.stack.name.startswith(name))
    return {name: FORMATS[name] for name in own if decoder or FORMATS[name].own_program}


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
        return read_text(path, "a launch file", kind=Kind.LAUNCH)
    except InputError as error:
        raise LaunchError(str(error)) from None
