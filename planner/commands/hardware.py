"""`simdl hardware`: registered devices, links and node types; one of them number by number, with sources."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from hardware.citation import CitedNumber
from hardware.cluster import Level, NodeType
from hardware.device import Device
from hardware.errors import HardwareError, UnknownNameError
from hardware.host import Host
from hardware.link import Link
from hardware.machine_types import machine_names, machine_type
from hardware.profile_files import described
from hardware.profiles import (
    device_names,
    link_names,
    load_cluster,
    load_device,
    load_link,
    load_node,
    node_names,
)
from hardware.units import format_quantity
from planner.console.answers.network_text import drawing_lines, node_drawings
from planner.console.output import print_json, print_table
from planner.console.output_files import answer_options
from planner.console.refusals import reporting_errors
from planner.pages.page import report_path, write_page
from simdl.topology.patterns import Pattern

Profile = Device | Link | NodeType | Host


@click.command()
@click.argument("name", required=False)
@click.option(
    "--pattern",
    type=click.Choice([pattern.value for pattern in Pattern]),
    help="Draw the load of each link of a node type while all members send like this: ring (to the next), "
    "pairs (to every other), doubling, halving (at distance 1, 2, 4, ...) or server (to the first).",
)
@answer_options()
@reporting_errors()
def hardware(
    *, name: str | None, pattern: str | None, report_directory: Path | None, force: bool, as_json: bool
) -> None:
    """List devices, links and node types, or show every number of one with its source.

    Without NAME, what is registered; with NAME, each number of that device, link or node type, where it
    comes from, and for a node type (or a cluster file NAME.toml, such as the profile of a calibration) the
    same of its device and links. The network of a node type is drawn, as text and as a page.
    """
    loaded = None if pattern is None else Pattern(pattern)
    profiles = () if name is None else _profiles(name)
    node = next((each for _, each in profiles if isinstance(each, NodeType)), None)
    if node is None:
        _refuse_drawing(name, {"--pattern": loaded, "--report": report_directory})
    path = report_path(report_directory, f"hardware-{Path(name or '').stem}", force=force)
    if name is None:
        _print_list(as_json=as_json)
    else:
        _print_profiles(profiles, loaded, as_json=as_json)
    if path is not None and node is not None:
        _write_report(node, loaded, profiles, path)


def _refuse_drawing(name: str | None, options: Mapping[str, object]) -> None:
    """Refuse options that draw a network where there is none.

    Raises:
        HardwareError: such an option is given.
    """
    found = "no NAME" if name is None else f"{name}, which has no network"
    for option, given in options.items():
        if given is not None:
            raise HardwareError(f"{option}: found {found}; expected a node type")


def _write_report(
    node: NodeType, pattern: Pattern | None, profiles: tuple[tuple[str, Profile], ...], path: Path
) -> None:
    from planner.pages.sections.hardware import hardware_page  # noqa: PLC0415 - plotly only for a page

    write_page(hardware_page(node, pattern, _profiles_json(profiles)), path)


def _profiles(name: str) -> tuple[tuple[str, Profile], ...]:
    """The profile of a name, and for a node type or a cluster file those it is made of."""
    if name.endswith(".toml"):
        return _node_profiles(load_cluster(name).node)
    if name.lower() in device_names():
        return (("device", load_device(name)),)
    if name.lower() in link_names():
        return (("link", load_link(name)),)
    if name.lower() not in node_names() and machine_type(name) is None:
        known = (*device_names(), *link_names(), *node_names())
        about = {**described("devices"), **described("links"), **described("clusters")}
        raise UnknownNameError("device, link or node type", name, known, about, machine_names())
    return _node_profiles(load_node(name))


def _node_profiles(node: NodeType) -> tuple[tuple[str, Profile], ...]:
    links = {level.link.name: level.link for level in node.levels}
    return (("node", node), ("device", node.device), *(("link", link) for link in links.values()))


def _with_host(profiles: tuple[tuple[str, Profile], ...]) -> Iterator[tuple[str, Profile]]:
    """Profiles as they are printed: those of a node's host and its link behind those of the node."""
    yield from profiles
    names = {profile.name for _, profile in profiles}
    for _, profile in profiles:
        if isinstance(profile, NodeType) and profile.host is not None:
            yield "host", profile.host
            if profile.host.link.name not in names:
                yield "link", profile.host.link


def _profiles_json(profiles: tuple[tuple[str, Profile], ...]) -> dict[str, Any]:
    return {
        "headline": _sentence(tuple(_with_host(profiles))),
        "profiles": [_profile_json(kind, profile) for kind, profile in profiles],
    }


