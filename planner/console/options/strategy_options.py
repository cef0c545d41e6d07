"""The command-line options that name a strategy: a file, or one flag per field."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click
from click.core import ParameterSource

from hardware.cluster import Cluster
from planner.questions.question import Options, Question, for_strategy
from planner.questions.strategy_file import KEYS, build_strategy, load_strategy
from planner.remedies.least_saving import Choice, choose_rest
from planner.remedies.nearest import nearest_values
from simdl.compression.method import EXAMPLES
from simdl.errors import SimdlError, StrategyError
from simdl.memory.savers import EXAMPLE as SAVERS
from simdl.pipelines import PIPELINES
from simdl.step.strategy import Recompute, Strategy

Command = Callable[..., None]
Decorator = Callable[[Command], Command]

PLAIN = Strategy()  # whose values are the defaults
FLAGS = tuple(key for key in KEYS if key not in {"stages", "split_degree", "splits"})
"""Fields of a strategy that have a flag."""


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


TO_FIT = "chosen to fit"


def _option(*names: str, default: object, shown: bool | str = True, **settings: Any) -> Decorator:  # noqa: ANN401
    """An option of one field."""
    return click.option(*names, default=default, show_default=shown, **settings)


def _options(*, fixed: bool) -> Iterator[Decorator]:
    """The options; ``fixed`` says whether those that could be chosen have the values of a plain strategy."""

    def left(field: str) -> dict[str, Any]:
        return {"default": getattr(PLAIN, field)} if fixed else {"default": None, "shown": TO_FIT}

    yield click.option(
        "--strategy", "strategy_file", help="TOML file with a strategy, instead of the flags below."
    )
    yield click.option(
        "--dp", type=int, show_default="what the other degrees leave", help="Data-parallel degree: replicas."
    )
    yield _option("--tp", type=int, **left("tp"), help="Tensor-parallel degree: ranks that share each layer.")
    yield _option(
        "--pp", type=int, **left("pp"), help="Pipeline-parallel degree: ranks that share the chain of layers."
    )
    yield _option(
        "--cp",
        type=int,
        **left("cp"),
        help="Context-parallel degree: ranks that share the tokens of a sample.",
    )
    yield _option(
        "--ep",
        type=int,
        **left("ep"),
        help="Expert-parallel degree: ranks of a stage that share the experts of a layer.",
    )
    yield _option(
        "--etp",
        type=int,
        default=PLAIN.etp,
        help="Expert-tensor-parallel degree: ranks that share each expert; 0: tp.",
    )
    yield _option(
        "--micro-batch",
        type=int,
        **left("micro_batch"),
        help="Samples of a replica that pass through the network together.",
    )
    yield _option(
        "--schedule",
        default=PLAIN.schedule,
        help=f"Order of a pipeline: {', '.join(sorted(PIPELINES))}.",
    )
    yield _option(
        "--virtual-stages", type=int, default=PLAIN.virtual_stages, help="Stages per pipeline rank."
    )
    mode = left("recompute")
    yield _option(
        "--recompute",
        type=click.Choice([each.value for each in Recompute]),
        **mode | ({"default": PLAIN.recompute.value} if fixed else {}),
        help="Activations to discard and compute again: of attention (selective), or all.",
    )
    yield _option(
        "--recompute-layers",
        type=click.IntRange(min=0),
        default=PLAIN.recompute_layers,
        shown="all",
        help="Recompute only so many blocks of each virtual stage, the first ones.",
    )
    yield _option(
        "--savers",
        default=PLAIN.savers,
        shown="as --recompute says",
        help=f"What each block keeps, recomputes or leaves in host memory: {SAVERS}.",
    )
    yield _option(
        "--zero",
        type=click.IntRange(0, 3),
        **left("zero"),
        help="ZeRO stage: replicas share 1 optimizer state, 2 also gradients, 3 also parameters (FSDP).",
    )
    yield _option(
        "--shard-degree",
        type=int,
        default=PLAIN.shard_degree,
        help="Replicas that share one sharded copy under ZeRO; 0: all.",
    )
    yield _option(
        "--compression",
        default=PLAIN.compression,
        shown="none",
        help=f"Of gradients between replicas: {', '.join(EXAMPLES)}.",
    )
    yield _option(
        "--sequence-parallel/--no-sequence-parallel",
        **left("sequence_parallel"),
        help="Shard the residual stream over the tensor-parallel ranks.",
    )
    yield click.option(
        "--shares",
        metavar="N,N",
        callback=read_shares,
        help="Microbatches of each replica by node type of a mixed cluster; without, all have as many.",
    )


def strategy_options(command: Command) -> Command:
    """Add the options; the command gets ``strategy_file`` and one keyword per field of a strategy."""
    return _with(command, fixed=True)


def open_strategy_options(command: Command) -> Command:
    """The same, for a command that chooses what is left open (:func:`asked_strategy`)."""
    return _with(command, fixed=False)


def _with(command: Command, *, fixed: bool) -> Command:
    for option in reversed([*_options(fixed=fixed)]):
        command = option(command)
    return command


def asked_strategy(
    path: str | None, flags: Mapping[str, Any], question: Question, options: Options
) -> Choice:
    """The strategy of a file, or of flags with the rest chosen to fit, and the question with its stack.

    Args:
        path: of a file, which leaves nothing open, or None.
        flags: values by field.
        question: read from the options.
        options: as the user gave them.

    Raises:
        SimdlError: a file and flags together, or a file that cannot be read.
        StrategyError: unknown keys or wrong values.
    """
    if path is None:
        return choose_rest(question, options, given_flags(flags))
    strategy = chosen_strategy(path, flags, question.cluster)
    return Choice(question=for_strategy(question, options, strategy), strategy=strategy, chosen="")


def with_nearest(
    error: StrategyError, question: Question, options: Options, flags: Mapping[str, Any]
) -> SimdlError:
    """A refusal with the flags to type for the nearest strategies that are carried out and fit."""
    changes = nearest_values(question, options, given_flags(flags))
    typed = [_flag(name, value) for each in changes for name, value in each.items()]
    return SimdlError("\n".join([str(error), *(f"try: {line}" for line in typed)]))


def format_flags(strategy: Strategy, before: Strategy) -> str:
    """The flags to type for what a strategy changes of another one; cuts and splits have none.

    Example:
        >>> format_flags(Strategy(dp=4, tp=2, sequence_parallel=True), Strategy(dp=8))
        '--dp 4 --tp 2 --sequence-parallel'
    """
    words = []
    for name in FLAGS:
        value = getattr(strategy, name)
        if value != getattr(before, name):
            words.append(_flag(name, value))
    return " ".join(words)


def _flag(name: str, value: Any) -> str:  # noqa: ANN401 - of a field
    """The flag to type for a value of a field."""
    option = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return option if value else f"--no-{option[2:]}"
    return f"{option} {','.join(map(str, value)) if isinstance(value, tuple) else value}"


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
