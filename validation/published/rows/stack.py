"""The software stack of a published row, by the rules of ``software_stacks.toml``."""

import re
from dataclasses import dataclass, fields, replace

from hardware.architecture import architecture_named
from hardware.device import Device
from simdl.errors import StackError
from simdl.software.reader import network_stack
from validation.errors import RowSkippedError
from validation.judging.rules import Pattern, first_match, load_rules
from validation.published.tables import PublishedRow
from workloads.network import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRule:
    """Rows whose cells match every pattern, on a device of a matching generation, ran on ``stack``.

    ``divided`` is matched against how their strategy divides the network.
    """

    source: Pattern | None = None
    source_item: Pattern | None = None
    model: Pattern | None = None
    device: Pattern | None = None
    precision: Pattern | None = None
    framework: Pattern | None = None
    sync_method: Pattern | None = None
    data_sharding: Pattern | None = None
    notes: Pattern | None = None
    channels_last: Pattern | None = None
    generation: Pattern | None = None
    text: Pattern | None = None
    divided: Pattern | None = None
    stack: str
    why: str


_FRAMEWORKS = re.compile(
    r"tensorflow|pytorch|mxnet|paddle|oneflow|caffe|neuron|megatron|horovod", re.IGNORECASE
)
_HOME = "nvidia"
"""Maker whose devices run what rules without a generation name."""
_COLUMNS = tuple(
    field.name
    for field in fields(StackRule)
    if field.name not in ("generation", "text", "divided", "stack", "why")
)


# What says in words which software a row ran: the pattern "text" is looked for in all of them.
_TEXT = (
    "source",
    "source_item",
    "framework",
    "model",
    "data",
    "sync_method",
    "data_sharding",
    "schedule",
    "recompute",
    "notes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkRule:
    """Programs whose names match run their kernels by this framework."""

    pattern: Pattern
    framework: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StackChoice:
    """A stack and, where it is only a default, the warning that says so."""

    stack: str
    warning: str = ""


def choose_stack(
    row: PublishedRow, device: Device, network: Network, *, divided: str = "replicas"
) -> StackChoice:
    """The stack a row ran on, or the default of its device generation with a warning.

    Rules that name no generation are of software on NVIDIA's devices; its kernels and its collective library
    are not what runs elsewhere.

    Args:
        row: what was printed.
        device: that it ran on.
        network: that it trained.
        divided: how its strategy divides the network (`simdl.software.reader.division`).

    Raises:
        RowSkippedError: the generation has no default stack either.
    """
    named = _with_framework(row)
    ported = architecture_named(device.generation).family != _HOME
    for rule in stack_rules():
        if (rule.generation or not ported) and _matches(rule, named, device, divided):
            return StackChoice(stack=rule.stack)
    try:
        stack = network_stack(device.generation, network, divided)
    except StackError as error:
        raise RowSkippedError(f"software is not known: {error}") from None
    return StackChoice(
        stack=stack,
        warning=(
            f"{row.file}: software of source {row['source']!r} is not known; "
            f"took {stack}, the default of {device.generation} devices"
        ),
    )


def _with_framework(row: PublishedRow) -> PublishedRow:
    """The row with the framework of the program that its framework column names instead."""
    text = row.cells.get("framework", "")
    rules = load_rules("published/rows/frameworks.toml", FrameworkRule)
    found = None if _FRAMEWORKS.search(text) else first_match(rules, text)
    if found is None:
        return row
    return replace(row, cells={**row.cells, "framework": f"{found.framework} ({text})"})


def stack_rules() -> tuple[StackRule, ...]:
    """The rules that come with the project, in order."""
    return load_rules("published/rows/software_stacks.toml", StackRule)


def _matches(rule: StackRule, row: PublishedRow, device: Device, divided: str) -> bool:
    if rule.divided is not None and not rule.divided.search(divided):
        return False
    if rule.generation is not None and not rule.generation.search(device.generation):
        return False
    if rule.text is not None and not rule.text.search(" | ".join(row.cells.get(c, "") for c in _TEXT)):
        return False
    patterns = ((column, getattr(rule, column)) for column in _COLUMNS)
    return all(column in row.cells and p.search(row[column]) for column, p in patterns if p is not None)
