"""The profile of a measured machine: a cluster file whose numbers cite the file of measurements.

The device takes from a registered one what was not measured (its power, fractions of kernels without
terms); what was measured replaces it. A profile holds for the number of processes that measured at the same
time: each is a device of its own, with its share of cores and memory.
"""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hardware.cluster import Steadiness
from hardware.kernel_terms import KernelTerms, Tier
from validation.calibration.fit_gpu import GpuFit
from validation.calibration.fit_links import LinkFit
from validation.calibration.fit_software import SoftwareFit
from validation.calibration.gpu_profile import gpu_device_lines
from validation.microbenchmarks.backend import DeviceFacts
from validation.microbenchmarks.measurement import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Everything that a profile says.

    Attributes:
        setting, facts: where it was measured.
        terms: by key, of kernels.
        notes: by key, how well the terms fit, in a few words.
        peak: [FLOP/s] fastest product by dtype.
        bandwidth: [bytes/s] of the fastest copy larger than the cache.
        link: between processes; None where one measured alone.
        software: what the framework spends beside kernels.
        steadiness: of the machine meanwhile; None where nothing tells.
        gpu: fractions of a registered GPU that were fitted; None for processors.
        source: file of measurements.
        date: of the measurements.
    """

    setting: Setting
    facts: DeviceFacts
    terms: Mapping[str, KernelTerms]
    notes: Mapping[str, str]
    peak: Mapping[str, float]
    bandwidth: float
    link: LinkFit | None
    software: SoftwareFit = field(default_factory=SoftwareFit)
    steadiness: Steadiness | None = None
    gpu: GpuFit | None = None
    source: str
    date: dt.date


def format_profile(fitted: Fitted) -> str:
    """The text of the profile."""
    parts = (_head, _steadiness, _software, _device, _kernels, _levels)
    return "\n".join(line for part in parts for line in part(fitted)) + "\n"


def _head(fitted: Fitted) -> Iterator[str]:
    setting = fitted.setting
    versions = ", ".join(f"{name} {version}" for name, version in setting.software.items())
    yield f"description = {_text(f'{setting.device}, {setting.backend}, {_shares(setting)}')}"
    yield "\n[measured_on]"
    yield f"device = {_text(setting.device)}"
    yield f"driver = {_text(setting.driver)}"
    yield f"backend = {_text(setting.backend)}"
    yield f"software = {_text(versions)}"
    yield f"processes = {_text(str(setting.processes))}"
    yield f"threads = {_text(str(setting.threads))}"
    yield from _source(
        "measured", "fitted", "simdl calibrate: least squares on kernels, copies and collectives", fitted
    )
    yield from _source(
        "system", "measured", "simdl calibrate: as operating system and driver report it", fitted
    )
    yield from _source("assumed", "assumed", "Not measured by simdl calibrate", fitted)


def _source(key: str, kind: str, title: str, fitted: Fitted) -> Iterator[str]:
    yield f"\n[sources.{key}]"
    yield f"kind = {_text(kind)}"
    yield f"title = {_text(title)}"
    yield f"location = {_text(fitted.source)}"
    yield f"read_on = {fitted.date.isoformat()}"


def _steadiness(fitted: Fitted) -> Iterator[str]:
    if fitted.steadiness is None:
        return
    yield "\n[steadiness]"
    yield _number(
        "drift", round(fitted.steadiness.drift, 4), "measured", "log spread over windows of some seconds"
    )
    if fitted.steadiness.pace:
        yield _number(
            "pace", f"{fitted.steadiness.pace * 1e6:.4g} us", "measured", "of a probe beside kernels"
        )


def _software(fitted: Fitted) -> Iterator[str]:
    software = fitted.software
    if software.seconds:
        yield "\n[software]"
    for name, seconds in software.seconds.items():
        yield _number(name, f"{seconds * 1e6:.4g} us", "measured")
    for operation, found in software.collectives.items():
        yield f"\n[collectives.{operation}]"
        yield _number("latency", f"{found.latency * 1e6:.4g} us", "measured")
        yield _number("bandwidth", _rate(found.bandwidth, "B/s"), "measured")


def _shares(setting: Setting) -> str:
    processes = "1 process" if setting.processes == 1 else f"{setting.processes} processes"
    threads = "1 thread" if setting.threads == 1 else f"{setting.threads} threads"
    return f"{processes} of {threads}"


def _device(fitted: Fitted) -> Iterator[str]:
    facts, setting = fitted.facts, fitted.setting
    if fitted.gpu is not None:
        yield from gpu_device_lines(fitted.gpu, device_name(setting))
        return
    share = setting.processes
    yield "\n[device]"
    yield f"name = {_text(device_name(setting))}"
    yield f"description = {_text(f'{facts.name}, {setting.threads} of its threads')}"
    yield f"base = {_text(facts.registered or 'host-cpu')}"
    yield "\n[device.memory]"
    yield _number("capacity", f"{facts.memory / share / 2**30:.2f} GiB", "system")
    yield _number("bandwidth", _rate(fitted.bandwidth, "B/s"), "measured")
    yield "\n[device.compute]"
    yield _number("multiprocessors", setting.threads, "system")
    yield _number("cache", f"{facts.cache / 2**20:.2f} MiB", "system")
    if fitted.peak:
        vector = fitted.peak.get("fp32", max(fitted.peak.values()))
        yield _number("vector_flop_rate", _rate(vector, "FLOP/s"), "measured")
        yield "\n[device.peak_flop_rate]"
        for dtype, rate in fitted.peak.items():
            yield _number(dtype, _rate(rate, "FLOP/s"), "measured")


def device_name(setting: Setting) -> str:
    """Such as ``numpy-2x1``: backend, processes by threads."""
    return f"{setting.backend}-{setting.processes}x{setting.threads}"


def _kernels(fitted: Fitted) -> Iterator[str]:
    yield "\n[device.kernels]"
    yield 'source = "measured"'
    for key, terms in fitted.terms.items():
        yield f"\n# {fitted.notes.get(key, 'pooled over the kernels of this kind')}"
        yield f"[device.kernels.{_text(key)}]"
        yield f'latency = "{terms.latency * 1e6:.4g} us"'
        if terms.flop_rate < 1e30:
            yield f'flop_rate = "{_rate(terms.flop_rate, "FLOP/s")}"'
        if terms.lanes > 1:
            yield f"lanes = {terms.lanes}"
        if terms.padding < 1:
            yield f"padding = {terms.padding:g}"
        for operand, tiers in terms.traffic.items():
            yield f"traffic.{operand} = {{ {_tiers(tiers)} }}"


def _tiers(tiers: Sequence[Tier]) -> str:
    return ", ".join(f'"{tier.start / 1024:.0f} KiB" = "{_rate(tier.bandwidth, "B/s")}"' for tier in tiers)


def _levels(fitted: Fitted) -> Iterator[str]:
    yield "\n[[levels]]"
    yield 'name = "node"'
    yield 'topology = "switch"'
    yield _number("ports", 1, "system")
    yield _number("size", fitted.setting.processes, "system")
    if fitted.link is None:
        yield 'link = "shared-memory"'
    else:
        yield from _link(fitted.link)
    yield "\n[[levels]]"
    yield 'name = "network"'
    yield 'link = "ethernet-10g"'
    yield 'topology = "switch"'
    yield _number("ports", 1, "assumed", "no network between machines was measured")
    yield _number("size", 0, "assumed", "as many as there are")


def _link(link: LinkFit) -> Iterator[str]:
    yield "[levels.link]"
    yield 'name = "between-processes"'
    yield 'description = "Messages between processes of this machine"'
    yield _number("bandwidth", _rate(link.bandwidth, "B/s"), "measured", link.note)
    yield _number("latency", f"{link.latency * 1e6:.4g} us", "measured", link.note)
    yield _number("efficiency", 1.0, "measured", "the bandwidth is what messages achieve")
    yield _number("half_size", "0 B", "measured", "the latency stands for it")


def _number(name: str, value: str | float, source: str, note: str = "") -> str:
    text = _text(value) if isinstance(value, str) else str(value)
    said = f", note = {_text(note)}" if note else ""
    return f'{name} = {{ value = {text}, source = "{source}"{said} }}'


def _rate(value: float, unit: str) -> str:
    return f"{value / 1e9:.4g} G{unit}"


def _text(value: str) -> str:
    """A TOML basic string, which for printable text is a JSON string."""
    return json.dumps(value, ensure_ascii=False)


def fastest_rates(rows: Iterable[tuple[str, float, float]]) -> dict[str, float]:
    """[FLOP/s] by dtype of the fastest of (dtype, flops, seconds)."""
    best: dict[str, float] = {}
    for dtype, flops, seconds in rows:
        best[dtype] = max(best.get(dtype, 0.0), flops / seconds)
    return best
