"""Reader of software stacks: ``simdl/software/stacks/NAME.toml``.

    base = "megatron-2021"              # optional: the stack that sets every key this file does not
    defaults = ["ampere:sequence"]      # device generation and sample kind this stack is the default for,
                                        # with :shards (ZeRO 2, 3) or :replicas where only for those, or
                                        # :gpipe or another schedule where the usual stack cannot run it
    attention = "flash-causal"
    fused = ["bias_gelu"]
    chains = ["rms_norm"]               # operators that run as chains of kernels over FP32 copies
    gradient_overlap = true
    launch = { value = "8 us", source = "fit", note = "..." }

Every number names one of the file's ``[sources.KEY]`` tables. Every fault of a file is reported at once.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from typing import Any

from hardware.attention_kernels import attention_algorithms
from hardware.citation import CitedNumber
from hardware.errors import ProfileError
from hardware.profile_reader import ProfileReader
from simdl.communication import ALGORITHMS, Operation
from simdl.errors import StackError
from simdl.kernels.chains import CHAINS
from simdl.kernels.costs.attention import DEVICE
from simdl.pipelines import PIPELINES
from simdl.software.stack import Stack
from workloads.layer import POOLING
from workloads.layers.tokens.experts import DISPATCHES
from workloads.network import Network
from workloads.operators import OperatorKind, Pass

CHOICES: Mapping[str, tuple[str, ...]] = {
    "attention": ("unfused", "flash", "flash-causal"),
    "attention_algorithm": (DEVICE, *attention_algorithms()),
    "selective": ("attention", "alternate"),
    "layout": ("channels_last", "channels_first", "channels_first_copied", "xla"),
    "dispatch": DISPATCHES,
    "gradient_algorithm": ("auto", *ALGORITHMS[Operation.ALL_REDUCE]),
    "main_gradient": ("none", "accumulated", "partition"),
    "gathers": ("blocks", "layer"),
    "parameter_gather": ("all_gather", "broadcasts"),
    "sharded_sum": ("reduce_scatter", "all_reduce"),
    "gradients": ("held", "made", "used"),
    "pooling": POOLING,
}
DIVISIONS = ("replicas", "shards")
"""Strategies that divide no layer, which may have a default stack of their own."""
RECURRENT = frozenset({"recurrent", "stepped_recurrent"})
SAMPLES = ("sequence", "image", "graph", "node", "record")
NUMBERS: Mapping[str, str] = {
    "convolution_speed": "number",
    "streaming_speed": "fraction",
    "reduction_speed": "fraction",
    "context_speed": "fraction",
    "zero": "count",
    "vocabulary_multiple": "count",
    "launch": "time",
    "backward_launch": "fraction",
    "expert_launch": "time",
    "collective_launch": "time",
    "negotiation": "time",
    "shard_call": "time",
    "step_overhead": "time",
    "variable_overhead": "time",
    "microbatch_overhead": "time",
    "loss_copies": "count",
    "update_copies": "count",
    "gradient_size": "bytes",
    "optimizer_traffic": "bytes",
    "stepwise_traffic": "bytes",
    "accumulation_traffic": "bytes",
    "bucket": "bytes",
    "tensor_overlap": "fraction",
    "dispatch_overlap": "fraction",
    "contention": "fraction",
    "memory_context": "bytes",
    "memory_reserve": "fraction",
}
COUNTED: Mapping[str, str] = {"contention": "library", "tensor_overlap": "pieces"}
"""Words that stand for a number: collectives take of a device what the kernels of their library do, and hide
behind products that are cut into as many pieces as there are ranks."""
FLAGS = (
    "autocast",
    "bucket_copies",
    "context_parallel",
    "gradient_overlap",
    "holds_logits",
    "narrow_gathers",
    "narrow_loss",
    "parameter_overlap",
    "pipeline_overlap",
    "saves_narrow",
    "scatter_gather",
    "shard_copies",
    "wide_masks",
    "zeroed_gradients",
)
WORDS = (
    "description",
    "attention",
    "attention_algorithm",
    "selective",
    "gradient_algorithm",
    "layout",
    "library",
    "dispatch",
    "main_gradient",
    "gathers",
    "parameter_gather",
    "sharded_sum",
    "gradients",
    "pooling",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawStack:
    """One file's keys over its base's keys, and the numbers among them with their sources."""

    values: Mapping[str, Any]
    numbers: Mapping[str, CitedNumber]
    defaults: tuple[str, ...]


NOTHING = RawStack(values={}, numbers={}, defaults=())


def stack_names() -> tuple[str, ...]:
    """Names of all stacks, sorted."""
    folder = resources.files("simdl.software") / "stacks"
    return tuple(sorted(path.name[:-5] for path in folder.iterdir() if path.name.endswith(".toml")))


@lru_cache(maxsize=256)
def load_stack(name: str) -> Stack:
    """The stack of a name.

    Raises:
        StackError: no such stack, or its file breaks a rule (one line per fault).
    """
    return build_stack(name, _load_raw(name))


@lru_cache(maxsize=256)
def stack_lineage(name: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """A stack and its bases, nearest first, each with the keys that its own file sets.

    Raises:
        StackError: no such stack.
    """
    _load_raw(name)
    data = tomllib.loads(_stack_text(name))
    own = (name, frozenset(data))
    return (own, *stack_lineage(data["base"])) if "base" in data else (own,)


@lru_cache(maxsize=256)
def own_keys(name: str) -> frozenset[str]:
    """The keys that a stack's own file sets; none of a stack without a file."""
    return stack_lineage(name)[0][1] if name in stack_names() else frozenset()


