"""Groups of commands that refuse what no command should have to look for itself, and give each `--max-input`.

A name that is no command is answered with the nearest ones, and an option whose value is empty is refused: an
unset variable of a shell (``--stack "$STACK"``) is no wish for the default.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import click

from planner.console.options.input_option import add_max_input
from planner.console.refusals import without_long_numbers

ARGUMENTS = {
    "MODEL": "a name (`simdl models` lists them), a TOML file or a config.json, such as gpt3-6.7b.",
    "PROFILE": "a profile that PipeDream published, such as vgg16, or FILE_nodes.csv:NAME.",
    "GRID": "a TOML file of lists, such as grid.toml (docs/sweep.md has one).",
    "TRIALS": "a CSV file of trials, such as trials.csv (docs/sweep.md has one).",
    "TRACE.json": "a trace of torch.profiler.",
    **dict.fromkeys(
        ("PLAN.json", "PLAN.json|STRATEGY.toml", "A.json", "B.json"),
        "what `simdl plan gpt3-6.7b --cluster dgx-a100:4 --json > plan.json` writes.",
    ),
}
"""What an argument that was left out should have been, by what its usage calls it."""


class StrictGroup(click.Group):
    """A group that suggests commands and refuses empty values, whichever the command."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - what click gives back
        """The command, with what it refuses of its arguments told in a readable length.

        Raises:
            click.UsageError: it refuses some.
        """
        try:
            return super().invoke(ctx)
        except click.MissingParameter as error:
            told = error.message or _expected(error.param)
            raise click.MissingParameter(
                told,
                ctx=error.ctx,
                param=error.param,
                param_hint=error.param_hint,
                param_type=error.param_type,
            ) from None
        except click.UsageError as error:
            message = without_long_numbers(error.message)
            if message == error.message:
                raise
            raise _said_again(error, message) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command named first, its values looked through."""
        names = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in names:
            near = get_close_matches(args[0], names, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(names)}"
            ctx.fail(f"no command {args[0]!r}; {hint}")
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and not isinstance(command, click.Group):
            add_max_input(command)
            _refuse_empty(command, name, rest, ctx)
        return name, command, rest


def _expected(parameter: click.Parameter | None) -> str:
    """What somebody who left a parameter out should have said: its help, or an example of an argument."""
    if isinstance(parameter, click.Option):
        return f"Expected: {parameter.help}" if parameter.help else ""
    told = ARGUMENTS.get(parameter.human_readable_name) if parameter else None
    return f"Expected: {told}" if told else ""


def _said_again(error: click.UsageError, message: str) -> click.UsageError:
    if isinstance(error, click.BadParameter):
        return click.BadParameter(message, ctx=error.ctx, param=error.param, param_hint=error.param_hint)
    return click.UsageError(message, ctx=error.ctx)


def _refuse_empty(command: click.Command, name: str | None, args: Sequence[str], ctx: click.Context) -> None:
    """Refuse the first parameter with an empty value.

    Raises:
        click.BadParameter: there is one.
    """
    own = click.Context(command, info_name=name, parent=ctx)
    try:
        given, _, _ = command.make_parser(own).parse_args(list(args))
    except click.UsageError:  # which the command itself will tell
        return
    for parameter in command.get_params(own):
        if "" in _values(given.get(parameter.name or "")):
            raise click.BadParameter("found ''; expected a value", ctx=own, param=parameter)


def _values(given: Any) -> Iterator[object]:  # noqa: ANN401 - whatever the parser found
    """The texts of one parameter, which may be repeated or take several."""
    if isinstance(given, list | tuple):
        for each in given:
            yield from _values(each)
    else:
        yield given
