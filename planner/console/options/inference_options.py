"""``--mode inference`` of `simdl simulate`: its options, which others it takes, and its answer."""

from collections.abc import Callable, Mapping
from typing import Any

import click
from click.core import ParameterSource

from hardware.errors import HardwareError
from planner.console.options.strategy_options import given_flags
from planner.console.output import print_json
from planner.console.refusals import bad_input
from planner.questions.inference_question import advice, load_inference
from planner.questions.question import Options
from simdl.errors import SimdlError
from simdl.inference.simulate import SERVED
from workloads.errors import WorkloadError

TRAINING, INFERENCE = "training", "inference"
TAKEN = frozenset(
    {"model", "cluster", "global_batch", "seq_len", "precision", "stack", "mode", "generate", "as_json"}
)
"""Parameters of the command that use of a network takes, beside degrees."""


def inference_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--mode`` and ``--generate``."""
    for option in (
        click.option(
            "--generate",
            type=click.IntRange(min=0),
            show_default="128 with --mode inference of a decoder, else 0",
            help="Tokens of an answer, after a prompt of --seq-len tokens.",
        ),
        click.option(
            "--mode",
            type=click.Choice((TRAINING, INFERENCE)),
            default=TRAINING,
            show_default=True,
            help="A training step, or the forward pass alone: latency, memory and energy; --global-batch "
            "samples at a time (1 if not given), on dp replicas of tp devices.",
        ),
    ):
        command = option(command)
    return command


def check_generate(generate: int | None) -> None:
    """Refuse tokens of an answer where none are written.

    Raises:
        SimdlError: they were given.
    """
    if generate is not None:
        raise SimdlError(f"--generate {generate}: given with --mode {TRAINING}; expected --mode {INFERENCE}")


def answer_inference(
    options: Options, flags: Mapping[str, Any], generate: int | None, *, as_json: bool
) -> None:
    """Print what using a network takes.

    Raises:
        BadInputError: options that do not belong here, bad input, or a network that does not fit.
    """
    from planner.console.answers.inference_output import (  # noqa: PLC0415 - tables, only for this mode
        inference_json,
        print_inference,
    )

    try:
        _check_given(flags)
        degrees = {name: value for name, value in given_flags(flags).items() if name in SERVED}
        question = load_inference(options, degrees=degrees, generate=generate)
        report = question.answer()
    except (HardwareError, WorkloadError, SimdlError) as error:
        raise bad_input(error) from None
    if as_json:
        print_json(inference_json(question, report))
    elif report.feasible:
        print_inference(question, report)
    if not report.feasible:
        raise bad_input(
            f"{question.workload.network.name} does not fit: {report.reasons[0]}; {advice(question)}"
        )


def _check_given(flags: Mapping[str, Any]) -> None:
    """Refuse options that say nothing of a network in use.

    Raises:
        SimdlError: such options; names them.
    """
    context = click.get_current_context()
    unread = [
        each.opts[0]
        for each in context.command.params
        if each.name is not None
        and each.name not in TAKEN
        and not (each.name in flags and each.name in SERVED)
        and context.get_parameter_source(each.name) is not ParameterSource.DEFAULT
    ]
    if unread:
        degrees = ", ".join(f"--{name.replace('_', '-')}" for name in SERVED)
        raise SimdlError(
            f"{', '.join(unread)}: given with --mode {INFERENCE}; expected of a strategy {degrees} alone"
        )
