"""Networks from the `config.json` of a Hugging Face model.

Where no sequence length is asked for, a sample is as long as in pre-training (`Family.length`). The network
is named after its folder, or after the file if that is not called `config.json`. What the file says and the
network does not show is among the network's notes.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from workloads.errors import NetworkError, WorkloadError, near_names
from workloads.importers.config_file import ConfigFile, read_config, unread_keys
from workloads.importers.families import FAMILIES, Family
from workloads.importers.families.refused import REFUSED
from workloads.importers.json_file import shown
from workloads.importers.vision_tower import tower_parameters
from workloads.network import Network

EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
UNSAID = 2048
"""Tokens of a sample for counting where neither file nor question says any."""
IGNORED = {
    "quantization_config": "weights are taken in the precision of training, not as quantized for inference",
    "vision_config": "the vision tower is not planned",
    "audio_config": "the audio tower is not planned",
}


def load_huggingface(path: str | Path, *, tokens: int | None = None) -> Network:
    """The network that a `config.json` describes.

    Args:
        path: of the file or of its folder.
        tokens: sequence length of one sample; None for that of pre-training.

    Raises:
        WorkloadError: the file cannot be read, is not a JSON object or describes no family known here.
        NetworkError: keys are missing or wrong; one line per fault.
    """
    config = read_config(path)
    family, assumed = _parse_family(config)
    length = family.length if tokens is None else tokens
    if length is not None and length < 1:
        raise WorkloadError(f"{config.file}: sequence length: found {length}; expected at least 1")
    faults = family.faults(length or 1)
    if faults:
        raise NetworkError(f"{config.place}: {fault}" for fault in faults)
    source = f"Hugging Face config.json, model_type {config.model_type}"
    try:
        network = family.build(name=_name(config.file), source=source, tokens=length or UNSAID)
    except NetworkError as error:
        raise NetworkError(f"{config.place}: {fault}" for fault in error.faults) from None
    notes = (*network.notes, *_notes(config, family, network, assumed))
    if length is None:
        unsaid = f"{config.place}: no key gives a sequence length; expected one to be asked for (--seq-len)"
        return replace(network, notes=notes, obstacle=unsaid)
    return replace(network, notes=notes)


def _parse_family(config: ConfigFile) -> tuple[Family, tuple[str, ...]]:
    kind, fields = config.model_type, config.fields
    names = sorted(FAMILIES, key=str.lower)
    roots = dict.fromkeys(re.split(r"_|(?<=[a-z]{2})\d", name)[0] for name in names)
    known = f"{len(FAMILIES)} types of {', '.join(roots)} (docs/files.md)"
    if kind is None:
        raise WorkloadError(f"{config.place}: model_type: missing; expected one of {known}")
    if isinstance(kind, str) and kind in REFUSED:
        raise WorkloadError(
            f"{config.place}: model_type: found {kind}, which is known but not described here: "
            f"{REFUSED[kind]}; expected one of {known}"
        )
    if not isinstance(kind, str) or kind not in FAMILIES:
        near = near_names(kind, sorted(FAMILIES)) if isinstance(kind, str) else []
        hint = f"near in name: {', '.join(near)}; " if near else ""
        raise WorkloadError(f"{config.place}: model_type: found {shown(kind)}; {hint}expected one of {known}")
    read = FAMILIES[kind].keys()
    for key in EXPERTS:
        count = fields.get(key)
        if isinstance(count, int) and count > 1 and key not in read:
            raise WorkloadError(
                f"{config.place}: {key}: found {count}; expected none, because models of type {kind} have no "
                "experts"
            )
    try:
        return FAMILIES[kind].parse(fields, nested=bool(config.key))
    except ValidationError as error:
        raise NetworkError(_lines(config.place, error)) from None


def _lines(place: str, error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        yield f"{place}: {'.'.join(str(part) for part in fault['loc'])}: {_reason(fault)}"


def _reason(fault: ErrorDetails) -> str:
    if fault["type"] == "missing":
        return "missing; this family needs it"
    expected = fault["msg"].removeprefix("Input should be ")
    return f"found {shown(fault['input'])}; expected {expected}"


def _name(file: Path) -> str:
    return file.resolve().parent.name if file.name == "config.json" else file.stem


def _notes(config: ConfigFile, family: Family, network: Network, assumed: tuple[str, ...]) -> Iterator[str]:
    place = config.file
    if config.key:
        yield _part_note(config, network)
    if assumed:
        yield f"{place}: {', '.join(assumed)}: not given; the defaults of {config.model_type}"
    yield from (f"{place}: {sentence}" for sentence in family.ignored())
    for key, reason in IGNORED.items():
        if config.fields.get(key) or (config.whole.get(key) and key != "vision_config"):
            yield f"{place}: {key}: ignored; {reason}"
    if (place.parent / "adapter_config.json").is_file() and place.name == "config.json":
        yield f"{place.parent / 'adapter_config.json'}: ignored; all of the model is trained, not an adapter"
    unread = tuple(unread_keys(config.fields, family.keys() | IGNORED.keys()))
    if unread:
        more = f" and {len(unread) - 8} more" if len(unread) > 8 else ""
        yield f"{place}: {', '.join(unread[:8])}{more}: ignored; nothing here reads {_it(unread)}"


def _it(keys: tuple[str, ...]) -> str:
    return "it" if len(keys) == 1 else "them"


def _part_note(config: ConfigFile, network: Network) -> str:
    kind = config.whole.get("model_type")
    part = f"{config.file}: {config.key} of {kind} is taken, {network.parameters:,} parameters"
    vision: Mapping[str, Any] | None = config.whole.get("vision_config")
    if not isinstance(vision, dict):
        return f"{part}; the rest of the model is not planned"
    beside = tower_parameters(kind, vision, network.blocks[0].layers[-1].output_shape[-1])
    if beside is None:
        tower = shown(vision.get("model_type"))
        return f"{part}; its vision tower ({tower}) is neither counted nor planned"
    whole = network.parameters + beside
    return f"{part}; {whole:,} with its vision tower and projector, which are not planned"