def _print_profiles(
    profiles: tuple[tuple[str, Profile], ...], pattern: Pattern | None, *, as_json: bool
) -> None:
    if as_json:
        print_json(_profiles_json(profiles))
        return
    profiles = tuple(_with_host(profiles))
    click.echo(_sentence(profiles))
    for kind, profile in profiles:
        title = f"{kind} {profile.name}: {profile.description or 'written out in the profile of the node'}"
        if isinstance(profile, Host):
            click.echo(_host_sentence(profile))
        if isinstance(profile, NodeType):
            header = ("level", "joins", "link", "ports", "topology", "one direction")
            print_table(header, _level_rows(profile), title=title)
            if profile.library:
                click.echo(f"collective library {profile.library}")
            click.echo()
            for drawing in node_drawings(profile):
                for line in drawing_lines(drawing, pattern):
                    click.echo(line)
                click.echo()
            title = "numbers"
        print_table(("number", "value", "kind", "source", "note"), map(_row, profile.numbers), title=title)
        click.echo()
    cited = [number.citation for _, profile in profiles for number in profile.numbers]
    sources = dict.fromkeys((c.location, c.read_on.isoformat(), c.title) for c in cited)
    print_table(("location", "read on", "source"), sources)


def _sentence(profiles: tuple[tuple[str, Profile], ...]) -> str:
    """What a profile is, and what its numbers rest on."""
    _, first = profiles[0]
    kinds = Counter(number.citation.kind for _, profile in profiles for number in profile.numbers)
    rest = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    what = first.description
    if isinstance(first, NodeType):
        what = f"{first.devices} x {first.device.name}"
    return f"{first.name}: {what.rstrip('.')}; numbers with their sources: {rest}."


def _host_sentence(host: Host) -> str:
    """What the host of a node is to its devices."""
    link, shared = host.link, host.devices_per_link
    joins = "a device" if shared == 1 else f"each {shared} devices"
    return (
        f"host of a node: {format_quantity(host.memory, 'bytes')} of memory at "
        f"{format_quantity(host.bandwidth, 'bandwidth')}, {link.name} of "
        f"{format_quantity(link.bandwidth, 'bandwidth')} each way to {joins}, optimizers at "
        f"{format_quantity(host.update_rate, 'bandwidth')}"
        + (f"; one host serves {host.devices} devices" if host.devices else "")
    )


def _level_rows(node: NodeType) -> Iterator[tuple[str, ...]]:
    """The interconnect, innermost level first, with the bandwidth of what each level joins."""
    member = "device"
    for level in node.levels:
        plural = "" if level.size == 1 else "s"
        joined = f"{level.size or 'all'} {member}{plural}"
        bandwidth = format_quantity(level.ports * level.link.bandwidth, "bandwidth")
        yield (
            level.name,
            joined,
            level.link.name,
            f"{level.ports:g} a {member}",
            level.topology,
            f"{bandwidth} a {member}",
        )
        member = level.name


def _row(number: CitedNumber) -> tuple[str, ...]:
    return (number.path, number.text, number.citation.kind, number.citation.title, number.note)


def _profile_json(kind: str, profile: Profile) -> dict[str, object]:
    described: dict[str, object] = {"kind": kind, "name": profile.name, "description": profile.description}
    if isinstance(profile, NodeType):
        described |= {
            "device": profile.device.name,
            "library": profile.library or None,
            "levels": [_level_json(level) for level in profile.levels],
            "host": None if profile.host is None else _host_json(profile.host),
        }
    return described | {"numbers": [_number_json(number) for number in profile.numbers]}


def _host_json(host: Host) -> dict[str, object]:
    """The host of a node: what the whole node has, and the numbers of its profile."""
    return {
        "name": host.name,
        "description": host.description,
        "memory": host.memory,
        "bandwidth": host.bandwidth,
        "update_rate": host.update_rate,
        "cores": host.cores,
        "storage": host.storage,
        "devices_per_link": host.devices_per_link,
        "devices": host.devices,
        "link": _profile_json("link", host.link),
        "numbers": [_number_json(number) for number in host.numbers],
    }


def _level_json(level: Level) -> dict[str, object]:
    return {
        "name": level.name,
        "link": level.link.name,
        "ports": level.ports,
        "size": level.size,
        "topology": level.topology,
    }


def _number_json(number: CitedNumber) -> dict[str, object]:
    citation = number.citation
    return {
        "path": number.path,
        "text": number.text,
        "value": number.value,
        "note": number.note,
        "source": {
            "kind": citation.kind,
            "title": citation.title,
            "location": citation.location,
            "read_on": citation.read_on.isoformat(),
        },
    }


def _print_list(*, as_json: bool) -> None:
    if as_json:
        names = {"devices": device_names(), "links": link_names(), "nodes": node_names()}
        print_json(names)
        return
    click.echo(
        f"simdl knows {len(device_names())} devices, {len(link_names())} links and {len(node_names())} node "
        "types; `simdl hardware NAME` shows every number of one with its source, NODE:COUNT is a cluster."
    )
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
