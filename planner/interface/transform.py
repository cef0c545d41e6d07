"""`simdl transform` as a call: from a network to one that is smaller or cheaper."""

from collections.abc import Mapping, Sequence
from typing import Any

from planner.interface.arguments import FilePath, QuestionError, one_family, refuse, text
from planner.interface.loading import load_network
from workloads.errors import NetworkError
from workloads.network import Network
from workloads.transforms.published import published_transforms
from workloads.transforms.registry import apply_transforms, parse_transforms

TRANSFORMS = "a list of mappings such as {'type': 'prune', 'layers': ['fc6'], 'sparsity': 0.9}"


@one_family
def transform(
    model: str | Network | FilePath,
    transforms: Sequence[Mapping[str, Any]] = (),
    *,
    published: str | None = None,
) -> Network:
    """Transform a network, as `simdl transform` does.

    Args:
        model: registered name, file, or a network of `simdl.load_network`.
        transforms: tables as a file lists them under ``[[transforms]]`` (docs/files.md), applied in order.
        published: a published compression of the network that comes before them, ``"deep-compression"``.

    Returns:
        The network, which every other call takes in place of a name.

    Raises:
        SimdlError: unknown layers, numbers out of range, or a rank above a matrix's.

    Example:
        >>> import simdl
        >>> small = simdl.transform("vgg16", [{"type": "low-rank", "layers": ["fc6"], "rank": 256}])
        >>> small.parameters < simdl.load_network("vgg16").parameters
        True
    """
    network = model if isinstance(model, Network) else load_network(model)
    if isinstance(transforms, str | Mapping) or not isinstance(transforms, Sequence):
        raise refuse("transforms", transforms, TRANSFORMS)
    if published is None and not transforms:
        raise QuestionError(f"transforms: found none; expected {TRANSFORMS}, or published")
    found = parse_transforms([_plain(each) for each in transforms])
    named = text("published", published, "the name of a published compression")
    if named is not None:
        found = (*published_transforms(named, network), *found)
    return apply_transforms(network, found)


def _plain(entry: object) -> Mapping[str, Any]:
    """A table as a file would have it.

    Raises:
        NetworkError: it is none.
    """
    if not isinstance(entry, Mapping):
        raise NetworkError([f"transforms: found {entry!r}; expected {TRANSFORMS}"])
    return {key: list(value) if isinstance(value, tuple) else value for key, value in entry.items()}
