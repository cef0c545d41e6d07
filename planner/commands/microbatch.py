"""`simdl microbatch`: micro-batches and algorithms of every convolution within a workspace limit."""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hardware.device import Device
from hardware.errors import HardwareError
from hardware.profiles import device_names, load_cluster, load_device, load_node, node_names
from hardware.units import format_quantity
from planner.console.options.option_values import option_quantity
from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options, check_new_file
from planner.console.refusals import bad_input, reporting_errors
from planner.errors import InfeasibleError
from planner.microbatch.configuration import Configuration, Policy, check_work, micro_batch_sizes
from planner.microbatch.convolutions import (
    ConvolutionPass,
    nameless,
    network_convolutions,
    read_layer_list,
)
from planner.microbatch.costs import Allowed, modelled_rows, price_passes
from planner.microbatch.joint_plan import JointProblem, plan_jointly
from planner.microbatch.plan import Choice, MicrobatchPlan, Mode, plan_micro_batches
from planner.microbatch.streams import Concurrency
from planner.pages.page import report_path, write_page
from simdl.kernels.convolution_table import read_convolution_table, write_convolution_table
from simdl.kernels.costs.matmul import uses_matrix_units
from simdl.kernels.cudnn import LAYOUTS, find_algorithm, is_deterministic
from workloads.dtypes import load_precision
from workloads.network import Network
from workloads.operators import Pass
from workloads.profiles import MU_CUDNN_LAYERS
from workloads.registry import load_network

OWN_LISTS = "mu-cudnn:"
"""Before the name of a layer list that is shipped."""
AS_PRICED, CHOOSE = "as-priced", "choose"
"""Layouts that are none: whatever kernels read, and the best of all."""
HEADER = ("layer", "pass", "micro-batches", "time", "undivided", "workspace", "priced by")


