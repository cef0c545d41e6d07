"""Networks from the `config.json` of a Hugging Face model.

Where no sequence length is asked for, a sample is as long as in pre-training:
`original_max_position_embeddings` of the rotary scaling if the file has it (8,192 in Llama 3.1), otherwise
the family's maximum. The network is named after its folder, or after the file if that is not called
`config.json`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from workloads.errors import NetworkError, WorkloadError
from workloads.importers.families import FAMILIES, Family
from workloads.network import Network
from workloads.zoo.decoder import build_decoder

EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")


def load_huggingface(path: str | Path, *, tokens: int | None = None) -> Network:
    """The dense decoder that a `config.json` describes.

    Args:
        path: of the file.
        tokens: sequence length of one sample; None for that of pre-training.

    Raises:
        WorkloadError: the file cannot be read, is not a JSON object or describes no dense decoder known here.
        NetworkError: keys are missing or wrong; one line per fault.
    """
    file = Path(path)
    fields = _load_object(file)
    family = _parse_family(file, fields)
    length = family.length if tokens is None else tokens
    if length is None:
        raise WorkloadError(
            f"{file}: no key gives a sequence length; expected one to be asked for (--seq-len)"
        )
    if length < 1:
        raise WorkloadError(f"{file}: sequence length: found {length}; expected at least 1")
    faults = family.faults(length)
    if faults:
        raise NetworkError(f"{file}: {fault}" for fault in faults)
    source = f"Hugging Face config.json, model_type {fields['model_type']}"
    try:
        return build_decoder(family.decoder(name=_name(file), source=source, tokens=length))
    except NetworkError as error:
        raise NetworkError(f"{file}: {fault}" for fault in error.faults) from None


def _load_object(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or error
        raise WorkloadError(f"{file}: cannot be read ({reason}); expected a config.json") from None
    except ValueError as error:
        raise WorkloadError(f"{file}: not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise WorkloadError(f"{file}: found a JSON {type(content).__name__}; expected an object of keys")
    return content


def _parse_family(file: Path, fields: Mapping[str, Any]) -> Family:
    kind = fields.get("model_type")
    known = ", ".join(sorted(FAMILIES))
    if kind is None:
        raise WorkloadError(f"{file}: model_type: missing; expected one of {known}")
    for key in EXPERTS:
        count = fields.get(key)
        if isinstance(count, int) and count > 1:
            raise WorkloadError(
                f"{file}: {key}: found {count}; expected a dense decoder (experts are not modelled)"
            )
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise WorkloadError(f"{file}: model_type: found {kind!r}; expected a dense decoder, one of {known}")
    try:
        return FAMILIES[kind].model_validate(fields)
    except ValidationError as error:
        raise NetworkError(_lines(file, error)) from None


def _lines(file: Path, error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        yield f"{file}: {'.'.join(str(part) for part in fault['loc'])}: {_reason(fault)}"


def _reason(fault: ErrorDetails) -> str:
    if fault["type"] == "missing":
        return "missing; this family needs it"
    expected = fault["msg"].removeprefix("Input should be ")
    return f"found {fault['input']!r}; expected {expected}"


def _name(file: Path) -> str:
    return file.resolve().parent.name if file.name == "config.json" else file.stem
