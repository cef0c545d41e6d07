"""The layers of an image network's TOML file, put in order and built."""

from collections import Counter
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter

from workloads.errors import NetworkError
from workloads.importers.toml_layers import BUILDERS, LayerEntry
from workloads.layers.drafts.draft import Draft
from workloads.tensors import BLOCK_INPUT

JOINS = frozenset({"addition", "concatenation"})


def draft_layers(shape: tuple[int, ...], entries: Sequence[LayerEntry]) -> Draft:
    """A draft of all layers, inputs before readers and otherwise in the file's order.

    Raises:
        NetworkError: inputs are unknown or form a cycle, more than one layer is unread, or builders refuse
            their shapes; every fault of the first kind that has any.
    """
    sources = [_inputs(entries, index) for index in range(len(entries))]
    inputs = {entry.name: read for entry, read in zip(entries, sources, strict=True)}
    faults = list(_name_faults(entries, sources)) or list(_cycle_faults(inputs))
    if faults:
        raise NetworkError(faults)
    return _build(shape, _ordered(entries, inputs), inputs)


def _inputs(entries: Sequence[LayerEntry], index: int) -> tuple[str, ...]:
    given = entries[index].inputs
    if given is not None:
        return tuple(given)
    return (entries[index - 1].name,) if index else (BLOCK_INPUT,)


def _name_faults(entries: Sequence[LayerEntry], inputs: Sequence[tuple[str, ...]]) -> Iterator[str]:
    counts = Counter(entry.name for entry in entries)
    read = {name for sources in inputs for name in sources}
    for index, (entry, sources) in enumerate(zip(entries, inputs, strict=True)):
        place = f"layers[{index}]"
        if counts[entry.name] > 1 or entry.name == BLOCK_INPUT:
            yield f"{place}.name: found {entry.name!r}, taken; expected a name of its own"
        for source in sources:
            if source not in counts and source != BLOCK_INPUT:
                yield f"{place}.inputs: found {source!r}; expected 'input' or the name of a layer"
        if len(sources) > 1 and entry.type not in JOINS:
            yield f"{place}.inputs: found {len(sources)}; expected one for a {entry.type} layer"
    unread = [name for name in counts if name not in read]
    if len(unread) > 1:
        yield f"layers: nothing reads {', '.join(unread)}; expected one such layer, the network's output"
    if BLOCK_INPUT not in read:
        yield f"layers: nothing reads {BLOCK_INPUT!r}; expected a layer that does"


def _cycle_faults(inputs: dict[str, tuple[str, ...]]) -> Iterator[str]:
    try:
        TopologicalSorter(inputs).prepare()
    except CycleError as error:
        yield f"layers: {' -> '.join(error.args[1])} is a cycle; expected layers that feed forward"


def _ordered(entries: Sequence[LayerEntry], inputs: dict[str, tuple[str, ...]]) -> list[LayerEntry]:
    by_name = {entry.name: entry for entry in entries}
    placed: dict[str, LayerEntry] = {}
    waiting = list(reversed(by_name))
    while waiting:
        name = waiting[-1]
        missing = [source for source in inputs[name] if source in by_name and source not in placed]
        if name in placed or not missing:
            placed.setdefault(waiting.pop(), by_name[name])
        else:
            waiting.extend(missing)
    return list(placed.values())


def _build(
    shape: tuple[int, ...], entries: Sequence[LayerEntry], inputs: dict[str, tuple[str, ...]]
) -> Draft:
    draft = Draft(shape)
    faults: list[str] = []
    broken: set[str] = set()
    for entry in entries:
        if broken.isdisjoint(inputs[entry.name]):
            try:
                draft.add(BUILDERS[entry.type], entry.name, *inputs[entry.name], **entry.options())
            except NetworkError as error:
                faults += [f"layers: {fault}" for fault in error.faults]
                broken.add(entry.name)
        else:
            broken.add(entry.name)
    if faults:
        raise NetworkError(faults)
    return draft
