"""`simdl models`: which networks are registered, or the totals and layers of one."""

from collections.abc import Iterator
from typing import Any

import click

from hardware.units import format_quantity
from planner.console.answers.model_table import describe_model, distinct_layers, registered_models
from planner.console.output import print_json, print_table
from planner.console.refusals import bad_input, reporting_errors
from workloads.dtypes import PRECISIONS, Precision, load_precision
from workloads.network import Network
from workloads.registry import load_network, registered_name


@click.command()
@click.argument("name", required=False)
@click.option(
    "--precision",
    show_default="fp32",
    help=f"Number format of the activations of NAME: {', '.join(PRECISIONS)}.",
)
@click.option("--seq-len", type=int, help="Tokens of one sample of NAME instead of the published number.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units: seconds, bytes, FLOP.")
@reporting_errors()
def models(name: str | None, precision: str | None, seq_len: int | None, *, as_json: bool) -> None:
    """List the registered networks, or show the totals and layers of NAME.

    NAME is a registered network, a file (TOML, ONNX, torch.export) or a Hugging Face config.json or its
    folder. Counts are per sample (one image or one sequence); a multiply-add is two flops.
    """
    chosen = load_precision(precision or "fp32")
    network = None if name is None else load_network(name, tokens=seq_len)
    if name is not None and network is not None:
        if registered_name(name) != name:
            click.echo(f"{name} is registered as {network.name}", err=True)
        _show(network, chosen, as_json=as_json)
        return
    for option, value, what in (
        ("--precision", precision, "activations it counts"),
        ("--seq-len", seq_len, "samples it sets"),
    ):
        if value is not None:
            raise bad_input(f"{option} {value}: found without NAME; expected a network whose {what}")
    _list(as_json=as_json)


def _list(*, as_json: bool) -> None:
    records = registered_models()
    if as_json:
        print_json({"models": records})
        return
    click.echo(
        f"simdl knows {len(records)} networks by name; `simdl models NAME` shows the layers of one, or of a "
        "file."
    )
    print_table(
        ("name", "sample", "parameters", "forward flops", "source"),
        [
            (
                record["name"],
                _sample(record["sample"], record["tokens"]),
                f"{record['parameters']:,}",
                format_quantity(record["forward_flops"], "flops"),
                record["source"],
            )
            for record in records
        ],
    )


def _show(network: Network, precision: Precision, *, as_json: bool) -> None:
    described = describe_model(network, precision)
    if as_json:
        print_json(described)
        return
    totals = (
        ("source", described["source"]),
        ("sample", _sample(described["sample"], described["tokens"])),
        ("parameters", f"{described['parameters']:,}"),
        *(
            (("active parameters", f"{described['active_parameters']:,} per token"),)
            if network.experts
            else ()
        ),
        *(
            (
                ("multiply-adds", f"{described['macs']:,}"),
                ("forward flops", f"{described['forward_flops']:,}"),
            )
            if not network.obstacle
            else ()
        ),
        *_stored(described, precision),
    )
    click.echo(_sentence(network, described["parameters"], described["forward_flops"]))
    print_table((network.name, ""), totals)
    click.echo()
    print_table(
        ("layer", "kind", "count", "parameters", "forward flops", f"activation bytes, {precision.name}"),
        [
            (layer["name"], layer["kind"], str(count), *(f"{layer[key]:,}" for key in _COUNTS))
            for layer, count in distinct_layers(network, precision)
        ],
    )
    for note in described["notes"]:
        click.echo(f"note: {note}")


def _sentence(network: Network, parameters: int, flops: int) -> str:
    """How large a network is, and what one sample costs where its work is known."""
    whole = f"{network.name} has {parameters:,} parameters"
    if network.obstacle:
        return f"{whole}; it is counted only, for the reason in the last note."
    return (
        f"{whole}; a forward pass of one "
        f"{_sample(network.sample, network.tokens)}{' tokens' * (network.sample == 'sequence')} takes "
        f"{format_quantity(float(flops), 'flops')}."
    )


def _stored(described: dict[str, Any], precision: Precision) -> Iterator[tuple[str, str]]:
    """What weights take in a file where that is not what their number says."""
    plain = described["parameters"] * precision.parameter
    if described["stored_bytes"] != plain:
        yield "stored bytes", f"{described['stored_bytes']:,.0f} of {plain:,} in {precision.name}"


_COUNTS = ("parameters", "forward_flops", "activation_bytes")


def _sample(kind: str, tokens: int) -> str:
    return f"{kind} of {tokens:,}" if kind == "sequence" else kind
