"""`simdl consistency`: training of many steps whose workers need not wait for each other."""

from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import click

from hardware.cluster import Cluster
from hardware.errors import HardwareError
from hardware.profiles import load_cluster
from hardware.units import format_quantity
from planner.console.answers.consistency_json import comparison_json
from planner.console.answers.headline import terms_of
from planner.console.format import format_duration, format_rate, format_seconds, format_strategy
from planner.console.options.question_options import question_options
from planner.console.options.strategy_options import chosen_strategy, given_flags, strategy_options
from planner.console.output import print_json, print_table
from planner.console.output_files import check_new, force_option, report_option
from planner.console.refusals import bad_input
from planner.pages.page import report_path, write_page
from planner.questions.question import (
    PER_DEVICE,
    Options,
    Question,
    default_global_batch,
    load_question,
)
from simdl.errors import SimdlError
from simdl.step.strategy import Strategy
from simdl.synchrony.chrome_trace import write_training_trace
from simdl.synchrony.registry import SCHEMES, find_scheme
from simdl.synchrony.scheme import Scheme
from simdl.synchrony.simulate import RECORDED, Comparison, compare_schemes
from simdl.synchrony.slowdown import KINDS, parse_slowdown
from simdl.synchrony.training import Setting
from workloads.errors import WorkloadError
from workloads.registry import load_network

SPARE = 0.05
OWN = ("spare", "servers", "bound", "period")
EXAMPLES = ", ".join(kind.example for kind in KINDS.values())


@click.command()
@question_options
@strategy_options
@click.option(
    "--scheme",
    "scheme_name",
    default="synchronous",
    show_default=True,
    help=f"Who waits for whom: {', '.join(SCHEMES)}.",
)
@click.option(
    "--workers",
    type=int,
    show_default="replicas that the cluster has room for",
    help="Replicas whose gradients make one step.",
)
@click.option("--servers", type=int, help="Parameter servers, beside the cluster.")
@click.option(
    "--spare",
    show_default="5%",
    help="Workers beyond --workers that nobody waits for, a count or a share (backup-workers).",
)
@click.option(
    "--bound",
    type=int,
    show_default="1",
    help="Steps by which the fastest may lead the slowest (stale-synchronous).",
)
@click.option(
    "--period",
    type=int,
    show_default="8",
    help="Steps of a worker between exchanges (local-sgd, elastic-averaging).",
)
@click.option(
    "--slowdown",
    "slowdown_texts",
    multiple=True,
    help=f"How much longer devices take, repeatable: {EXAMPLES}; with per=device or nodes=0-3.",
)
@click.option("--steps", type=int, default=100, show_default=True, help="Steps of each worker.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random draws.")
@click.option("--trace", type=click.Path(path_type=Path), help="Write what workers do to a Chrome trace.")
@report_option
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units: seconds, bytes, FLOP.")
def consistency(
    *,
    options: Options,
    strategy_file: str | None,
    scheme_name: str,
    workers: int | None,
    servers: int | None,
    spare: str | None,
    bound: int | None,
    period: int | None,
    slowdown_texts: tuple[str, ...],
    steps: int,
    seed: int,
    trace: Path | None,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
    **flags: Any,  # noqa: ANN401 - values of Strategy's fields
) -> None:
    """Simulate many steps of training MODEL in which replicas need not wait for each other.

    A scheme of consistency says who waits for whom; it is compared with synchronous steps under the same
    slow-downs. A worker is one replica of the strategy. Without slow-downs the synchronous step is that of
    simdl simulate with the same strategy.
    """
    try:
        page_path = report_path(report_directory, "consistency", force=force, beside=trace)
        if trace is not None:
            check_new(trace, force=force, what="trace")
        scheme = find_scheme(scheme_name)
        own = {"spare": spare, "servers": servers, "bound": bound, "period": period}
        _check_own(scheme, own)
        slowdowns = [parse_slowdown(text) for text in slowdown_texts]
        cluster = load_cluster(options.cluster)
        strategy = _strategy(
            strategy_file,
            flags,
            cluster,
            scheme=scheme,
            workers=workers,
            spare=spare,
            batch=_known_batch(options),
        )
        question = load_question(_with_batch(options, strategy))
        setting = Setting(
            workers=strategy.dp + (_spare(spare, strategy.dp) if "spare" in scheme.options else 0),
            needed=strategy.dp,
            steps=steps,
            servers=servers or 0,
            bound=(1 if bound is None else bound) if "bound" in scheme.options else 0,
            period=(8 if period is None else period) if "period" in scheme.options else 1,
            seed=seed,
        )
        found = compare_schemes(
            question.workload,
            question.cluster,
            strategy,
            stack=question.stack,
            scheme=scheme,
            setting=setting,
            slowdowns=slowdowns,
            recorded=RECORDED if trace is not None or page_path is not None else 0,
        )
        data = comparison_json(question, strategy, setting, slowdowns, found)
        if trace is not None:
            write_training_trace(found.outcome, trace)
        if page_path is not None:
            _write_report(data, found, page_path)
    except (HardwareError, WorkloadError, SimdlError) as error:
        raise bad_input(error) from None
    if as_json:
        print_json(data)
    else:
        _print(question, strategy, found, data)


def _check_own(scheme: Scheme, own: dict[str, Any]) -> None:
    """Refuse an option that the scheme would not read.

    Raises:
        SimdlError: there is one.
    """
    for name, value in own.items():
        if value is not None and name not in scheme.options:
            users = [each.name for each in SCHEMES.values() if name in each.options]
            raise SimdlError(
                f"--{name} {value}: scheme {scheme.name} does not use it; expected {' or '.join(users)}"
            )
    if scheme.servers and own["servers"] is None:
        raise SimdlError(f"--servers: missing; scheme {scheme.name} expects at least 1")


