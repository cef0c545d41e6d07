"""`simdl pipeline`: cut a measured profile into stages, replicated where that pays."""

import click

from hardware.profiles import load_cluster
from planner.console.command_clock import seconds_waited, start_clock
from planner.console.format import format_seconds
from planner.console.options.question_options import CLUSTER
from planner.console.output import print_json, print_table
from planner.console.refusals import reporting_errors
from planner.profiles.profile_answer import load_named_profile, profile_plan_json, profile_plan_rows

HEADER = ("stage", "layers", "devices", "one minibatch", "per device")


@click.command()
@click.argument("profile")
@click.option("--cluster", required=True, help=CLUSTER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units: seconds, bytes, FLOP.")
@reporting_errors()
def pipeline(profile: str, cluster: str, *, as_json: bool) -> None:
    """Cut a measured PROFILE into pipeline stages, replicated where that pays.

    PROFILE is one that PipeDream published (alexnet, densenet121, gnmt, nasnetalarge, resnet18, resnet50,
    resnext101, vgg16), or FILE_nodes.csv:NAME in the columns of its profiler, with FILE_edges.csv beside it.
    The times are those of the profile; the cluster says how many devices there are and how fast they
    exchange.
    """
    start_clock(click.get_current_context())
    answer = profile_plan_json(load_named_profile(profile), load_cluster(cluster))
    if as_json:
        print_json({**answer, "wall_time": seconds_waited()})
        return
    click.echo(answer["headline"])
    title = f"{answer['model']} on {answer['cluster']}, measured profile"
    print_table(HEADER, profile_plan_rows(answer), title=title)
    step, plain = format_seconds(answer["step_time"]), format_seconds(answer["data_parallel"])
    click.echo(f"a minibatch every {step}; every {plain} with data parallelism")
