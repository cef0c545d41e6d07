"""The command-line options of the question that `plan`, `simulate` and `scale` share."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from planner.questions.device_speeds import EXAMPLE
from planner.questions.question import BATCHES, Options
from workloads.dtypes import PRECISIONS
from workloads.optimizers import OPTIMIZERS

Command = Callable[..., None]
Decorator = Callable[[Command], Command]

CLUSTER = (
    "NODE:COUNT, such as dgx-a100:128, part of a node, such as dgx-a100:1gpus, or a TOML file; NODE alone is "
    "one node."
)

seq_len_option = click.option(
    "--seq-len", type=click.IntRange(min=1), show_default="the network's own", help="Tokens of a sample."
)
optimizer_option = click.option(
    "--optimizer",
    show_default="adam for sequences, momentum for images",
    help=f"Update rule: {', '.join(OPTIMIZERS)}.",
)
imbalance_option = click.option(
    "--imbalance",
    type=float,
    show_default="1, or what the model's file says",
    help="Mixtures of experts: tokens of the busiest expert-parallel rank over the mean.",
)
input_option = click.option(
    "--input-pipeline",
    metavar="LOADER",
    show_default="samples are there when they are needed",
    help="Simulate how samples are read, decoded and copied: pytorch-workers:8 or dali:4 (workers or threads "
    "a device), then ,storage=2GB/s (of a node, or memory), ,dataset=, ,cores= (of a node), ,rate= "
    "(samples/s of a worker).",
)

speeds_option = click.option(
    "--speeds",
    metavar="RANK=FACTOR",
    show_default="1 of every device",
    help=f"Devices that are slower or faster than their profile says, such as {EXAMPLE}.",
)


def asking(
    *, cluster: str, global_batch: str, several: bool = False, inputs: bool = False, speeds: bool = False
) -> Decorator:
    """What adds the argument MODEL and the shared options; the command gets them as one ``options``.

    Args:
        cluster: help of ``--cluster``.
        global_batch: help of ``--global-batch``.
        several: whether ``--cluster`` may be given several times; the command then gets all but the first as
            ``others``.
        inputs: whether samples may come through an input pipeline.
        speeds: whether some devices may be slower or faster than others.
    """
    options = (
        click.argument("model"),
        click.option("--cluster", required=True, multiple=several, help=cluster),
        click.option(
            "--global-batch",
            type=click.IntRange(min=1),
            show_default="the network family's published one, else "
            f"{BATCHES.per_device['sequence']} sequences or {BATCHES.per_device['image']} images per device",
            help=global_batch,
        ),
        seq_len_option,
        click.option(
            "--precision",
            show_default="bf16 if the device has it, else fp16, fp32",
            help=f"Number formats: {', '.join(PRECISIONS)}.",
        ),
        optimizer_option,
        click.option(
            "--stack",
            show_default="that of the device's generation",
            help="Software stack: what it launches, overlaps and fuses, and how fast (docs/stacks.md).",
        ),
        imbalance_option,
        *((input_option,) if inputs else ()),
        *((speeds_option,) if speeds else ()),
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
        cluster: str | tuple[str, ...],
        global_batch: int | None,
        seq_len: int | None,
        precision: str | None,
        optimizer: str | None,
        stack: str | None,
        imbalance: float | None,
        input_pipeline: str | None = None,
        speeds: str | None = None,
        **rest: Any,  # noqa: ANN401 - whatever the command adds
    ) -> None:
        first = cluster if isinstance(cluster, str) else cluster[0]
        if not isinstance(cluster, str):
            rest["others"] = cluster[1:]
        options = Options(
            model=model,
            cluster=first,
            global_batch=global_batch,
            seq_len=seq_len,
            precision=precision,
            optimizer=optimizer,
            stack=stack,
            input_pipeline=input_pipeline,
            imbalance=imbalance,
            speeds=speeds,
        )
        command(options=options, **rest)

    return gathered


several_clusters = asking(
    cluster=f"{CLUSTER} Several are compared.",
    global_batch="Samples per step over all replicas.",
    several=True,
    inputs=True,
)
"""The options as `plan` takes them."""
simulated_question = asking(
    cluster=CLUSTER, global_batch="Samples per step over all replicas.", inputs=True, speeds=True
)
"""The options as `simulate` takes them."""
question_options = asking(cluster=CLUSTER, global_batch="Samples per step over all replicas.")
"""The options as commands take them that know no input pipeline."""
