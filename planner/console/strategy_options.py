"""The command-line options that name a strategy: a file, or one flag per field."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import click
from click.core import ParameterSource

from hardware.cluster import Cluster
from planner.questions.strategy_file import build_strategy, load_strategy
from simdl.compression.method import EXAMPLES
from simdl.errors import SimdlError
from simdl.memory.savers import EXAMPLE as SAVERS
from simdl.pipelines import PIPELINES
from simdl.step.strategy import Recompute, Strategy

PLAIN = Strategy()  # whose values are the defaults


def read_shares(_context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Whole numbers with commas between them.

    Raises:
        click.BadParameter: anything else.
    """
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", text):
        raise click.BadParameter(f"found {text!r}; expected whole numbers such as 3,5", param=option)
    return tuple(map(int, text.split(",")))


OPTIONS = (
    click.option(
        "--strategy", "strategy_file", help="TOML file with a strategy, instead of the flags below."
    ),
    click.option("--dp", type=int, show_default="what the other degrees leave", help="Data-parallel degree."),
    click.option("--tp", type=int, default=PLAIN.tp, show_default=True, help="Tensor-parallel degree."),
    click.option("--pp", type=int, default=PLAIN.pp, show_default=True, help="Pipeline-parallel degree."),
    click.option("--cp", type=int, default=PLAIN.cp, show_default=True, help="Context-parallel degree."),
    click.option(
        "--ep",
        type=int,
        default=PLAIN.ep,
        show_default=True,
        help="Expert-parallel degree: ranks of a stage that share the experts of a layer.",
    ),
    click.option(
        "--etp",
        type=int,
        default=PLAIN.etp,
        show_default=True,
        help="Expert-tensor-parallel degree: ranks that share each expert; 0: tp.",
    ),
    click.option(
        "--micro-batch",
        type=int,
        default=PLAIN.micro_batch,
        show_default=True,
        help="Samples that pass through the pipeline together.",
    ),
    click.option(
        "--schedule",
        default=PLAIN.schedule,
        show_default=True,
        help=f"Pipeline order: {', '.join(sorted(PIPELINES))}.",
    ),
    click.option(
        "--virtual-stages",
        type=int,
        default=PLAIN.virtual_stages,
        show_default=True,
        help="Stages per pipeline rank.",
    ),
    click.option(
        "--recompute",
        type=click.Choice([mode.value for mode in Recompute]),
        default=PLAIN.recompute.value,
        show_default=True,
        help="Activations to discard and compute again.",
    ),
    click.option(
        "--recompute-layers",
        type=click.IntRange(min=0),
        default=PLAIN.recompute_layers,
        show_default="all",
        help="Recompute only so many blocks of each virtual stage, the first ones.",
    ),
    click.option(
        "--savers",
        default=PLAIN.savers,
        show_default="as --recompute says",
        help=f"What each block keeps, recomputes or leaves in host memory: {SAVERS}.",
    ),
    click.option(
        "--zero", type=click.IntRange(0, 3), default=PLAIN.zero, show_default=True, help="ZeRO stage."
    ),
    click.option(
        "--shard-degree",
        type=int,
        default=PLAIN.shard_degree,
        show_default=True,
        help="Replicas that share one sharded copy under ZeRO; 0: all.",
    ),
    click.option(
        "--compression",
        default=PLAIN.compression,
        show_default="none",
        help=f"Of gradients between replicas: {', '.join(EXAMPLES)}.",
    ),
    click.option(
        "--sequence-parallel/--no-sequence-parallel",
        default=PLAIN.sequence_parallel,
        show_default=True,
        help="Shard the residual stream over the tensor-parallel ranks.",
    ),
    click.option(
        "--shares",
        metavar="N,N",
        callback=read_shares,
        help="Microbatches of each replica by node type of a mixed cluster; without, all have as many.",
    ),
)


def strategy_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options; the command gets ``strategy_file`` and one keyword per field of a strategy."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def chosen_strategy(path: str | None, flags: Mapping[str, Any], cluster: Cluster) -> Strategy:
    """The strategy that the options of the running command name.

    Args:
        path: of a file, or None.
        flags: values by field, defaults among them.
        cluster: whose devices dp takes if nothing names it.

    Raises:
        SimdlError: a file and flags together, or a file that cannot be read.
        StrategyError: unknown keys or wrong values.
    """
    given = given_flags(flags)
    if path is None:
        return build_strategy(given, cluster)
    if given:
        names = ", ".join("--" + name.replace("_", "-") for name in given)
        raise SimdlError(f"{names}: given together with --strategy {path}; expected one or the other")
    return load_strategy(path, cluster)


def given_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags of the running command that were typed."""
    context = click.get_current_context()
    return {
        name: value
        for name, value in flags.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