def build_stack(name: str, raw: RawStack) -> Stack:
    """The stack of these keys.

    Raises:
        StackError: keys are missing; one line for each.
    """
    missing = [
        f"stacks/{name}.toml: {key}: missing; expected here or in a base"
        for key in (*NUMBERS, *FLAGS, *WORDS, "fused", "chains", "schedules")
        if key not in raw.values
    ]
    if missing:
        raise StackError("\n".join(missing))
    known = {field.name for field in fields(Stack)} - {"name", "numbers"}
    return Stack(
        name=name,
        numbers=tuple(raw.numbers.values()),
        **{key: value for key, value in raw.values.items() if key in known},
    )


@lru_cache(maxsize=1)
def _defaults() -> Mapping[str, str]:
    return {kind: name for name in stack_names() for kind in _load_raw(name).defaults}


def division(*, tp: int, pp: int, cp: int, zero: int) -> str:
    """How a strategy divides a network: ``"layers"``, ``"shards"`` of its state, or whole ``"replicas"``."""
    if tp * pp * cp > 1:
        return "layers"
    return "shards" if zero > 1 else "replicas"


def default_stack(generation: str, sample: str, divided: str = "layers") -> str:
    """Name of the stack that a device generation runs by default.

    Args:
        generation: of the device, such as ``"ampere"``.
        divided: how the strategy divides the network (`division`); what divides layers serves the rest where
            no stack is made for that.
        sample: ``"sequence"``, ``"image"``, ``"graph"``, ``"node"`` or ``"record"``; stacks of images serve
            the last three where no stack is made for them.

    Raises:
        StackError: no stack is the default of this generation.
    """
    found = _defaults().get(f"{generation}:{sample}:{divided}", _defaults().get(f"{generation}:{sample}"))
    if found is None and sample != "sequence":
        found = _defaults().get(f"{generation}:image")
    if found is None:
        kinds = ", ".join(sorted(_defaults()))
        raise StackError(
            f"no default software stack for {sample} workloads on {generation} devices; "
            f"name one with --stack (one of {', '.join(stack_names())}; defaults exist for {kinds})"
        )
    return found


def network_stack(generation: str, network: Network, divided: str = "layers", *, schedule: str = "") -> str:
    """Name of the stack that runs a network by default.

    Convolutions and recurrences over a sequence (wav2vec 2.0, LSTM) are in no library that divides layers:
    they run in what trains replicas.

    Args:
        generation: of the device.
        network: that runs.
        divided: how the strategy divides it (`division`).
        schedule: of a pipeline that the usual stack has to run, where a stack is made for it; ``""`` for any.

    Raises:
        StackError: no stack is the default of this generation.
    """
    if network.sample == "sequence" and _plain(network):
        divided = "replicas"
    found = default_stack(generation, network.sample, divided)
    offered = _load_raw(found).values["schedules"]
    if not schedule or not offered or schedule in offered:
        return found
    return _defaults().get(f"{generation}:{network.sample}:{schedule}", found)


def _plain(network: Network) -> bool:
    layers = [layer for block in network.blocks for layer in block.layers]
    return any(
        layer.kind in RECURRENT or operator.kind is OperatorKind.CONVOLUTION
        for layer in layers
        for operator in layer.operators(Pass.FORWARD)
    )


