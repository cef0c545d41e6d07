"""What plans train within a horizon, failures included: JSON and a table under the plans."""

from dataclasses import asdict
from typing import Any

import click

from hardware.units import format_quantity
from planner.console.format import format_duration
from planner.console.output import print_table
from planner.questions.question import Question
from planner.search.horizon import outlook


def add_outlooks(data: dict[str, Any], question: Question, horizon: float) -> None:
    """Give every plan of an answer its outlook for so many seconds."""
    for plan in data["plans"]:
        found = outlook(question.workload, question.cluster, step_time=plan["step_time"], horizon=horizon)
        plan["horizon"] = {
            name: None if each == float("inf") else each for name, each in asdict(found).items()
        }


def print_outlooks(data: dict[str, Any], horizon: float) -> None:
    """The outlooks of an answer as a table."""
    first = data["plans"][0]["horizon"]
    rows = [
        (str(rank), f"{each['goodput']:.2%}", f"{each['steps']:,.0f}", f"{each['samples']:,.0f}")
        for rank, each in enumerate((plan["horizon"] for plan in data["plans"]), start=1)
    ]
    print_table(
        ("", "goodput", "steps", "samples"), rows, title=f"in {format_duration(horizon)}, failures included"
    )
    size, every = format_quantity(first["checkpoint_bytes"], "bytes"), format_duration(first["interval"])
    click.echo(
        f"assumed: a failure every {format_duration(first['mtbf'])}, a checkpoint of {size} every {every}; "
        "simdl goodput takes other numbers"
    )
