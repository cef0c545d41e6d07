"""Input pipelines from their text form: ``NAME[:COUNT][,key=value ...]``.

``pytorch-workers:8`` is PyTorch's DataLoader with eight workers a device, ``dali:4`` DALI with four threads;
keys are ``storage`` (what a node reads at, or ``memory``), ``dataset``, ``cores`` (of a node) and ``rate``
(samples/s of one worker or thread, in place of the loader's own numbers).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, isfinite

from hardware.cluster import Cluster
from hardware.device import Device
from hardware.errors import UnitError
from hardware.units import format_quantity, parse_quantity
from simdl.errors import SimdlError
from simdl.inputs.loaders import Loaders, loaders
from simdl.reliability.failures import STORAGE_PER_NODE
from workloads.datasets import Dataset, epoch_samples, load_dataset
from workloads.input_pipeline import InputPipeline, InputStage
from workloads.network import Network
from workloads.operators import Pass

WORKERS, DALI = "pytorch-workers", "dali"
LOADERS = (WORKERS, DALI)
KEYS = ("storage", "dataset", "cores", "rate")
FORM = re.compile(r"(?P<name>[a-z-]+)(?::(?P<count>[0-9]{1,6}))?")
EXPECTED = f"expected {WORKERS}:N or {DALI}:N, and {', '.join(f'{key}=...' for key in KEYS)} after commas"
MOST = 100_000  # workers of a device, samples/s of a worker
USUAL = {"image": "imagenet", "sequence": "gpt3"}
"""Data set by what a sample is, where none is named."""
ENGINES = ("a100", "a800", "h100", "h200", "h800", "h20", "b200", "b300", "gb200", "gb300")
"""Devices with a JPEG engine, by the start of their names."""
NVIDIA = ("kepler", "maxwell", "pascal", "volta", "turing", "ampere", "ada", "hopper", "blackwell")
"""Generations of devices that DALI runs on."""
PIXEL = 4  # [bytes] of a channel as a DataLoader's tensor has it (FP32)
TOKEN = 8  # [bytes] of a token as a DataLoader's tensor has it (INT64)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A text form, read."""

    text: str
    name: str
    count: int | None
    values: Mapping[str, str]


def parse_inputs(text: str, network: Network, cluster: Cluster) -> InputPipeline:
    """The input pipeline that a text says, for a network on a cluster.

    Raises:
        SimdlError: the text says none, or the cluster or the device cannot have it.
        UnknownNameError, WorkloadError: the data set is not known, or not one of the network's.
    """
    asked = _read(text)
    if cluster.more:
        raise SimdlError(f"--input-pipeline {text}: found {cluster.name}; expected nodes of one type")
    if network.sample not in USUAL:
        raise SimdlError(
            f"--input-pipeline {text}: found {network.sample}s; expected a network of images or sequences"
        )
    dataset = load_dataset(asked.values.get("dataset", USUAL[network.sample]))
    nbytes = dataset.nbytes / epoch_samples(dataset, network)
    notes = [f"data set {dataset.name}"] if "dataset" not in asked.values else []
    stages = (
        *_reading(asked, dataset, nbytes, cluster, notes),
        *_preparing(asked, dataset, nbytes, network, cluster, notes),
        *_copying(asked, network, cluster, nbytes, notes),
    )
    return InputPipeline(name=text, stages=stages, notes=tuple(notes))


def _read(text: str) -> _Asked:
    head, *rest = text.split(",")
    found = FORM.fullmatch(head)
    if found is None or found["name"] not in LOADERS:
        raise SimdlError(f"--input-pipeline: found {text!r}; {EXPECTED}")
    values: dict[str, str] = {}
    for part in rest:
        key, equals, value = part.partition("=")
        if not equals or not value or key not in KEYS or key in values:
            raise SimdlError(f"--input-pipeline: found {part!r} in {text!r}; {EXPECTED}")
        values[key] = value
    count = None if found["count"] is None else int(found["count"])
    if count is not None and not 1 <= count <= MOST:
        raise SimdlError(f"--input-pipeline: found {count} in {text!r}; expected 1 to {MOST:,}")
    return _Asked(text=text, name=found["name"], count=count, values=values)


def _number(asked: _Asked, key: str, *, most: float) -> float | None:
    """The number of a key; None where it is not given."""
    if key not in asked.values:
        return None
    try:
        value = float(asked.values[key])
    except ValueError:
        value = 0.0
    if not (isfinite(value) and 0 < value <= most):
        raise SimdlError(
            f"--input-pipeline: found {key}={asked.values[key]}; expected a number above 0, at most {most:g}"
        )
    return value


def _reading(
    asked: _Asked, dataset: Dataset, nbytes: float, cluster: Cluster, notes: list[str]
) -> Iterator[InputStage]:
    """The stage of storage, unless the host's memory holds the data set."""
    rate = _storage(asked, dataset, cluster, notes)
    if rate < inf:
        told = format_quantity(rate, "bandwidth")
        yield InputStage(
            name="read", seconds=nbytes / rate, servers=1.0, scope="node", what=f"storage of {told} a node"
        )