@click.command()
@click.argument("model")
@click.option(
    "--device",
    "device_name",
    required=True,
    help="Registered (see `simdl hardware`), such as v100-sxm2-16gb, or a calibrated profile, FILE.toml.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    show_default="a layer list's own",
    help="Samples per pass; required where MODEL is a network.",
)
@click.option(
    "--workspace",
    default="64MiB",
    show_default=True,
    help="Scratch memory that a convolution may use, such as 64MiB.",
)
@click.option(
    "--policy",
    type=click.Choice([policy.value for policy in Policy]),
    default=Policy.POWER_OF_TWO.value,
    show_default=True,
    help="Sizes that micro-batches may have.",
)
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.REUSE.value,
    show_default=True,
    help="reuse: passes use the workspace one after another, and each may fill it; division: each pass has a "
    "part of its own.",
)
@click.option(
    "--layout",
    type=click.Choice([AS_PRICED, *LAYOUTS, CHOOSE]),
    default=AS_PRICED,
    show_default=True,
    help="Order of the tensors' axes: kernels as priced, whatever they read; one order everywhere; or chosen "
    "layer by layer, with conversions between.",
)
@click.option(
    "--concurrent",
    type=click.Choice([each.value for each in Concurrency]),
    default=Concurrency.NONE.value,
    show_default=True,
    help="What runs on streams of its own, whose workspaces together stay within the limit.",
)
@click.option("--table", "table_path", help="CSV of measured times that replace the model.")
@click.option(
    "--write-table",
    "written_path",
    type=click.Path(path_type=Path),
    help="Write what the model prices as such a CSV.",
)
@click.option(
    "--precision",
    default="fp32",
    show_default=True,
    help="Number format; only fp32 has a choice of algorithms on most devices.",
)
@click.option(
    "--deterministic",
    is_flag=True,
    help="Only algorithms that give the same bits in every run (cuDNN's atomic sums are left out).",
)
@answer_options()
@reporting_errors()
def microbatch(  # noqa: PLR0917 - click passes one argument per option
    model: str,
    device_name: str,
    batch: int | None,
    workspace: str,
    policy: str,
    mode: str,
    layout: str,
    concurrent: str,
    table_path: str | None,
    written_path: Path | None,
    precision: str,
    *,
    deterministic: bool,
    report_directory: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Choose micro-batches and algorithms for every convolution of MODEL within a workspace limit.

    MODEL is what `simdl plan` takes, or a layer list: one of mu-cuDNN's benchmarks, such as mu-cudnn:alexnet,
    or a CSV with their columns, as FILE.csv or FILE.csv:LIST. Exits with 1, and the limit that binds, if
    nothing fits.
    """
    page_path = report_path(report_directory, "microbatch", force=force, beside=written_path)
    if written_path is not None:
        check_new_file(written_path, force=force, what="table")
    limit = option_quantity("--workspace", workspace, "bytes", least=1)
    network, passes, batch = load_passes(model, batch)
    if Concurrency(concurrent) is not Concurrency.NONE and Mode(mode) is Mode.DIVISION:
        raise bad_input(
            "--concurrent: found with --mode division, where each pass has its own part; expected reuse"
        )
    if layout != AS_PRICED and table_path:
        raise bad_input(
            "--layout: found with --table, which does not say what its times read; expected as-priced"
        )
    device = _load_device(device_name)
    rows = read_convolution_table(table_path) if table_path else ()
    sizes = micro_batch_sizes(Policy(policy), batch)
    formats = load_precision(precision)
    if written_path is not None:
        modelled = (row for part in passes for row in modelled_rows(part, sizes, device, formats))
        write_convolution_table(written_path, modelled)
    wanted = {AS_PRICED: ("",), CHOOSE: LAYOUTS}.get(layout, (layout,))
    if Policy(policy) is Policy.ANY and not rows:
        beside = Concurrency(concurrent) is not Concurrency.NONE
        unlike = len(set(map(nameless, passes)))
        divided = Mode(mode) is Mode.DIVISION
        check_work(batch, passes=unlike, layouts=len(wanted), divided=divided, concurrent=beside)
    priced = {
        name: price_passes(
            passes, sizes, device, formats, rows, allowed=Allowed(deterministic=deterministic, layout=name)
        )
        for name in wanted
    }
    question = {
        "model": model,
        "device": device.name,
        "batch": batch,
        "precision": precision,
        "policy": policy,
        "mode": mode,
        "workspace_limit": limit,
        "deterministic": deterministic,
        "layout": layout,
        "concurrent": concurrent,
    }
    try:
        if wanted == ("",) and concurrent == Concurrency.NONE:
            result = plan_micro_batches(priced[""], batch=batch, workspace=limit, mode=Mode(mode))
        else:
            problem = JointProblem(
                passes=passes,
                priced=priced,
                network=network,
                device=device,
                element_size=formats.activation,
                batch=batch,
                workspace=limit,
                mode=Mode(mode),
                concurrency=Concurrency(concurrent),
            )
            result = plan_jointly(problem)
    except InfeasibleError as error:
        _print_infeasible(question, error, as_json=as_json)
        sys.exit(1)
    data = {**question, **_record(result, matrix=uses_matrix_units(device, formats.matmul))}
    data["headline"] = _sentence(data, result)
    if page_path is not None:
        _write_report(result, data, page_path)
    if as_json:
        print_json(data)
    else:
        click.echo(data["headline"])
        _print_result(question, result)


def _sentence(data: Mapping[str, Any], result: MicrobatchPlan) -> str:
    """What to run on what, how long it takes and against what, in how much memory, and how sure that is."""
    choices = result.choices
    divided = sum(len(choice.configuration.micro_batches) > 1 for choice in choices) or "none"
    undivided = result.undivided_time
    if undivided is None:
        against = "where the undivided batch does not fit"
    elif undivided <= result.time:
        against = "as fast as undivided"
    else:
        against = f"{undivided / result.time:.3g} times as fast as undivided"
    measured = sum(choice.measured for choice in choices)
    source = f"{measured} of them measured" if measured else "priced by the model"
    proved = "proved the fastest" if result.optimal else f"within {result.gap:.2g} of the fastest"
    return (
        f"Run the {len(choices)} convolution passes of {data['model']} on one {data['device']} with a batch "
        f"of {data['batch']} in {data['precision']}, {divided} of them in micro-batches: they take "
        f"{format_quantity(result.time, 'time')}, {against}, with "
        f"{format_quantity(result.workspace, 'bytes')} of workspace where "
        f"{format_quantity(data['workspace_limit'], 'bytes')} are allowed; the choice is {proved}, its times "
        f"{source}."
    )


def _write_report(result: MicrobatchPlan, data: dict[str, Any], path: Path) -> None:
    from planner.pages.sections.micro_batches import (  # noqa: PLC0415 - plotly, only where it is asked for
        micro_batch_page,
    )

    rows = [_row(choice) for choice in result.choices]
    write_page(micro_batch_page(result, HEADER, rows, data), path)


def _load_device(name: str) -> Device:
    """A registered device, or that of a profile.

    Raises:
        HardwareError: none of the two; a node type is told to be one.
    """
    if name in node_names() and name not in device_names():
        raise HardwareError(
            f"--device {name}: a node type; expected a device such as {load_node(name).device.name}"
        )
    return load_cluster(name).device if name.endswith(".toml") else load_device(name)


def load_passes(model: str, batch: int | None) -> tuple[Network | None, tuple[ConvolutionPass, ...], int]:
    """A network (None for a list), its convolution passes, and the batch: the list's own if none is given.

    Raises:
        BadInputError: no batch is given and the model has none.
    """
    if model.startswith(OWN_LISTS):
        model = f"{MU_CUDNN_LAYERS}:{model.removeprefix(OWN_LISTS)}"
    network = None
    path, _, name = model.rpartition(":") if ".csv:" in model else (model, "", "")
    if path.endswith(".csv"):
        listed = read_layer_list(path, name)
        passes, batch = listed.convolutions, batch or listed.batch
    else:
        network = load_network(model)
        passes = network_convolutions(network)
    if batch is None:
        raise bad_input("--batch: missing; expected the samples of a batch")
    return network, passes, batch


def _record(result: MicrobatchPlan, *, matrix: bool) -> dict[str, Any]:
    return {
        "time": result.time,
        "undivided_time": result.undivided_time,
        "speedup": None if result.undivided_time is None else result.undivided_time / result.time,
        "workspace": result.workspace,
        "conversions": result.conversions,
        "status": "optimal" if result.optimal else "feasible",
        "bound": result.bound,
        "gap": result.gap,
        "priced": result.priced,
        "considered": result.considered,
        "solve_time": result.solve_time,
        "feasible": True,
        "reasons": [],
        "algorithms": [_algorithm_record(*used, matrix=matrix) for used in _used(result)],
        "layers": [_choice_record(choice) for choice in result.choices],
    }


def _used(result: MicrobatchPlan) -> list[tuple[Pass, str]]:
    """Passes with the algorithms that they run, each once."""
    return sorted(
        {
            (choice.which, part.algorithm)
            for choice in result.choices
            for part in choice.configuration.micro_batches
        }
    )


def _algorithm_record(which: Pass, name: str, *, matrix: bool) -> dict[str, Any]:
    """What is known of an algorithm; cuDNN's number and the rest are None for other libraries' kernels."""
    known = find_algorithm(which, name)
    return {
        "pass": which,
        "name": name,
        "cudnn": None if known is None else known.number,
        "deterministic": is_deterministic(which, name),
        "tensor_cores": None if known is None else known.tensor_cores and matrix,
        "workspace": None if known is None else known.workspace_known,
    }


def _choice_record(choice: Choice) -> dict[str, Any]:
    return {
        "layer": choice.layer,
        "pass": choice.which,
        "micro_batches": choice.configuration.micro_batches,
        "time": choice.configuration.time,
        "workspace": choice.configuration.workspace,
        "undivided": choice.undivided,
        "measured": choice.measured,
        "layout": choice.layout or None,
    }


def _print_result(question: Mapping[str, Any], result: MicrobatchPlan) -> None:
    title = "{model} on {device}, batch {batch}, {precision}, {policy} micro-batches, {mode}".format(
        **question
    )
    print_table(HEADER, [_row(choice) for choice in result.choices], title=title)
    limit = format_quantity(question["workspace_limit"], "bytes")
    undivided = result.undivided_time
    against = (
        "undivided does not fit"
        if undivided is None
        else f"{format_quantity(undivided, 'time')} undivided: {undivided / result.time:.3f} times as fast"
    )
    click.echo(f"time: {format_quantity(result.time, 'time')} against {against}")
    click.echo(f"workspace: {format_quantity(result.workspace, 'bytes')} of {limit}")
    layouts = Counter({choice.layer: choice.layout for choice in result.choices if choice.layout}.values())
    if layouts:
        told = ", ".join(f"{count} layers in {name}" for name, count in layouts.items())
        click.echo(f"layouts: {told}; conversions {format_quantity(result.conversions, 'time')}")
    status = "optimal" if result.optimal else "feasible"
    click.echo(
        f"solver: {status}, bound {format_quantity(result.bound, 'time')}, gap {result.gap:.2g}, "
        f"{result.considered:,} of {result.priced:,} choices after dominated ones were removed "
        f"({result.solve_time:.2f} s)"
    )


def _row(choice: Choice) -> tuple[str, ...]:
    return (
        choice.layer,
        choice.which.value,
        format_micro_batches(choice.configuration),
        format_quantity(choice.configuration.time, "time"),
        "-" if choice.undivided is None else format_quantity(choice.undivided.time, "time"),
        format_quantity(choice.configuration.workspace, "bytes"),
        "table" if choice.measured else "model",
    )


def format_micro_batches(configuration: Configuration) -> str:
    """Such as ``3 x 64 winograd + 32 fft``, equal ones together, largest first."""
    counts = Counter((part.size, part.algorithm) for part in configuration.micro_batches)
    return " + ".join(
        f"{count} x {size} {algorithm}" if count > 1 else f"{size} {algorithm}"
        for (size, algorithm), count in counts.items()
    )


def _print_infeasible(question: Mapping[str, Any], error: InfeasibleError, *, as_json: bool) -> None:
    if as_json:
        print_json({**question, "feasible": False, "reasons": [str(error)], "binding": error.binding})
    else:
        click.echo(str(error))
