"""The command-line options of the question that `plan` and `simulate` share."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from planner.question import PER_DEVICE, Options

Command = Callable[..., None]

_OPTIONS = (
    click.argument("model"),
    click.option("--cluster", required=True, help="NODE:COUNT, such as dgx-a100:128, or a TOML file."),
    click.option(
        "--global-batch",
        type=click.IntRange(min=1),
        help="Samples per step over all replicas. Default: the network family's published one, else "
        f"{PER_DEVICE['sequence']} sequences or {PER_DEVICE['image']} images per device.",
    ),
    click.option("--seq-len", type=click.IntRange(min=1), help="Tokens of a sample. Default: the published."),
    click.option("--precision", help="Number formats. Default: bf16 if the device has it, else fp16, fp32."),
    click.option("--optimizer", help="Default: adam for sequences, momentum for images."),
    click.option("--stack", help="Software stack. Default: that of the device's generation."),
)


def question_options(command: Command) -> Command:
    """Add the argument MODEL and the shared options; the command gets them as one ``options``."""

    @wraps(command)
    def gathered(
        *,
        model: str,
        cluster: str,
        global_batch: int | None,
        seq_len: int | None,
        precision: str | None,
        optimizer: str | None,
        stack: str | None,
        **rest: Any,  # noqa: ANN401 - whatever the command adds
    ) -> None:
        options = Options(
            model=model,
            cluster=cluster,
            global_batch=global_batch,
            seq_len=seq_len,
            precision=precision,
            optimizer=optimizer,
            stack=stack,
        )
        command(options=options, **rest)

    result: Command = gathered
    for option in reversed(_OPTIONS):
        result = option(result)
    return result
