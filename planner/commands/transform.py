"""`simdl transform`: a network made smaller or cheaper, as a file that every other command takes."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hardware.units import format_quantity
from planner.console.format import format_seconds
from planner.console.options.transform_options import asked_transforms, transform_options
from planner.console.output import print_json, print_table
from planner.console.output_files import check_new_file, force_option
from planner.console.refusals import reporting_errors
from planner.questions.transform_gain import Gain, transform_gain
from simdl.atomic_write import write_atomically
from simdl.errors import SimdlError
from workloads.dtypes import Precision, load_precision
from workloads.importers.toml_model import format_transformed
from workloads.network import Network
from workloads.operators import Pass
from workloads.registry import load_network
from workloads.storage import LayerStorage, network_storage, storage_bytes
from workloads.transforms.published import published_transforms
from workloads.transforms.registry import Transform, apply_transforms


@click.command()
@click.argument("model")
@transform_options
@click.option("--out", type=click.Path(path_type=Path), help="Write the network into this TOML file.")
@click.option(
    "--precision", default="fp32", show_default=True, help="Number format of weights that no option narrows."
)
@click.option(
    "--cluster",
    help="Also say what a forward pass of one sample takes on a device of this cluster, before and after.",
)
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units: seconds, bytes, FLOP.")
@reporting_errors()
def transform(
    *,
    model: str,
    published: str | None,
    out: Path | None,
    precision: str,
    cluster: str | None,
    force: bool,
    as_json: bool,
    **given: Sequence[str],
) -> None:
    """Transform MODEL: prune, share, quantize, factor, fuse; show what it stores and computes then.

    Options may be given several times; they apply in the order in which they are listed here. The file of
    --out is a model for every other command; `simdl simulate ... --mode inference` says what it gains on a
    device.
    """
    network, chosen = load_network(model), load_precision(precision)
    transforms = asked_transforms(given)
    if published is not None:
        transforms = (*published_transforms(published, network), *transforms)
    if not transforms:
        raise SimdlError("found no transform; expected at least one of the options, such as --prune 0.9")
    if out is not None:
        _check_out(out, force=force)
    changed = apply_transforms(network, transforms)
    gain = None if cluster is None else transform_gain(network, changed, cluster)
    if out is not None:
        name = f"{network.name}-{out.stem}"
        write_atomically(out, format_transformed(model, transforms, out, name=name), what="network")
    answer = _answer(network, changed, transforms, chosen)
    if as_json:
        gained = None if gain is None else _gain_json(gain)
        print_json({**answer, "device": gained, "out": None if out is None else str(out)})
        return
    _print(answer, changed, chosen)
    if gain is not None:
        _print_gain(gain)
    if out is not None:
        click.echo(f"written to {out}")


def _check_out(out: Path, *, force: bool) -> None:
    if out.suffix != ".toml":
        raise SimdlError(
            f"--out {out}: found {out.suffix or 'no ending'}; expected a file that ends in .toml"
        )
    check_new_file(out, force=force, what="network")


def _answer(
    network: Network, changed: Network, transforms: Sequence[Transform], precision: Precision
) -> dict[str, Any]:
    dense, stored = storage_bytes(network, precision), storage_bytes(changed, precision, coded=False)
    coded = storage_bytes(changed, precision)
    return {
        "name": changed.name,
        "precision": precision.name,
        "parameters": {"before": network.parameters, "after": changed.parameters},
        "storage": {
            "before": dense,
            "after": coded,
            "ratio": dense / coded,
            "uncoded": stored,
            "uncoded_ratio": dense / stored,
        },
        "forward_flops": {"before": network.flops(Pass.FORWARD), "after": changed.flops(Pass.FORWARD)},
        "transforms": len(transforms),
        "layers": [asdict(layer) for layer in network_storage(changed, precision)],
        "notes": list(changed.notes),
    }


def _gain_json(gain: Gain) -> dict[str, Any]:
    both = {"before": gain.before, "after": gain.after}
    return {
        "name": gain.device,
        "precision": gain.precision,
        "stack": gain.stack,
        "latency": {when: report.latency for when, report in both.items()},
        "energy_per_sample": {when: report.joules for when, report in both.items()},
        "peak_memory": {when: report.peak_memory for when, report in both.items()},
        "warnings": list(gain.after.warnings),
    }


def _print_gain(gain: Gain) -> None:
    pair = gain.before, gain.after
    rows = [
        ("latency", *(format_seconds(report.latency) for report in pair)),
        ("peak memory", *(format_quantity(report.peak_memory, "bytes") for report in pair)),
    ]
    if gain.before.joules is not None and gain.after.joules is not None:
        joules = gain.before.joules, gain.after.joules
        rows.append(("energy", *(format_quantity(each, "energy") for each in joules)))
    click.echo()
    title = f"one sample on {gain.device}, {gain.precision}, stack {gain.stack}"
    print_table(("", "before", "after"), rows, title=title)
    for sentence in gain.after.warnings:
        click.echo(f"warning: {sentence}")


def _print(answer: dict[str, Any], network: Network, precision: Precision) -> None:
    storage, flops, parameters = answer["storage"], answer["forward_flops"], answer["parameters"]
    rows = [
        ("parameters", f"{parameters['before']:,}", f"{parameters['after']:,}"),
        ("storage", format_quantity(storage["before"], "bytes"), format_quantity(storage["after"], "bytes")),
        ("storage, times smaller", "1", f"{storage['ratio']:.4g}"),
        ("forward flops", f"{flops['before']:,}", f"{flops['after']:,}"),
    ]
    if storage["uncoded"] != storage["after"]:
        without = (
            format_quantity(storage["uncoded"], "bytes"),
            f"{storage['uncoded_ratio']:.4g} times smaller",
        )
        rows.insert(3, ("storage without codes", *without))
    fewer = parameters["before"] / max(1, parameters["after"])
    less = flops["before"] / max(1, flops["after"])
    clauses = [f"{storage['ratio']:.4g} times smaller"]
    clauses += [f"has {fewer:.3g} times fewer parameters"] if fewer != 1 else []
    clauses += [f"takes {less:.3g} times less forward work"] if less != 1 else []
    click.echo(
        f"{network.name} stores its weights in {format_quantity(storage['after'], 'bytes')}, "
        f"{', '.join(clauses)}; what it does to accuracy is not predicted."
    )
    print_table((network.name, "before", "after"), rows)
    click.echo()
    print_table(
        (
            "layer",
            "kind",
            "count",
            "parameters",
            "kept",
            "bits",
            "index",
            f"{precision.name} bytes",
            "stored",
            "flops",
        ),
        [_row(layer) for layer in network_storage(network, precision) if layer.parameters],
    )
    for note in network.notes:
        click.echo(f"note: {note}")


def _row(layer: LayerStorage) -> tuple[object, ...]:
    return (
        layer.name,
        layer.kind,
        str(layer.count),
        f"{layer.parameters:,}",
        f"{1 - layer.sparsity:.4g}",
        str(layer.weight_bits),
        str(layer.index_bits),
        f"{layer.dense:,.0f}",
        f"{layer.coded:,.0f}",
        f"{layer.forward_flops:,}",
    )
