"""All transforms by the name of their type, as files and options name them.

A file lists transforms in the order in which they are applied::

    [[transforms]]
    type = "prune"
    layers = ["fc6", "fc7"]     # names or patterns; left out: all that the transform suits
    sparsity = 0.91
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from functools import reduce
from typing import Any, Protocol, get_args, get_type_hints

from workloads.errors import NetworkError
from workloads.network import Network
from workloads.transforms.low_rank import LowRank
from workloads.transforms.operator_fusion import Fuse
from workloads.transforms.tensor_train import TensorTrain
from workloads.transforms.weights import Code, Prune, Quantize, Share
from workloads.transforms.winograd import Winograd


class Transform(Protocol):
    """What makes one network of another; its attributes are the keys of a file's table."""

    def apply(self, network: Network) -> Network:
        """The changed network.

        Raises:
            NetworkError: it cannot be changed so; one line per fault.
        """

    def faults(self) -> Iterator[str]:
        """What is wrong with the numbers themselves."""


TRANSFORMS: Mapping[str, type[Any]] = {
    "low-rank": LowRank,
    "tensor-train": TensorTrain,
    "prune": Prune,
    "share": Share,
    "quantize": Quantize,
    "code": Code,
    "winograd": Winograd,
    "fuse": Fuse,
}
"""Types in the order in which options are applied: what changes shapes comes first."""

WORDS = {int: "a whole number", float: "a number", str: "a text"}


def apply_transforms(network: Network, transforms: Sequence[Transform]) -> Network:
    """The network after all transforms, one after another.

    Raises:
        NetworkError: one of them cannot be applied.
    """
    return reduce(lambda changed, transform: transform.apply(changed), transforms, network)


def parse_transforms(entries: object) -> tuple[Transform, ...]:
    """The transforms of a file's list.

    Raises:
        NetworkError: unknown types or keys, or wrong values; one line per fault.
    """
    if not isinstance(entries, list) or not all(isinstance(each, Mapping) for each in entries):
        raise NetworkError([f"transforms: found {entries!r}; expected tables [[transforms]]"])
    found: list[Transform] = []
    faults: list[str] = []
    for number, entry in enumerate(entries):
        at = f"transforms[{number}]"
        wrong = list(_entry_faults(entry, at))
        faults += wrong
        if not wrong:
            found.append(build_transform(entry["type"], entry))
            faults += [f"{at}.{fault}" for fault in found[-1].faults()]
    if faults:
        raise NetworkError(faults)
    return tuple(found)


def build_transform(kind: str, values: Mapping[str, Any]) -> Transform:
    """A transform of checked values; lists become tuples."""
    given = {
        key: tuple(value) if isinstance(value, (list, tuple)) else value
        for key, value in values.items()
        if key != "type"
    }
    made: Transform = TRANSFORMS[kind](**given)
    return made


def transform_entry(transform: Transform) -> dict[str, Any]:
    """A transform as the table of a file, without what is as if left out."""
    kind = next(name for name, made in TRANSFORMS.items() if isinstance(transform, made))
    plain = asdict(TRANSFORMS[kind]())
    given = {key: value for key, value in asdict(transform).items() if value != plain[key]}  # type: ignore[call-overload]
    lists = {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}
    return {"type": kind, **lists}


def _entry_faults(entry: Mapping[str, Any], at: str) -> Iterator[str]:
    kind = entry.get("type")
    if not isinstance(kind, str) or kind not in TRANSFORMS:
        found = "missing" if kind is None else f"found {kind!r}"
        yield f"{at}.type: {found}; expected one of {', '.join(TRANSFORMS)}"
        return
    made = TRANSFORMS[kind]
    types = get_type_hints(made)
    known = {each.name: types[each.name] for each in fields(made)}
    for key, value in entry.items():
        if key == "type":
            continue
        if key not in known:
            yield f"{at}.{key}: unknown key; expected one of {', '.join(known)}"
        elif not _fits(value, known[key]):
            yield f"{at}.{key}: found {value!r}; expected {_word(known[key])}"


def _fits(value: object, kind: Any) -> bool:  # noqa: ANN401 - the type of a field
    if get_args(kind):
        return isinstance(value, list) and all(_fits(each, get_args(kind)[0]) for each in value)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, kind) and not isinstance(value, bool)


def _word(kind: Any) -> str:  # noqa: ANN401 - likewise
    inner = get_args(kind)
    return f"a list, each of it {WORDS[inner[0]]}" if inner else WORDS[kind]
