"""Networks by name or file.

A file of ``workloads/zoo`` registers its networks by exporting ``NETWORKS``; nothing else needs to change.
Where torchvision or timm call a network otherwise, ``ALIASES`` of the file says which it is; capitals and
the marks between the parts of a name do not count anyway.
A name that ends in ``.toml`` is a description of one's own (`workloads.importers.toml_network`), one that
ends in ``.json``, or a folder, the ``config.json`` of a Hugging Face model
(`workloads.importers.huggingface`), one that ends in ``.onnx`` or ``.pt2`` a graph
(`workloads.importers.onnx_graph`, `workloads.importers.torch_export`).
"""

import inspect
import pkgutil
import re
from collections.abc import Callable
from functools import cache, lru_cache, wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import workloads.zoo
from workloads.convergence import Convergence
from workloads.errors import UnknownNameError, WorkloadError
from workloads.network import Network

LARGEST = 2**30
"""Of what may be asked for in place of a published length or size."""


def network_names() -> tuple[str, ...]:
    """Registered names, sorted."""
    return tuple(sorted(_builders()))


def registered_name(name: str) -> str:
    """The registered network that a name means; the name itself where it is none.

    Example:
        >>> registered_name("mobilenetv2_100"), registered_name("ViT-B/16"), registered_name("ResNet-50 v1.5")
        ('mobilenet-v2', 'vit-b16', 'resnet50-v1.5')
    """
    return _exact_name(name) or _spellings().get(_bare(name), name)


def _exact_name(name: str) -> str:
    """The network of a name or alias as it is written, underscores for hyphens; "" where there is none."""
    builders, aliases = _builders(), _aliases()
    spelled = (name, name.replace("_", "-"))
    return next((aliases.get(each, each) for each in spelled if each in builders or each in aliases), "")


def _bare(name: str) -> str:
    """Letters, digits and decimal points of a name."""
    return re.sub(r"(?<!\d)\.|\.(?!\d)|[^a-z0-9.]", "", name.lower())


@cache
def _spellings() -> dict[str, str]:
    """Networks by bare name, their own before what others call them (1_6gf is not 16gf)."""
    aliases = {_bare(alias): name for alias, name in _aliases().items()}
    return aliases | {_bare(name): name for name in _builders()}


def load_network(name_or_path: str, *, tokens: int | None = None, image_size: int | None = None) -> Network:
    """The network of this registered name or file; registered ones are built once.

    Args:
        name_or_path: registered name, what torchvision or timm call such a network, TOML file or Hugging Face
            ``config.json``.
        tokens: tokens of one sample instead of the published number.
        image_size: [pixels] height and width of one sample instead of the published ones.

    Raises:
        UnknownNameError: no such network; the message suggests the nearest.
        WorkloadError: the network cannot take the override, or its file cannot be read.
        NetworkError: a description breaks its rules; one line per fault.
    """
    overrides = _overrides(tokens=tokens, image_size=image_size)
    load = _loader(name_or_path)
    accepted = inspect.signature(load).parameters
    for option, value in overrides.items():
        if option not in accepted:
            raise WorkloadError(_refusal(name_or_path, option, value))
    return load(**overrides)


def _overrides(**values: int | None) -> dict[str, int]:
    given = {name: value for name, value in values.items() if value is not None}
    for name, value in given.items():
        if value < 1:
            raise WorkloadError(f"{_words(name)}: found {value}; expected at least 1")
        if value > LARGEST:
            raise WorkloadError(f"{_words(name)}: found {value:,}; expected at most {LARGEST:,}")
    return given


def _refusal(network: str, option: str, value: int) -> str:
    if option == "tokens":
        return f"{network}: sequence length {value}: its samples are images; expected none"
    return f"{network}: image size {value}: its size is fixed or its samples are no images; expected none"


def _words(option: str) -> str:
    return {"tokens": "sequence length", "image_size": "image size"}[option]


def _loader(name_or_path: str) -> Callable[..., Network]:
    if name_or_path.endswith(".toml"):
        from workloads.importers.toml_network import toml_loader  # noqa: PLC0415 (pydantic is slow to import)

        return toml_loader(name_or_path, load_network)
    if name_or_path.endswith(".json"):
        return _config_loader(name_or_path)
    if name_or_path.endswith(".onnx"):
        from workloads.importers.onnx_graph import load_onnx  # noqa: PLC0415 (an extra)

        return lambda *, image_size=None: load_onnx(name_or_path, image_size=image_size)
    if name_or_path.endswith(".pt2"):
        from workloads.importers.torch_export import load_torch_export  # noqa: PLC0415 (an extra)

        return lambda: load_torch_export(name_or_path)
    builders = _builders()
    if not _exact_name(name_or_path) and _is_folder(name_or_path):
        return _config_loader(name_or_path)
    name = registered_name(name_or_path)
    if name in builders:
        return builders[name]
    from workloads.importers.config_file import hub_refusal  # noqa: PLC0415 (likewise)

    refusal = hub_refusal(name_or_path)
    if refusal:
        raise WorkloadError(refusal)
    raise UnknownNameError("network", name_or_path, builders)


def _is_folder(name: str) -> bool:
    try:
        return bool(name) and Path(name).is_dir()
    except (OSError, ValueError):  # too long, or with a null byte
        return False


def _config_loader(path: str) -> Callable[..., Network]:
    from workloads.importers.huggingface import load_huggingface  # noqa: PLC0415 (likewise)

    def load(*, tokens: int | None = None) -> Network:
        return load_huggingface(path, tokens=tokens)

    return load


def load_convergence(name: str) -> Convergence | None:
    """What is measured of a network's convergence; None if nothing is."""
    found: Convergence | None = _convergence().get(registered_name(name))
    return found


@cache
def _convergence() -> dict[str, Any]:
    return _exported("CONVERGENCE")


@cache
def _builders() -> dict[str, Callable[..., Network]]:
    return {name: _remembered(builder) for name, builder in _exported("NETWORKS").items()}


def _remembered(builder: Callable[..., Network]) -> Callable[..., Network]:
    """One object for equal questions, because prices are remembered by the identity of networks."""

    @wraps(builder)
    def build(**overrides: int) -> Network:
        return _built(builder, **overrides)

    return build


@lru_cache(maxsize=512)  # all registered ones take 35 MB
def _built(builder: Callable[..., Network], **overrides: int) -> Network:
    return builder(**overrides)


@cache
def _aliases() -> dict[str, str]:
    return _exported("ALIASES")


def _exported(table: str) -> dict[str, Any]:
    """The tables of this name of all files of the zoo, joined."""
    joined: dict[str, Any] = {}
    for module in pkgutil.walk_packages(workloads.zoo.__path__, "workloads.zoo."):
        joined |= getattr(import_module(module.name), table, {})
    return joined
