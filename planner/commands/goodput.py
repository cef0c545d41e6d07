"""`simdl goodput`: what of a long training failures leave, and how often to write a checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import Any

import click

from hardware.errors import HardwareError
from hardware.units import format_quantity
from planner.console.answers.headline import devices_of, header, setting_json
from planner.console.format import (
    format_duration,
    format_rate,
    format_seconds,
    format_strategy,
    spell_strategy,
)
from planner.console.options.failure_options import failure_options
from planner.console.options.question_options import question_options
from planner.console.options.strategy_options import asked_strategy, open_strategy_options
from planner.console.output import print_json, print_table
from planner.console.output_files import force_option, report_option
from planner.console.refusals import bad_input
from planner.money.failures import positive_option, read_failures
from planner.pages.page import report_path, write_page
from planner.questions.question import Options, Question, load_question
from planner.questions.strategy_file import strategy_json
from simdl.errors import SimdlError
from simdl.reliability.checkpoint import checkpoint_bytes
from simdl.reliability.failures import (
    DEVICE_MTBF,
    NODE_MTBF,
    REPAIR,
    RESTART,
    STORAGE_PER_NODE,
    Failures,
)
from simdl.reliability.intervals import best_interval, daly_interval, expected_waste, young_interval
from simdl.reliability.simulate import Goodput, simulate_goodput, simulate_intervals
from simdl.step.simulate import simulate as simulate_step
from simdl.step.strategy import Strategy
from workloads.errors import WorkloadError

SHOWN = 15  # intervals of the curve
LOSSES = {
    "checkpoints": "spent on checkpoints",
    "lost": "work done anew after failures",
    "restarts": "spent on restarts",
    "waiting": "spent on waiting for nodes",
}
RATIO = 1.25  # between neighbours
SOURCE = "Dubey et al. 2024, arXiv:2407.21783, table 5"


@click.command()
@question_options
@open_strategy_options
@failure_options
@click.option("--spare-nodes", type=int, show_default="always enough", help="Nodes that stand by.")
@click.option("--repair", show_default=format_duration(REPAIR), help="Time until a failed node is back.")
@click.option(
    "--interval", show_default="the best", help="Time of training between checkpoints, such as 30min."
)
@click.option("--horizon", default="30d", show_default=True, help="How long the training may run.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random failures.")
@report_option
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units: seconds, bytes, FLOP.")
def goodput(
    *,
    options: Options,
    strategy_file: str | None,
    device_mtbf: str | None,
    node_mtbf: str | None,
    storage_bandwidth: str | None,
    restart: str | None,
    spare_nodes: int | None,
    repair: str | None,
    interval: str | None,
    horizon: str,
    seed: int,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
    **flags: Any,  # noqa: ANN401 - values of Strategy's fields
) -> None:
    """Say what failures and checkpoints leave of a long training of MODEL, and how often to write them.

    What no option says of the strategy is chosen as simdl simulate does. Simulates failures of devices and
    nodes with several intervals between checkpoints, beside Young's and Daly's.
    """
    try:
        page_path = report_path(report_directory, "goodput", force=force)
        asked = None if interval is None else positive_option("--interval", interval, "time")
        seconds = positive_option("--horizon", horizon, "time")
        question = load_question(options)
        choice = asked_strategy(strategy_file, flags, question, options)
        question, strategy = choice.question, choice.strategy
        report = simulate_step(question.workload, question.cluster, strategy, stack=question.stack).report
        said = {
            "device_mtbf": device_mtbf,
            "node_mtbf": node_mtbf,
            "storage_bandwidth": storage_bandwidth,
            "restart": restart,
            "repair": repair,
        }
        failures = read_failures(question.workload, question.cluster, said, spares=spare_nodes)
        data = goodput_json(
            failures,
            mtbf=failures.mtbf(question.cluster),
            step_time=report.step_time,
            asked=asked,
            horizon=seconds,
            seed=seed,
        )
        data = {
            "model": options.model,
            "cluster": question.cluster.name,
            "strategy": strategy_json(strategy),
            "step_time": report.step_time,
            "checkpoint_bytes": checkpoint_bytes(question.workload),
            **data,
            "assumptions": [*question.assumptions, *_assumptions({**said, "spares": spare_nodes})],
            "warnings": list(report.reasons),
        }
        data["samples"] = data["steps"] * question.workload.global_batch
        data |= {
            **setting_json(question),
            "headline": _sentence(question, strategy, data),
            "chosen": choice.chosen or None,
        }
        if page_path is not None:
            _write_report(data, page_path)
    except (HardwareError, WorkloadError, SimdlError) as error:
        raise bad_input(error) from None
    if as_json:
        print_json(data)
    else:
        _print(question, format_strategy(strategy), data)


def _sentence(question: Question, strategy: Strategy, data: Mapping[str, Any]) -> str:
    """What to run on how many devices, what failures leave of it, what it costs, and what most is lost to."""
    lost = {name: share for name, share in data["breakdown"].items() if name != "training"}
    most = max(lost, key=lost.__getitem__)
    horizon = data["horizon"]
    hours = format_rate(question.cluster.devices * horizon / 3600)
    every = data["mtbf"]
    fails = "nothing ever fails" if every is None else f"something fails every {format_duration(every)}"
    interval = data["interval"]
    write = "no checkpoint" if interval is None else f"a checkpoint every {format_duration(interval)}"
    return (
        f"Run {data['model']} on {devices_of(question)} with {spell_strategy(strategy)} and {write}: "
        f"{data['goodput']:.1%} of {format_duration(horizon)} ({hours} device-hours) is training, "
        f"{data['steps']:,.0f} steps of {format_seconds(data['step_time'])}; most of the rest is "
        f"{LOSSES[most]} ({lost[most]:.1%}), where {fails}."
    )


def _assumptions(changes: Mapping[str, object]) -> list[str]:
    """What nobody said, one sentence each."""
    said = {
        "device_mtbf": f"a device fails every {format_duration(DEVICE_MTBF)} ({SOURCE})",
        "node_mtbf": f"a node fails every {format_duration(NODE_MTBF)} beside its devices ({SOURCE})",
        "restart": f"a restart takes {format_duration(RESTART)} and the reading of a checkpoint",
        "spares": "a spare node is always at hand",
    }
    lines = [sentence for name, sentence in said.items() if changes[name] is None]
    if changes["storage_bandwidth"] is None:
        rate = format_quantity(STORAGE_PER_NODE, "bandwidth")
        lines.append(f"storage of {rate} a node (Dubey et al. 2024, arXiv:2407.21783, section 3.3.1)")
    if changes["spares"] is not None and changes["repair"] is None:
        lines.append(f"a failed node is back after {format_duration(REPAIR)}")
    return lines


def goodput_json(
    failures: Failures, *, mtbf: float, step_time: float, asked: float | None, horizon: float, seed: int
) -> dict[str, Any]:
    """Goodput by key, in base units.

    Args:
        failures: what the training meets.
        mtbf: [s] between failures of anything.
        step_time: [s].
        asked: [s] of training between checkpoints; the best simulated where None.
        horizon: [s].
        seed: of the failures.
    """
    if mtbf == inf:
        return _undisturbed(failures, step_time=step_time, asked=asked, horizon=horizon, seed=seed)
    curve = _curve(failures, mtbf=mtbf, seed=seed)
    best = max(curve, key=lambda each: each.goodput)
    chosen = best if asked is None else simulate_goodput(asked, failures, mtbf=mtbf, seed=seed)
    named = {
        "best": best.interval,
        "daly": daly_interval(failures.checkpoint, mtbf),
        "young": young_interval(failures.checkpoint, mtbf),
        "expected_best": best_interval(failures.checkpoint, mtbf),
    }
    return {
        **_common(failures, chosen, mtbf=mtbf, step_time=step_time, horizon=horizon, seed=seed),
        "intervals": {
            name: _at(each, failures, mtbf=mtbf, seed=seed) for name, each in named.items() if each > 0
        },
        "curve": [asdict(each) for each in curve],
    }


def _curve(failures: Failures, *, mtbf: float, seed: int) -> Sequence[Goodput]:
    """Intervals around the expected best; around a hundredth of the time between failures where it is 0."""
    middle = best_interval(failures.checkpoint, mtbf) or mtbf / 100
    grid = [middle * RATIO ** (number - SHOWN // 2) for number in range(SHOWN)]
    return simulate_intervals(grid, failures, mtbf=mtbf, seed=seed)


def _at(interval: float, failures: Failures, *, mtbf: float, seed: int) -> dict[str, float]:
    found = simulate_goodput(interval, failures, mtbf=mtbf, seed=seed)
    expected = expected_waste(interval, checkpoint=failures.checkpoint, mtbf=mtbf, restart=failures.restart)
    return {
        "interval": interval,
        "goodput": found.goodput,
        "waste": found.waste,
        "expected_waste": expected,
    }


def _common(
    failures: Failures, chosen: Goodput, *, mtbf: float | None, step_time: float, horizon: float, seed: int
) -> dict[str, Any]:
    known = {name: None if each == inf else each for name, each in asdict(failures).items()}
    steps = horizon * chosen.goodput / step_time
    return {
        "failures": known,
        "mtbf": mtbf,
        "seed": seed,
        "horizon": horizon,
        "interval": None if chosen.interval == inf else chosen.interval,
        "interval_steps": None if chosen.interval == inf else chosen.interval / step_time,
        "goodput": chosen.goodput,
        "waste": chosen.waste,
        "breakdown": {
            "training": chosen.goodput,
            "checkpoints": chosen.checkpoints,
            "lost": chosen.lost,
            "restarts": chosen.restarts,
            "waiting": chosen.waiting,
        },
        "expected_failures": 0.0 if mtbf is None else horizon / mtbf,
        "steps": steps,
    }


def _undisturbed(
    failures: Failures, *, step_time: float, asked: float | None, horizon: float, seed: int
) -> dict[str, Any]:
    """Nothing ever fails: no checkpoint is the best interval."""
    chosen = simulate_goodput(inf if asked is None else asked, failures, mtbf=inf, seed=seed)
    data = _common(failures, chosen, mtbf=None, step_time=step_time, horizon=horizon, seed=seed)
    return {**data, "intervals": {}, "curve": []}


def _print(question: Question, strategy: str, data: dict[str, Any]) -> None:
    found = data["breakdown"]
    steps = data["interval_steps"]
    interval = "never" if steps is None else f"{format_duration(data['interval'])} ({steps:,.0f} steps)"
    spares = data["failures"]["spares"]
    rows = [
        ("strategy", strategy),
        ("step time", format_seconds(data["step_time"])),
        ("between failures", "never" if data["mtbf"] is None else format_duration(data["mtbf"])),
        (
            "checkpoint",
            f"{format_quantity(data['checkpoint_bytes'], 'bytes')}, "
            + format_duration(data["failures"]["checkpoint"]),
        ),
        ("restart", format_duration(data["failures"]["restart"])),
        ("spare nodes", "always enough" if spares is None else str(spares)),
        ("checkpoint every", interval),
        ("goodput", f"{data['goodput']:.2%}"),
        *((f"  {name}", f"{share:.2%}") for name, share in found.items() if name != "training"),
        (f"steps in {format_duration(data['horizon'])}", f"{data['steps']:,.0f}"),
        ("failures in it", f"{data['expected_failures']:,.1f}"),
    ]
    click.echo(data["headline"])
    if data["chosen"]:
        click.echo(f"chosen: {data['chosen']}")
    print_table(("", ""), rows, title=header(question))
    if data["intervals"]:
        print_table(
            ("interval", "of training", "waste", "expected"),
            [
                (
                    name.replace("_", " "),
                    format_duration(each["interval"]),
                    f"{each['waste']:.2%}",
                    f"{each['expected_waste']:.2%}",
                )
                for name, each in data["intervals"].items()
            ],
            title="waste by interval, simulated and in closed form",
        )
    lines = [f"assumed: {sentence}" for sentence in data["assumptions"]]
    lines += [f"warning: {sentence}" for sentence in data["warnings"]]
    click.echo("\n".join(lines))


def _write_report(data: dict[str, Any], path: Path) -> None:
    from planner.pages.sections.goodput import goodput_page  # noqa: PLC0415 - plotly, only where asked for

    write_page(goodput_page(data), path)
