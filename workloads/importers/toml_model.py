"""TOML files that take another network and transform it, and such files written.

::

    kind = "model"
    name = "alexnet-small"      # [default: the file's name]
    model = "alexnet"           # a registered name, or a file as seen from this one's folder

    [[transforms]]              # of any kind of file: applied to its network one after another
    type = "prune"
    layers = ["fc6", "fc7"]
    sparsity = 0.91
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from readers.errors import InputError
from readers.whole import read_text
from workloads.errors import NetworkError, WorkloadError
from workloads.network import Network
from workloads.transforms.registry import Transform, apply_transforms, parse_transforms, transform_entry

_READING: ContextVar[tuple[Path, ...]] = ContextVar("reading", default=())
KEYS = ("name", "model")
FILES = (".toml", ".json", ".onnx", ".pt2")


def model_loader(
    file: Path, content: Mapping[str, Any], named: Callable[..., Network]
) -> Callable[..., Network]:
    """A builder of the network that a file of kind ``model`` names.

    Args:
        file: that names it.
        content: of the file.
        named: loads the network of a registered name or file.

    Raises:
        NetworkError: the file has other keys, or no text where one belongs.
    """
    faults = list(_faults(content))
    if faults:
        raise NetworkError(f"{file}: {fault}" for fault in faults)

    def load(*, tokens: int | None = None, image_size: int | None = None) -> Network:
        try:
            with _open_once(file):
                network = named(_beside(file, content["model"]), tokens=tokens, image_size=image_size)
        except WorkloadError as error:
            raise NetworkError(f"{file}: {fault}" for fault in str(error).splitlines()) from None
        return replace(network, name=content.get("name", file.stem))

    return load


@contextmanager
def _open_once(file: Path) -> Iterator[None]:
    """Refuse a file that is being read already: it names itself, through others perhaps.

    Raises:
        NetworkError: it is.
    """
    place = file.resolve()
    reading = _READING.get()
    if place in reading:
        names = " -> ".join(each.name for each in (*reading, place))
        raise NetworkError(
            [f"{file}: model: {names} is a circle; expected a file that names another network"]
        )
    token = _READING.set((*reading, place))
    try:
        yield
    finally:
        _READING.reset(token)


def _beside(file: Path, model: str) -> str:
    """A file is named as seen from the folder of the file that names it."""
    return str(file.parent / model) if model.endswith(FILES) or "/" in model else model


def _faults(content: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(set(content) - set(KEYS)):
        yield f"{key}: unknown key; expected one of {', '.join((*KEYS, 'transforms'))}"
    for key in KEYS:
        if key == "model" and key not in content:
            yield "model: missing; expected a registered network or a file"
        elif key in content and (not isinstance(content[key], str) or not content[key]):
            yield f"{key}: found {content[key]!r}; expected a text"


def transforming(file: Path, load: Callable[..., Network], entries: object) -> Callable[..., Network]:
    """A builder of the network that transforms make of another builder's.

    Raises:
        NetworkError: the list of transforms has faults.
    """
    try:
        transforms = parse_transforms(entries)
    except NetworkError as error:
        raise NetworkError(f"{file}: {fault}" for fault in error.faults) from None

    @wraps(load)
    def build(**overrides: Any) -> Network:  # noqa: ANN401 - what the builder takes
        network = load(**overrides)
        try:
            return apply_transforms(network, transforms)
        except NetworkError as error:
            raise NetworkError(f"{file}: {fault}" for fault in error.faults) from None

    return build


def format_transformed(model: str, transforms: Sequence[Transform], out: Path, *, name: str) -> str:
    """The text of a file whose network is a model after some transforms.

    A TOML file is copied and its list of transforms goes on; any other model is named.

    Args:
        model: registered name or file.
        transforms: applied to it, in order.
        out: where the text will be written; files are named as seen from its folder.
        name: of the new network.

    Raises:
        WorkloadError: the model's file cannot be read.
    """
    tables = "".join(_table(transform_entry(transform)) for transform in transforms)
    if not model.endswith(".toml"):
        return f'kind = "model"\nname = {_text(name)}\nmodel = {_text(_seen_from(out, model))}\n{tables}'
    text = _source(Path(model)).rstrip("\n") + "\n"
    return _moved(text, Path(model), out) + tables


def _source(file: Path) -> str:
    try:
        return read_text(file, "a TOML network")
    except InputError as error:
        raise WorkloadError(str(error)) from None


def _moved(text: str, file: Path, out: Path) -> str:
    """The text with the file that it names seen from another folder."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("["):
            break
        key, found, value = line.partition("=")
        if found and key.strip() == "model" and value.strip().startswith('"'):
            model = json.loads(value.partition("#")[0].strip())
            lines[number] = f"model = {_text(_seen_from(out, _beside(file, model)))}"
    return "\n".join(lines)


def _seen_from(out: Path, model: str) -> str:
    is_file = model.endswith(FILES) or "/" in model or Path(model).is_dir()
    return os.path.relpath(model, out.parent) if is_file else model


def _table(entry: Mapping[str, Any]) -> str:
    lines = [f"{key} = {_text(value)}" for key, value in entry.items()]
    return "\n[[transforms]]\n" + "\n".join(lines) + "\n"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
