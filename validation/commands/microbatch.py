"""`simdl validate microbatch`: carry out micro-batches that were chosen from a measured table."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hardware.units import format_quantity
from planner.commands.microbatch import load_passes
from planner.console.options.option_values import option_quantity
from planner.console.output import print_json, print_table
from planner.console.output_files import check_new_file, force_option
from planner.console.refusals import bad_input, reporting_errors
from planner.errors import InfeasibleError
from planner.microbatch.configuration import Policy, micro_batch_sizes
from planner.microbatch.convolutions import ConvolutionPass
from planner.microbatch.plan import Mode
from simdl.errors import SimdlError
from simdl.kernels.convolution_table import ConvolutionRow, read_convolution_table, write_convolution_table
from validation.micro_batching.choices import Chosen, check_algorithms, choose, read_choices
from validation.micro_batching.measure import RunPass, measure_choices
from validation.micro_batching.report import HEADER, record, rows, total_of
from validation.micro_batching.runner import Runner
from validation.micro_batching.runners import load_runner
from validation.micro_batching.table import measure_rows
from validation.microbenchmarks.backend import OutOfMemoryError, UnsupportedCaseError
from validation.microbenchmarks.backends import BACKENDS, default_backend, resolve_device


@click.command()
@click.argument("model")
@click.option("--table", "table_path", help="CSV of measured times, as `simdl calibrate` writes it.")
@click.option(
    "--plan", "plan_path", type=click.Path(path_type=Path), help="Answer of `simdl microbatch --json`."
)
@click.option("--measure", is_flag=True, help="Measure the table here first, at the sizes of the policy.")
@click.option(
    "--write-table",
    "written_path",
    type=click.Path(path_type=Path),
    help="Write the measured table, with --measure.",
)
@click.option("--batch", type=click.IntRange(min=1), help="Samples per pass, with a table.")
@click.option("--workspace", help="Limit, such as 64MiB, with a table.")
@click.option(
    "--policy",
    type=click.Choice([policy.value for policy in Policy]),
    help="Sizes of micro-batches, with a table; power-of-two where it is not given.",
)
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    help="Who shares the limit, with a table: each pass (reuse, where it is not given) or all together.",
)
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    show_default="numpy on the processor, cupy on a GPU",
    help="Library that computes.",
)
@click.option("--device", default="cpu", show_default=True, help="auto, cpu or cuda:N.")
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units: seconds, bytes, FLOP.")
@reporting_errors()
def microbatch(  # noqa: PLR0917 - click passes one argument per option
    model: str,
    table_path: str | None,
    plan_path: Path | None,
    written_path: Path | None,
    batch: int | None,
    workspace: str | None,
    policy: str | None,
    mode: str | None,
    backend: str | None,
    device: str,
    *,
    measure: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Run micro-batches chosen for the convolutions of MODEL, next to the undivided passes.

    Every pass runs as chosen and undivided: results must agree within rounding, and measured times stand
    next to the predicted ones. Exits with 1 if results differ, or nothing fits into the workspace.
    """
    device = resolve_device(device)
    name = backend or default_backend(device)
    options = {"--batch": batch, "--workspace": workspace, "--policy": policy, "--mode": mode}
    _check_source(table_path, plan_path, {**options, "--write-table": written_path}, measure=measure)
    if force and written_path is None:
        raise bad_input("--force: found without --write-table; expected a table to replace")
    if written_path is not None:
        check_new_file(Path(written_path), force=force, what="table")
    limit = None if workspace is None else option_quantity("--workspace", workspace, "bytes", least=1)
    _, passes, _ = load_passes(model, batch or 1)
    runner = load_runner(name, device)
    sizes = Policy(policy or Policy.POWER_OF_TWO)
    try:
        if plan_path is not None:
            chosen = read_choices(plan_path, passes)
        else:
            assert limit is not None  # noqa: S101 - what _check_source sees to
            rows = _rows(runner, passes, micro_batch_sizes(sizes, batch or 1), table_path, written_path)
            chosen = choose(
                passes,
                rows,
                batch=batch or 1,
                workspace=limit,
                policy=sizes,
                mode=Mode(mode or Mode.REUSE),
            )
    except InfeasibleError as error:
        _print_infeasible(error, as_json=as_json)
        sys.exit(1)
    results = _measure(runner, chosen, name)
    question = {
        "model": model,
        "backend": name,
        "device": device,
        "table_device": chosen.device,
        "batch": chosen.batch,
        "workspace_limit": chosen.workspace,
        "left_out": chosen.left_out,
    }
    _print(question, results, as_json=as_json)
    if not all(found.equal for found in results):
        sys.exit(1)


