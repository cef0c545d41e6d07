"""Why an answer is what it is: a few sentences, and all of them where they are asked for."""

from collections.abc import Sequence

import click

ALL = "all"
SHOWN = 3
"""Sentences that stand under an answer unless more are asked for."""


def _count(_context: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """How many sentences a text asks for; None for all of them.

    Raises:
        click.BadParameter: neither a number nor all.
    """
    if text is None:
        return SHOWN
    if text == ALL:
        return None
    if not (text.isdecimal() and len(text) < 10):
        raise click.BadParameter(f"found {text!r}; expected a number such as {SHOWN}, or {ALL}", param=option)
    return int(text)


why_option = click.option(
    "--why",
    "reasons",
    metavar=f"N|{ALL}",
    callback=_count,
    show_default=str(SHOWN),
    help="Reasons to print, those that cost most first; JSON has them all.",
)


def why_lines(sentences: Sequence[str], shown: int | None) -> list[str]:
    """The first sentences as lines, and how many are left.

    Example:
        >>> why_lines(["a is slower", "b is slower"], 1)
        ['why: a is slower', 'more: 1 reason, with --why all']
    """
    lines = [f"why: {sentence}" for sentence in sentences[:shown]]
    left = len(sentences) - len(lines)
    return [*lines, f"more: {left} reason{'s' * (left > 1)}, with --why all"] if left else lines