def usual_stacks(generation: str, sample: str) -> tuple[str, ...]:
    """The stacks that are defaults of a device generation for one kind of sample, whatever is divided."""
    kinds = (f"{generation}:{sample}", *(f"{generation}:{sample}:{each}" for each in DIVISIONS))
    return tuple(dict.fromkeys(_defaults()[kind] for kind in kinds if kind in _defaults()))


@lru_cache(maxsize=256)
def _load_raw(name: str) -> RawStack:
    if name not in stack_names():
        near = get_close_matches(name, stack_names(), n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(stack_names())}"
        raise StackError(f"unknown software stack {name!r}; {hint}")
    return parse_stack(_stack_text(name), f"stacks/{name}.toml", base=_load_raw)


def _stack_text(name: str) -> str:
    return (resources.files("simdl.software") / "stacks" / f"{name}.toml").read_text(encoding="utf-8")


def parse_stack(text: str, place: str, *, base: Callable[[str], RawStack]) -> RawStack:
    """Keys of one stack file over those of its base.

    Args:
        text: of the file.
        place: how messages name the file.
        base: the keys of another stack by name.

    Raises:
        StackError: the file breaks one or more rules; one line per fault.
    """
    try:
        reader = ProfileReader(text, place)
        inherited = base(reader.text("base")) if "base" in reader.data else NOTHING
        values = {**_flags(reader), **_words(reader)}
        values |= {
            key: reader.number(key, dimension)
            for key, dimension in NUMBERS.items()
            if key in reader.data and reader.data[key] != COUNTED.get(key)
        }
        for key, word in COUNTED.items():
            if reader.data.get(key) == word:
                reader.allow(key)
                values[key] = None
        if "fused" in reader.data:
            values["fused"] = frozenset(_list(reader, "fused"))
        if "chains" in reader.data:
            values["chains"] = _chains(reader)
        if "schedules" in reader.data:
            values["schedules"] = _schedules(reader)
        defaults = _default_kinds(reader)
        numbers = {number.path: number for number in reader.finish()}
    except ProfileError as error:
        raise StackError(str(error)) from None
    kept = {key: number for key, number in inherited.numbers.items() if values.get(key, 0.0) is not None}
    return RawStack(values={**inherited.values, **values}, numbers={**kept, **numbers}, defaults=defaults)


def _flags(reader: ProfileReader) -> dict[str, Any]:
    found = {key: reader.data[key] for key in FLAGS if key in reader.data}
    for key, value in found.items():
        reader.allow(key)
        if not isinstance(value, bool):
            reader.fault(key, f"found {value!r}; expected true or false")
    return found


def _words(reader: ProfileReader) -> dict[str, Any]:
    found = {key: reader.text(key) for key in WORDS if key in reader.data}
    for key, choices in CHOICES.items():
        if key in found and found[key] not in choices:
            reader.fault(key, f"found {found[key]!r}; expected one of {', '.join(choices)}")
    return found


def _list(reader: ProfileReader, key: str) -> tuple[str, ...]:
    """A list of words; none where the file has no such key."""
    reader.allow(key)
    found = reader.data.get(key, [])
    if isinstance(found, list) and all(isinstance(item, str) for item in found):
        return tuple(found)
    reader.fault(key, f"found {found!r}; expected a list of names")
    return ()


def _schedules(reader: ProfileReader) -> tuple[str, ...]:
    found = _list(reader, "schedules")
    for name in found:
        if name not in PIPELINES:
            reader.fault("schedules", f"found {name!r}; expected names among {', '.join(sorted(PIPELINES))}")
    return found


def _chains(reader: ProfileReader) -> frozenset[str]:
    found = _list(reader, "chains")
    for name in found:
        if name not in CHAINS:
            reader.fault("chains", f"found {name!r}; expected names among {', '.join(CHAINS)}")
    return frozenset(found)


def _default_kinds(reader: ProfileReader) -> tuple[str, ...]:
    kinds = _list(reader, "defaults")
    for kind in kinds:
        generation, _, rest = kind.partition(":")
        sample, _, divided = rest.partition(":")
        if not generation or sample not in SAMPLES or divided not in ("", *DIVISIONS, *PIPELINES):
            reader.fault(
                "defaults",
                f"found {kind!r}; expected GENERATION:sequence or GENERATION:image, or graph, node, record, "
                "and after that :shards, :replicas or a schedule where it serves only those",
            )
    return kinds
