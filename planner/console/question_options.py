"""The command-line options of the question that `plan`, `simulate` and `scale` share."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from planner.questions.question import PER_DEVICE, Options

Command = Callable[..., None]
Decorator = Callable[[Command], Command]

CLUSTER = "NODE:COUNT, such as dgx-a100:128, or a TOML file; NODE alone is one node."

seq_len_option = click.option(
    "--seq-len", type=click.IntRange(min=1), show_default="the published", help="Tokens of a sample."
)
optimizer_option = click.option(
    "--optimizer", show_default="adam for sequences, momentum for images", help="Update rule."
)


def asking(*, cluster: str, global_batch: str) -> Decorator:
    """What adds the argument MODEL and the shared options; the command gets them as one ``options``.

    Args:
        cluster: help of ``--cluster``.
        global_batch: help of ``--global-batch``.
    """
    options = (
        click.argument("model"),
        click.option("--cluster", required=True, help=cluster),
        click.option(
            "--global-batch",
            type=click.IntRange(min=1),
            show_default="the network family's published one, else "
            f"{PER_DEVICE['sequence']} sequences or {PER_DEVICE['image']} images per device",
            help=global_batch,
        ),
        seq_len_option,
        click.option(
            "--precision", show_default="bf16 if the device has it, else fp16, fp32", help="Number formats."
        ),
        optimizer_option,
        click.option("--stack", show_default="that of the device's generation", help="Software stack."),
    )

    def decorate(command: Command) -> Command:
        result = _gathering(command)
        for option in reversed(options):
            result = option(result)
        return result

    return decorate


def _gathering(command: Command) -> Command:
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

    return gathered


question_options = asking(cluster=CLUSTER, global_batch="Samples per step over all replicas.")
"""The options as `plan` and `simulate` take them."""