def _check_source(table: str | None, plan: Path | None, options: dict[str, object], *, measure: bool) -> None:
    """One source of a choice, with what it needs and nothing else.

    Raises:
        BadInputError: an option is missing or has no meaning there.
    """
    if sum((table is not None, plan is not None, measure)) != 1:
        raise bad_input("--table, --plan, --measure: expected one of the three")
    given = {name for name, value in options.items() if value is not None}
    missing = {"--batch", "--workspace"} - given if plan is None else set()
    surplus = given if plan is not None else given & ({"--write-table"} if not measure else set())
    if missing:
        raise bad_input(f"{', '.join(sorted(missing))}: missing; expected with --table or --measure")
    if surplus:
        source = (
            "--table; expected with --measure"
            if plan is None
            else "--plan; expected with --table or --measure"
        )
        raise bad_input(f"{', '.join(sorted(surplus))}: found with {source}")


def _rows(
    runner: Runner,
    passes: Sequence[ConvolutionPass],
    sizes: Sequence[int],
    table: str | None,
    written: Path | None,
) -> Sequence[ConvolutionRow]:
    """Rows of a table, read or measured now."""
    if table is not None:
        return read_convolution_table(table)
    found = measure_rows(runner.backend, passes, sizes, lambda text: _progress(f"measuring {text}"))
    if written is not None:
        write_convolution_table(written, found)
    return found


def _measure(runner: Runner, chosen: Chosen, name: str) -> tuple[RunPass, ...]:
    check_algorithms(chosen, runner.algorithms, name)
    try:
        return measure_choices(
            runner, chosen.passes, chosen.choices, chosen.batch, lambda text: _progress(f"running {text}")
        )
    except (UnsupportedCaseError, OutOfMemoryError, MemoryError) as error:
        raise SimdlError(
            f"--backend {name}: {error or 'out of memory'}; expected a choice that runs here"
        ) from None


def _progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _print(question: dict[str, Any], results: tuple[RunPass, ...], *, as_json: bool) -> None:
    if as_json:
        print_json({**question, **record(results)})
        return
    total = total_of(results)
    unequal = sum(not found.equal for found in results)
    gained = "" if total.speedup is None else f", {total.speedup:.3g} times as fast as undivided"
    expected = (
        "" if total.predicted_speedup is None else f" where {total.predicted_speedup:.3g} was predicted"
    )
    results_told = "all results agree" if not unequal else f"{unequal} results differ"
    click.echo(
        f"The {len(results)} passes of {question['model']} take {format_quantity(total.time, 'time')} in "
        f"micro-batches{gained}{expected}; predicted were {format_quantity(total.predicted, 'time')} "
        f"({total.predicted / total.time - 1:+.1%}), and {results_told}."
    )
    title = "{model} with {backend} on {device}, batch {batch}, times of {table_device}".format(**question)
    print_table(HEADER, rows(results), title=title)
    for layer in question["left_out"]:
        click.echo(f"left out, not in the table: {layer}")


def _print_infeasible(error: InfeasibleError, *, as_json: bool) -> None:
    if as_json:
        print_json({"feasible": False, "reasons": [str(error)], "binding": error.binding})
    else:
        click.echo(str(error))
