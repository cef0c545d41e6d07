"""`simdl hardware`: registered devices, links and node types; one of them number by number, with sources."""

import click

from hardware.citation import CitedNumber
from hardware.cluster import NodeType
from hardware.device import Device
from hardware.errors import HardwareError, UnknownNameError
from hardware.link import Link
from hardware.profiles import (
    device_names,
    link_names,
    load_device,
    load_link,
    load_node,
    node_names,
)
from hardware.units import format_quantity
from planner.console import bad_input, print_json, print_table

Profile = Device | Link | NodeType


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units.")
def hardware(*, name: str | None, as_json: bool) -> None:
    """Devices, links and nodes: every number with its source.

    Without NAME, what is registered; with NAME, each number of that device, link or node type, where it
    comes from, and for a node type the same of its device and links.
    """
    try:
        if name is None:
            _print_list(as_json=as_json)
        else:
            _print_profiles(_profiles(name), as_json=as_json)
    except HardwareError as error:
        raise bad_input(error) from None


def _profiles(name: str) -> tuple[tuple[str, Profile], ...]:
    """The profile of a name, and for a node type those it is made of."""
    if name in device_names():
        return (("device", load_device(name)),)
    if name in link_names():
        return (("link", load_link(name)),)
    if name not in node_names():
        known = (*device_names(), *link_names(), *node_names())
        raise UnknownNameError("device, link or node type", name, known)
    node = load_node(name)
    links = {level.link.name: level.link for level in node.levels}
    return (("node", node), ("device", node.device), *(("link", link) for link in links.values()))


def _print_profiles(profiles: tuple[tuple[str, Profile], ...], *, as_json: bool) -> None:
    if as_json:
        print_json({"profiles": [_profile_json(kind, profile) for kind, profile in profiles]})
        return
    for index, (kind, profile) in enumerate(profiles):
        if index:
            click.echo()
        title = f"{kind} {profile.name}: {profile.description}"
        rows = [_row(number) for number in profile.numbers]
        print_table(("number", "value", "kind", "source", "note"), rows, title=title)


def _row(number: CitedNumber) -> tuple[str, ...]:
    citation = number.citation
    return (number.path, number.text, citation.kind, f"{citation.title} <{citation.location}>", number.note)


def _profile_json(kind: str, profile: Profile) -> dict[str, object]:
    return {
        "kind": kind,
        "name": profile.name,
        "description": profile.description,
        "numbers": [
            {
                "path": number.path,
                "text": number.text,
                "value": number.value,
                "note": number.note,
                "source": {
                    "kind": number.citation.kind,
                    "title": number.citation.title,
                    "location": number.citation.location,
                    "read_on": number.citation.read_on.isoformat(),
                },
            }
            for number in profile.numbers
        ],
    }


def _print_list(*, as_json: bool) -> None:
    if as_json:
        names = {"devices": device_names(), "links": link_names(), "nodes": node_names()}
        print_json(names)
        return
    print_table(
        ("device", "memory", "bandwidth", "16-bit peak", "description"), map(_device_row, device_names())
    )
    click.echo()
    print_table(("link", "bandwidth", "latency", "description"), map(_link_row, link_names()))
    click.echo()
    print_table(("node type", "devices", "device", "links", "description"), map(_node_row, node_names()))


def _device_row(name: str) -> tuple[str, ...]:
    device = load_device(name)
    peaks = device.peak_flop_rate
    peak = peaks.get("bf16", peaks.get("fp16", 0.0))
    return (
        name,
        format_quantity(device.memory_capacity, "bytes"),
        format_quantity(device.memory_bandwidth, "bandwidth"),
        format_quantity(peak, "flop_rate") if peak else "-",
        device.description,
    )


def _link_row(name: str) -> tuple[str, ...]:
    link = load_link(name)
    bandwidth = format_quantity(link.bandwidth, "bandwidth")
    return (name, bandwidth, format_quantity(link.latency, "time"), link.description)


def _node_row(name: str) -> tuple[str, ...]:
    node = load_node(name)
    links = " + ".join(f"{level.ports:g} x {level.link.name}" for level in node.levels)
    return (name, str(node.devices), node.device.name, links, node.description)
