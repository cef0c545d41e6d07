"""YAML of nested settings: written with comments, and read back.

What is written is plain: mappings, scalars and lists of lists in flow style. Reading takes that and what
configuration files of frameworks have beside it, with the library where it is installed.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from planner.launch.job import Knob, LaunchError

MOST, DEEPEST = 10_000, 16
"""Settings of a file, and within each other, at most."""


def yaml_text(title: str, knobs: Iterable[Knob]) -> str:
    """Settings with dotted names as nested YAML, each with where it comes from."""
    tree: dict[str, Any] = {}
    for knob in knobs:
        *path, last = knob.name.split(".")
        place = tree
        for name in path:
            place = place.setdefault(name, {})
        place[last] = knob
    return "\n".join((f"# {title}", *_lines(tree, ""))) + "\n"


def _lines(tree: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, Knob):
            yield f"{indent}{name}: {_scalar(value.value)}  # {value.why}"
        else:
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else str(value)


def read_yaml(text: str) -> dict[str, Any]:
    """Settings by dotted name.

    Raises:
        LaunchError: not YAML, or PyYAML is missing.
    """
    try:
        import yaml  # noqa: PLC0415 - an extra, only where such a file is read
    except ImportError:
        raise LaunchError("YAML: PyYAML is not installed; expected `pip install 'simdl[launch]'`") from None
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise LaunchError(f"not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict):
        raise LaunchError(f"found {type(found).__name__}; expected a mapping of settings")
    return dict(_dotted(found))


def _dotted(tree: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Settings by dotted name; aliases may make a small file large or endless, which is refused."""
    left: list[tuple[str, Any]] = [("", tree)]
    count = 0
    while left:
        before, value = left.pop()
        if not isinstance(value, Mapping):
            yield before, value
            continue
        count += len(value)
        if count > MOST or before.count(".") > DEEPEST:
            raise LaunchError(f"found more than {MOST:,} settings, or more than {DEEPEST} within each other")
        inner = [(f"{before}.{name}" if before else str(name), each) for name, each in value.items()]
        left.extend(reversed(inner))
