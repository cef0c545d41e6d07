"""Networks of one's own, described in TOML.

A transformer names its dimensions, the fields of `workloads.zoo.language.decoder.config.DecoderConfig`
(``name`` defaults to the file's, ``source`` to the file)::

    kind = "decoder"
    layers = 24
    hidden = 2048
    ...

An image network lists its layers. ``inputs`` names layers or ``"input"`` and defaults to the layer before;
the other keys are the options of the builder that ``type`` names (`workloads.importers.toml_layers`)::

    kind = "image"
    input = [3, 32, 32]         # channels, height, width

    [[layers]]
    name = "conv1"
    type = "convolution"
    out_channels = 16
    kernel = 3                  # or [height, width]
    padding = 1

    [[layers]]
    name = "sum"
    type = "addition"
    inputs = ["conv1", "conv0"]

A graph network (`workloads.importers.toml_graphs`) names the counts of its graph and a model, and ``kind =
"model"`` a network that is registered or stands in a file beside this one (`workloads.importers.toml_model`).
Any of them may list transforms (`workloads.transforms.registry`).

Layers may stand in any order but must not form a cycle, and all but one must be read by another. Every
fault is reported with the file and the key.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from readers.errors import InputError
from readers.toml import read_toml
from workloads.errors import NetworkError, WorkloadError
from workloads.importers.toml_graph import draft_layers
from workloads.importers.toml_graphs import build_toml_graph
from workloads.importers.toml_layers import parse_image, place
from workloads.importers.toml_model import model_loader, transforming
from workloads.layers.drafts.draft import build_image_network
from workloads.network import Network
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.stack import build_decoder

KINDS = ("decoder", "image", "graph", "model")


def toml_loader(path: str | Path, named: Callable[..., Network]) -> Callable[..., Network]:
    """A builder of the network in this file, with ``tokens`` or ``image_size`` as its kind of sample has.

    Args:
        path: of the file.
        named: loads the network of a registered name or file, for files that name one.

    Raises:
        WorkloadError: the file cannot be read, is not TOML or names no known kind.
    """
    file = Path(path)
    content = read_tables(file)
    entries = content.pop("transforms", None)
    load = _kind_loader(file, content, named)
    return load if entries is None else transforming(file, load, entries)


def _kind_loader(
    file: Path, content: dict[str, Any], named: Callable[..., Network]
) -> Callable[..., Network]:
    kind = content.pop("kind", None)
    if kind == "model":
        return model_loader(file, content, named)
    if kind == "decoder":
        return lambda *, tokens=None: _build_decoder(file, content, tokens)
    if kind == "image":
        return lambda *, image_size=None: _build_image(file, content, image_size)
    if kind == "graph":
        return lambda: build_toml_graph(file, content)
    found = "missing" if kind is None else f"found {kind!r}"
    raise WorkloadError(f"{file}: kind: {found}; expected one of {', '.join(KINDS)}")


def read_tables(file: Path) -> dict[str, Any]:
    """What a file holds.

    Raises:
        WorkloadError: it cannot be read or is not TOML.
    """
    try:
        return read_toml(file, "a TOML network")
    except InputError as error:
        raise WorkloadError(str(error)) from None


def _build_decoder(file: Path, content: Mapping[str, Any], tokens: int | None) -> Network:
    values = {"name": file.stem, "source": file.name, **content}
    if tokens is not None:
        values["tokens"] = tokens
    faults = list(_decoder_faults(values))
    if faults:
        raise NetworkError(f"{file}: {fault}" for fault in faults)
    try:
        return build_decoder(DecoderConfig(**values))
    except NetworkError as error:
        raise NetworkError(f"{file}: {fault}" for fault in error.faults) from None


def _decoder_faults(values: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the values of a decoder; lists and tables become what its fields hold."""
    known = {field.name: field for field in fields(DecoderConfig)}
    types = get_type_hints(DecoderConfig)
    for key in values.keys() - known.keys():
        yield f"{key}: unknown key; expected one of {', '.join(known)}"
    for name, field in known.items():
        if name not in values and field.default is MISSING:
            yield f"{name}: missing; a decoder needs it"
        elif name in values:
            try:
                text = json.dumps(values[name], default=str)
                values[name] = TypeAdapter(types[name]).validate_json(text, strict=True)
            except ValidationError as error:
                yield f"{name}: found {values[name]!r}; {error.errors()[0]['msg'].lower()}"


def _build_image(file: Path, content: Mapping[str, Any], image_size: int | None) -> Network:
    try:
        described = parse_image(content)
    except ValidationError as error:
        raise NetworkError(f"{file}: {place(fault)}" for fault in error.errors()) from None
    shape = described.input
    if image_size is not None:
        shape = (shape[0], image_size, image_size)
    try:
        blocks = draft_layers(shape, described.layers).blocks()
    except NetworkError as error:
        raise NetworkError(f"{file}: {fault}" for fault in error.faults) from None
    return build_image_network(described.name or file.stem, blocks, source=described.source or file.name)