def _storage(asked: _Asked, dataset: Dataset, cluster: Cluster, notes: list[str]) -> float:
    """[bytes/s] that a node reads at; infinite where the data set stays in its memory."""
    text, host = asked.values.get("storage"), cluster.node.host
    if text == "memory":
        return inf
    if text is not None:
        try:
            rate = parse_quantity(text, "bandwidth")
        except UnitError as error:
            raise SimdlError(f"--input-pipeline: storage: {error}, or 'memory'") from None
        if not rate > 0:
            raise SimdlError(f"--input-pipeline: found storage={text}; expected above 0")
        return rate
    if host is not None and host.storage:
        return host.storage
    memory = loaders().memory if host is None else host.memory
    if dataset.nbytes <= memory / 2:
        held = format_quantity(memory, "bytes")
        notes.append(
            f"{dataset.name} stays in the memory of every host after the first epoch (half of {held})"
        )
        return inf
    notes.append(
        f"storage of {format_quantity(STORAGE_PER_NODE, 'bandwidth')} a node (Dubey et al. 2024, "
        "arXiv:2407.21783, section 3.3.1)"
    )
    return STORAGE_PER_NODE


def _preparing(  # noqa: PLR0917 - what a sample needs on its way
    asked: _Asked, dataset: Dataset, nbytes: float, network: Network, cluster: Cluster, notes: list[str]
) -> Iterator[InputStage]:
    """The stages of decoding and augmentation."""
    known, device = loaders(), cluster.device
    if asked.name == DALI and device.generation not in NVIDIA:
        raise SimdlError(
            f"--input-pipeline {asked.text}: found device {device.name}; expected one of NVIDIA, or {WORKERS}"
        )
    default = known.workers if asked.name == WORKERS else known.threads
    count = asked.count or default
    if asked.count is None:
        notes.append(f"{default} {'workers' if asked.name == WORKERS else 'threads'} a device")
    servers = _servers(count, asked, cluster, notes)
    rate = _number(asked, "rate", most=MOST)
    who = f"{servers:g} {'workers' if asked.name == WORKERS else 'threads'} a node"
    if rate is not None:
        yield InputStage(name="decode", seconds=1 / rate, servers=servers, scope="node", what=who)
        return
    if dataset.encoding == "token":
        return
    share = nbytes / known.image if dataset.encoding == "jpeg" else 0.0
    if asked.name == WORKERS:
        yield from _worker_stages(known, share, network, servers, who)
    else:
        yield from _dali_stages(known, share, network, device, servers)
    notes.append("seconds of an image are those of other hosts (simdl/inputs/loaders.toml)")


def _servers(count: int, asked: _Asked, cluster: Cluster, notes: list[str]) -> float:
    """Workers of a node that have a core."""
    host = cluster.node.host
    cores = _number(asked, "cores", most=MOST) or float(host.cores if host is not None else 0)
    wanted = float(count * cluster.node.devices)
    if not cores:
        notes.append(f"a core of the host for each of the {wanted:g} workers of a node")
        return wanted
    return min(wanted, cores)


def _worker_stages(
    known: Loaders, share: float, network: Network, servers: float, who: str
) -> Iterator[InputStage]:
    """One worker decodes and augments in turn, so the stages share the workers by their seconds."""
    pixels = _elements(network) / (3 * 224 * 224)
    decode, augment = known.worker_decode * share, known.worker_augment * pixels
    for name, seconds in (("decode", decode), ("augment", augment)):
        if seconds:
            part = servers * seconds / (decode + augment)
            yield InputStage(name=name, seconds=seconds, servers=part, scope="node", what=who)


def _dali_stages(
    known: Loaders, share: float, network: Network, device: Device, servers: float
) -> Iterator[InputStage]:
    engine = device.name.startswith(ENGINES)
    kernels = 1 - known.engine_share if engine else 1.0
    host = known.dali_host * share * kernels
    decode = (known.dali_engine if engine else known.dali_device) * share
    if share:
        yield InputStage(
            name="parse",
            seconds=host,
            servers=servers,
            scope="node",
            what=f"{servers:g} threads a node",
        )
        yield InputStage(
            name="decode",
            seconds=decode,
            servers=1.0,
            scope="device",
            footprint=known.footprint * kernels,
            what="JPEG engine and kernels" if engine else "kernels of the device",
        )
    moved = 3 * _elements(network) * PIXEL
    rate = device.memory_bandwidth * device.memory.fraction
    yield InputStage(
        name="augment",
        seconds=moved / rate,
        servers=1.0,
        scope="device",
        footprint=known.footprint,
        what="kernels of the device",
    )


def _elements(network: Network) -> int:
    """Elements of one sample as the first operator reads it."""
    return network.blocks[0].layers[0].operators(Pass.FORWARD)[0].reads


def _copying(
    asked: _Asked, network: Network, cluster: Cluster, nbytes: float, notes: list[str]
) -> Iterator[InputStage]:
    """The stage of copies from the host to the devices: tensors, or with DALI what is encoded."""
    host = cluster.node.host
    if host is None:
        notes.append(f"copies to the device take no time (nothing is known of the host of {cluster.name})")
        return
    link, sharing = host.link, host.devices_per_link
    tensor = TOKEN * network.tokens if network.sample == "sequence" else PIXEL * _elements(network)
    moved = nbytes if asked.name == DALI and network.sample == "image" else tensor
    yield InputStage(
        name="copy",
        seconds=moved / (link.bandwidth * link.efficiency),
        servers=1.0 / sharing,
        scope="device",
        what=f"{link.name}, one for {'each device' if sharing == 1 else f'{sharing} devices'}",
    )
