"""Options of criteria: horizon, prices, failures, deadline, objective and size; gathered into one value."""

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any

import click

from planner.console.options.failure_options import FAILURES, failure_options
from planner.money.criteria import OBJECTIVES, TIME, CriteriaAsked
from workloads.datasets import DATASETS

OPTIONS = (
    click.option(
        "--objective",
        type=click.Choice(OBJECTIVES),
        default=TIME,
        show_default=True,
        help="What plans are ranked by; regret: what a plan is expected to cost over the one that turns out "
        "fastest. cost, energy and tokens-per-dollar also choose the number of nodes, "
        "time-to-accuracy the global batch.",
    ),
    click.option(
        "--horizon",
        help="How long the training is: tokens such as 300B, epochs such as 90ep, samples or steps, whose "
        "time is then said; or a time such as 30d, which says what is trained in it, failures included.",
    ),
    click.option("--epochs", type=float, help="The horizon as epochs of --dataset."),
    click.option("--dataset", help=f"Data set of the epochs: {', '.join(DATASETS)}."),
    click.option("--price", help="USD per device-hour, or a TOML file of prices (docs/money.md)."),
    click.option(
        "--max-devices", type=click.IntRange(min=1), help="Use so many devices of a cluster at most."
    ),
    click.option(
        "--deadline", help="Find the smallest cluster that trains the horizon in this, such as 21d."
    ),
    click.option("--smallest", is_flag=True, help="Find the smallest cluster that holds the model."),
    click.option("--pareto", is_flag=True, help="Compare numbers of nodes: time, devices and cost."),
)
FIELDS = tuple(each.name for each in fields(CriteriaAsked) if each.name != "failures")


def money_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options; the command gets them as one ``asked``."""

    @wraps(command)
    def gathered(**values: Any) -> None:  # noqa: ANN401 - whatever the command's options are
        failures = {name: text for name in FAILURES if (text := values.pop(name)) is not None}
        asked = CriteriaAsked(**{name: values.pop(name) for name in FIELDS}, failures=failures)
        command(asked=asked, **values)

    result = failure_options(gathered)
    for option in reversed(OPTIONS):
        result = option(result)
    return result