def _strategy(
    path: str | None,
    flags: dict[str, Any],
    cluster: Cluster,
    *,
    scheme: Scheme,
    workers: int | None,
    spare: str | None,
    batch: int | None,
) -> Strategy:
    """The strategy of one step over the needed workers.

    Without ``workers`` they are as many as the cluster has room for with their spare ones, and divide a batch
    that does not depend on them.
    """
    if workers is not None and workers < 1:
        raise SimdlError(f"--workers: found {workers}; expected at least 2")
    chosen = chosen_strategy(path, flags, cluster)
    devices = chosen.devices // chosen.dp
    if workers is None:
        if path is not None or "dp" in given_flags(flags):
            return chosen
        room = cluster.devices // devices
        workers = room
        if "spare" in scheme.options:
            share = chosen.micro_batch
            while workers > 1 and (
                workers + _spare(spare, workers) > room or (batch or 0) % (workers * share)
            ):
                workers -= 1
    elif "dp" in given_flags(flags) and chosen.dp != workers:
        raise SimdlError(f"--workers {workers} with --dp {chosen.dp}: expected one of them, or equal numbers")
    return replace(chosen, dp=workers)


def _spare(text: str | None, workers: int) -> int:
    """Spare workers from a count or a share such as ``5%``.

    Raises:
        SimdlError: neither.
    """
    if text is None:
        return ceil(SPARE * workers - 1e-9)
    number, percent = text.removesuffix("%"), text.endswith("%")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if percent and 0 <= value <= 100:
        return ceil(value / 100 * workers - 1e-9)
    if not percent and value >= 0 and value == int(value):
        return int(value)
    raise SimdlError(f"--spare: found {text!r}; expected a count such as 5 or a share of 0% to 100%")


def _known_batch(options: Options) -> int | None:
    """The global batch where it does not depend on the number of workers."""
    if options.global_batch is not None:
        return options.global_batch
    network = load_network(options.model, tokens=options.seq_len)
    if network.sample == "image":
        return None
    return default_global_batch(network, load_cluster(options.cluster))[0]


def _with_batch(options: Options, strategy: Strategy) -> Options:
    """The options with a global batch that the workers share where images are asked for without one."""
    if options.global_batch is not None:
        return options
    network = load_network(options.model, tokens=options.seq_len)
    if network.sample != "image":
        return options
    return replace(options, global_batch=PER_DEVICE["image"] * strategy.devices)


def _print(question: Question, strategy: Strategy, found: Comparison, data: dict[str, Any]) -> None:
    outcome = found.outcome
    unit = f"{question.workload.network.sample}s/s"
    stale = f"{outcome.staleness_mean:.4g} on average, {outcome.staleness_max:.4g} at most"
    stale += f" [{outcome.staleness_unit}]"
    rows = [
        ("strategy of a step", format_strategy(strategy)),
        ("workers", f"{outcome.workers}" + (f", {outcome.servers} servers" if outcome.servers else "")),
        ("step time", format_seconds(outcome.step_time)),
        (unit, format_rate(outcome.samples_per_s)),
        ("staleness", stale),
        (
            "waiting",
            f"{format_seconds(outcome.waiting)} a step, {outcome.waiting_share:z.1%} of a worker's time",
        ),
    ]
    if outcome.servers:
        rows.append(("server load", f"{outcome.server_load:z.1%} of the busiest"))
    if outcome.dropped:
        rows.append(("dropped gradients", f"{outcome.dropped:z.1%}"))
    if found.expected is not None:
        rows.append(("expected by order statistics", format_seconds(found.expected)))
    rows += [
        ("synchronous, undisturbed", format_seconds(found.ordinary)),
        ("synchronous, slowed alike", format_seconds(found.synchronous.step_time)),
        ("speed-up over it", f"{data['speedup']:.4g}"),
    ]
    if found.removed is not None and outcome is not found.synchronous:
        rows.append(("of the slow-downs' cost removed", f"{found.removed:z.1%}"))
    if (accuracy := data["time_to_accuracy"]) is not None:
        rows.append(("to the target", format_duration(accuracy["seconds"])))
        rows.append(("to the target, synchronous", format_duration(accuracy["synchronous_seconds"])))
    title = f"{question.options.model} on {question.cluster.name}, {outcome.scheme}, {outcome.steps:g} steps"
    click.echo(data["headline"])
    print_table(("", ""), rows, title=", ".join((title, *terms_of(question))))
    print_table(
        ("port or memory", "of them", "bytes a step", "load", "waiting"),
        [
            (
                link.name,
                str(link.count),
                format_quantity(link.bytes_per_step, "bytes"),
                "-" if link.load is None else f"{link.load:z.1%}",
                format_seconds(link.waiting),
            )
            for link in outcome.links
        ],
        title="what links carry",
    )
    lines = [f"assumed: {sentence}" for sentence in question.assumptions]
    if data["time_to_accuracy"] is not None:
        lines.append(f"measured: {data['time_to_accuracy']['measured']}")
        lines += [f"assumed: {sentence}" for sentence in data["time_to_accuracy"]["assumed"]]
    lines += [f"warning: {sentence}" for sentence in data["warnings"]]
    click.echo("\n".join(lines))


def _write_report(data: dict[str, Any], found: Comparison, path: Path) -> None:
    from planner.pages.sections.consistency import (  # noqa: PLC0415 - plotly, only where asked for
        consistency_page,
    )

    write_page(consistency_page(data, found), path)
