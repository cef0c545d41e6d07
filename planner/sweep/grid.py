"""Grids of questions: TOML files with lists whose every combination is asked.

::

    clusters = ["dgx-h100:1..128"]        # 1, 2, 4 ... 128 nodes
    batches = [256, 512, 1024]

    [[grid]]                              # what it says itself replaces the lists above
    models = ["llama3.1-8b", "llama3.1-70b"]
    strategies = ["plan", { tp = 8, pp = 2, micro_batch = 1, zero = 1 }]

    [[grid]]
    models = ["resnet50"]

Without ``[[grid]]`` the lists above are the grid.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from hardware.errors import HardwareError
from hardware.profiles import load_mixed_cluster
from planner.questions.question import Options
from planner.questions.scaling import RANGE, cluster_names
from planner.questions.strategy_file import build_strategy, read_strategy_values
from planner.scaling.curves import node_counts
from readers.errors import InputError
from readers.toml import parse_toml
from readers.whole import read_text
from simdl.errors import SimdlError
from simdl.software.reader import load_stack
from workloads.dtypes import load_precision
from workloads.errors import WorkloadError
from workloads.optimizers import load_optimizer
from workloads.registry import load_network

PLAN = "plan"
"""The strategy that the planner finds."""
MOST = 100_000
"""Questions of a grid."""
LARGEST = 10**9  # batch or tokens: anything larger is refused by the question itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question of a grid.

    Attributes:
        options: model, cluster and how it is trained.
        strategy: as the grid names it.
        values: fields of the strategy; None for the planner's.
    """

    options: Options
    strategy: str = PLAN
    values: tuple[tuple[str, Any], ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A grid as read: its file, its text, and its questions in the order of the file."""

    place: str
    text: str
    asks: tuple[Ask, ...]


def load_grid(path: Path) -> Grid:
    """The questions of a grid file.

    Raises:
        SimdlError: it cannot be read, or says something that no grid says; one message with every fault.
    """
    try:
        text = read_text(path, "a TOML file with a grid of questions")
        data = parse_toml(text, str(path))
    except InputError as error:
        raise SimdlError(str(error)) from None
    return read_grid(data, place=str(path), text=text)


def read_grid(data: Mapping[str, Any], *, place: str, text: str) -> Grid:
    """The questions of a grid that was parsed.

    Args:
        data: keys and lists.
        place: what messages call it.
        text: that it was parsed from.

    Raises:
        SimdlError: it says something that no grid says; one message with every fault.
    """
    faults = [f"{place}: {fault}" for fault in _faults(data)]
    if faults:
        raise SimdlError("\n".join(faults))
    asks = list(dict.fromkeys(ask for part in _parts(data) for ask in _asks(part)))
    return Grid(place=place, text=text, asks=tuple(asks))


def _parts(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The grids of a file, each with what stands above all of them."""
    shared = {key: value for key, value in data.items() if key != "grid"}
    for part in data.get("grid", [{}]):
        yield {**shared, **part}


def _asks(part: Mapping[str, Any]) -> Iterator[Ask]:
    axes = [AXES[key].read(part[key]) if key in part else AXES[key].absent for key in AXES]
    for model, cluster, (name, values), *rest in product(*axes):
        fields = dict(zip(SETTINGS, rest, strict=True))
        options = Options(model=model, cluster=cluster, **fields)
        yield Ask(options=options, strategy=name, values=values)


def _faults(data: Mapping[str, Any]) -> Iterator[str]:
    grids = data.get("grid", [{}])
    if not isinstance(grids, list) or not grids or not all(isinstance(part, dict) for part in grids):
        yield f"grid: found {_shown(grids)}; expected tables [[grid]]"
        return
    shared = {key: value for key, value in data.items() if key != "grid"}
    found = [*_table_faults(shared, "")]
    for number, part in enumerate(grids):
        found += _table_faults(part, f"grid[{number}].")
        missing = [key for key in NEEDED if key not in shared and key not in part]
        found += [
            f"{f'grid[{number}].' if 'grid' in data else ''}{key}: missing; expected a list"
            for key in missing
        ]
    yield from found
    if not found:
        asked = sum(_size(part) for part in _parts(data))
        if asked > MOST:
            yield f"found {asked:,} questions; expected at most {MOST:,}"


def _size(part: Mapping[str, Any]) -> int:
    return prod(len(AXES[key].read(part[key])) for key in AXES if key in part)


def _table_faults(table: Mapping[str, Any], place: str) -> Iterator[str]:
    for key, value in table.items():
        axis = AXES.get(key)
        if axis is None:
            near = get_close_matches(key, AXES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(AXES)}, grid"
            yield f"{place}{key}: unknown key; {hint}"
        elif not isinstance(value, list) or not value:
            yield f"{place}{key}: found {_shown(value)}; expected a list of {axis.what}"
        else:
            for number, item in enumerate(value):
                yield from (f"{place}{key}[{number}]: {fault}" for fault in axis.faults(item))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """One list of a grid: what it holds, what is wrong with an item, and the values that it stands for."""

    what: str
    faults: Callable[[Any], Iterator[str]]
    read: Callable[[Sequence[Any]], Sequence[Any]]
    absent: Sequence[Any] = (None,)


def _named(load: Callable[[str], object], what: str) -> _Axis:
    def faults(item: object) -> Iterator[str]:
        if not isinstance(item, str) or not item:
            yield f"found {_shown(item)}; expected a text such as {what!r}"
            return
        try:
            load(item)
        except (HardwareError, WorkloadError, SimdlError) as error:
            yield str(error)

    return _Axis(what=f"texts such as {what!r}", faults=faults, read=lambda items: items)


def _clusters(items: Iterable[str]) -> list[str]:
    """Names of all clusters, those of ranges one by one."""
    return [name for item in items for name in (cluster_names(item) if RANGE.fullmatch(item) else [item])]


def _load_clusters(item: str) -> None:
    for name in _clusters([item]):
        load_mixed_cluster(name)


def _counts(what: str) -> _Axis:
    def faults(item: object) -> Iterator[str]:
        if isinstance(item, str) and _range_of(item) is not None:
            return
        if isinstance(item, bool) or not isinstance(item, int) or not 1 <= item <= LARGEST:
            yield (
                f"found {_shown(item)}; expected a whole number of {what}, at least 1, or a range such as "
                "'256..4096'"
            )

    def read(items: Sequence[Any]) -> list[int]:
        return [
            count for item in items for count in ([item] if isinstance(item, int) else _range_of(item) or ())
        ]

    return _Axis(what=f"numbers of {what}", faults=faults, read=read)


def _range_of(text: str) -> tuple[int, ...] | None:
    """Counts of a range FIRST..LAST that doubles; None where the text is none."""
    first, dots, last = text.partition("..")
    if (
        not dots
        or not (first.isdecimal() and last.isdecimal())
        or max(len(first), len(last)) > len(str(LARGEST))
    ):
        return None
    try:
        return node_counts(int(first), int(last))
    except SimdlError:
        return None


def _strategy_faults(item: object) -> Iterator[str]:
    if item == PLAN:
        return
    if not (isinstance(item, dict) or (isinstance(item, str) and item.endswith(".toml"))):
        yield (
            f"found {_shown(item)}; expected {PLAN!r}, a file such as 'strategy.toml', or a table such as "
            "{ tp = 8 }"
        )
        return
    try:
        build_strategy(_values(item), load_mixed_cluster("dgx-a100"))
    except SimdlError as error:
        yield str(error)


def _values(item: str | Mapping[str, Any]) -> Mapping[str, Any]:
    return read_strategy_values(item) if isinstance(item, str) else item


def _strategies(items: Sequence[Any]) -> list[tuple[str, tuple[tuple[str, Any], ...] | None]]:
    found: list[tuple[str, tuple[tuple[str, Any], ...] | None]] = []
    for item in items:
        if item == PLAN:
            found.append((PLAN, None))
            continue
        values = tuple((key, _frozen(value)) for key, value in _values(item).items())
        shown = (
            item if isinstance(item, str) else ", ".join(f"{key} = {value}" for key, value in item.items())
        )
        found.append((shown, values))
    return found


def _frozen(value: Any) -> Any:  # noqa: ANN401 - whatever a strategy file holds
    if isinstance(value, list):
        return tuple(value)
    return tuple(value.items()) if isinstance(value, dict) else value


AXES: Mapping[str, _Axis] = {
    "models": _named(load_network, "llama3.1-8b"),
    "clusters": replace(_named(_load_clusters, "dgx-h100:8"), read=_clusters),
    "strategies": _Axis(
        what="'plan', strategy files or tables",
        faults=_strategy_faults,
        read=_strategies,
        absent=((PLAN, None),),
    ),
    "batches": _counts("samples"),
    "seq_lens": _counts("tokens"),
    "precisions": _named(load_precision, "bf16"),
    "optimizers": _named(load_optimizer, "adam"),
    "stacks": _named(load_stack, "megatron-2023"),
}
"""The lists of a grid, the first two needed; questions vary by the last of them first."""
NEEDED = ("models", "clusters")
SETTINGS = ("global_batch", "seq_len", "precision", "optimizer", "stack")
"""Fields of a question that the lists from ``batches`` on stand for."""


def _shown(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 60 else f"{text[:57]}..."
