"""How certain a step time is: the evidence its seconds rest on, and its interval.

The log of predicted over measured time is taken as normal with the standard deviation

    factor x root of (common^2 + sum over causes (share of the step x spread of the cause)^2)

where causes are products, other kernels, communication and the host, and bubbles share in the others'
errors. Products and attention, which tables time on every architecture, are surer than convolutions, whose
algorithm a library chooses, and than kernels that stream, which programs fuse or do not. ``common`` is what
all seconds of a run share (clocks, library versions), so it cancels between two plans of one question
(:mod:`simdl.report.ties`). A machine that was calibrated adds its own drift, the spread of its speed
meanwhile, in the same way (``[steadiness]`` of its profile). The factor is of a kind of network: programs
that train language models resemble each other more than those of all other networks do. Spreads and factors
stand in ``simdl/software/spreads.toml``, from rows left out of the fit; ``simdl validate transfer`` judges
them with spreads and factors of all other groups, by the same rule.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from math import exp, hypot
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from hardware.citation import CitedNumber
from hardware.device import Device
from simdl.software.reader import own_keys
from simdl.software.stack import Amount, Stack
from workloads.network import Network

Knowledge = Literal["measured", "fitted", "prior", "unknown"]
Kind = Literal["language models", "other networks"]
Spread = Mapping[str, float]
"""Log spreads of ``common`` and of every cause."""
EVIDENCE = ("measured", "fitted", "derived", "assumed")
"""What numbers rest on, the firmest first; datasheets and papers count as measured."""
CAUSES: Mapping[str, tuple[str, ...]] = {
    "kernels": ("forward", "backward", "recompute", "optimizer", "contention"),
    "communication": (
        "tensor_communication",
        "context_communication",
        "resharding",
        "pipeline_communication",
        "data_communication",
        "host_transfer",
        "input",
    ),
    "host": ("launch", "overhead"),
}
SPREAD_CAUSES = ("products", *CAUSES)
"""What has a spread of its own: products and attention, other kernels, and the other causes."""
_SURE = ("matmul", "attention")
_KERNEL_NUMBERS = {
    "matmul": ("efficiency.matmul", "sustained"),
    "attention": ("efficiency.attention",),
    "convolution": ("efficiency.convolution", "convolution_speed"),
}
_STREAMING = ("efficiency.memory", "streaming_speed")


DRIFTING = 0.05
"""Log spread of a machine's speed while it was calibrated from which it is said; assumed: the ``common`` of
a machine that is steady."""

NO_KERNELS: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Range that holds the measured step time with a probability.

    Attributes:
        level: the probability.
        low, high: [s].
        knowledge: what is known of software and machine: ``measured``, ``fitted``, ``prior`` or ``unknown``.
    """

    level: float
    low: float
    high: float
    knowledge: Knowledge


def knowledge_of(stack: Stack, device: Device) -> Knowledge:
    """What is known of a stack on a device: its own kernels, its own runs, its family, or nothing.

    A stack has runs of its own where a number of its own file was fitted on them; fitted numbers that it
    inherits are a relative's. Nothing is known of a device whose products and memory nobody timed.
    """
    if device.kernels:
        return "measured"
    if _never_timed(device):
        return "unknown"
    fitted = {number.path for number in stack.numbers if number.citation.kind == "fitted"}
    if fitted & own_keys(stack.name):
        return "fitted"
    prior = any(number.citation.title.startswith("Prior ") for number in stack.numbers)
    return "prior" if fitted or prior else "unknown"


def _never_timed(device: Device) -> bool:
    """Whether the speed of its memory is assumed: every table of kernels of a device tells that much."""
    kinds = [number.citation.kind for number in device.numbers if number.path == "efficiency.memory.fraction"]
    return "assumed" in kinds


def kind_of(network: Network) -> Kind:
    """The kind of network whose factor an interval takes: all of its attention is causal, or not."""
    cores = [layer.core for block in network.blocks for layer in block.layers if layer.core is not None]
    return "language models" if cores and all(core.causal for core in cores) else "other networks"


def step_interval(
    step_time: float,
    breakdown: Mapping[str, float],
    knowledge: Knowledge,
    *,
    kind: Kind,
    kernels: Mapping[str, float] = NO_KERNELS,
    drift: float = 0.0,
    level: float = 0.9,
) -> Interval:
    """The interval of a step.

    Args:
        step_time: [s] predicted.
        breakdown: [s] by cause.
        knowledge: of its software and machine.
        kind: of its network.
        kernels: [s] of the passes by kind of kernel; none for kernels of which nothing is known.
        drift: log spread of the speed of a machine while it was calibrated, which all seconds share.
        level: probability that the interval holds the measured time.
    """
    seconds = cause_seconds(breakdown, kernels)
    total = sum(seconds.values()) or 1.0
    shares = {cause: part / total for cause, part in seconds.items()}
    spread = factors()[kind] * float(log_spread(shares, spreads()[knowledge]))
    factor = exp(sigmas(level) * hypot(spread, drift))
    return Interval(level=level, low=step_time / factor, high=step_time * factor, knowledge=knowledge)


def drift_notes(drift: float) -> Iterator[str]:
    """One sentence where a machine's speed wandered so far that its intervals are visibly wider."""
    if drift > DRIFTING:
        yield f"the machine's speed wandered by {drift:.0%} while it was calibrated, by which intervals widen"


def log_spread(shares: Mapping[str, Amount], spread: Mapping[str, Amount]) -> Amount:
    """Standard deviation of the log of predicted over measured time, before a kind's factor.

    Args:
        shares: of the step by cause, numbers or tables of them.
        spread: of ``common`` and of every cause.
    """
    parts = ((shares[cause] * spread[cause]) ** 2 for cause in SPREAD_CAUSES)
    found: Amount = np.sqrt(spread["common"] ** 2 + sum(parts))
    return found


def cause_seconds(
    breakdown: Mapping[str, float], kernels: Mapping[str, float] = NO_KERNELS
) -> dict[str, float]:
    """[s] of products, other kernels, communication and the host; bubbles left out: they follow the others.

    Args:
        breakdown: [s] by cause.
        kernels: [s] of the passes by kind of kernel, whose shares those of products and other kernels are.
    """
    found = {cause: sum(breakdown.get(name, 0.0) for name in names) for cause, names in CAUSES.items()}
    whole = sum(kernels.values())
    sure = sum(kernels.get(kind, 0.0) for kind in _SURE) / whole if whole else 0.0
    return {"products": sure * found["kernels"], **found, "kernels": (1 - sure) * found["kernels"]}


def evidence_seconds(
    breakdown: Mapping[str, float],
    kernels: Mapping[str, float],
    stack: Stack,
    numbers: Iterable[CitedNumber],
    *,
    attention: Sequence[CitedNumber] = (),
) -> dict[str, float]:
    """[s] of a step by the weakest evidence among the numbers that price them; they add up to the step.

    Args:
        breakdown: [s] by cause.
        kernels: [s] of the passes by kind of kernel.
        stack: the software.
        numbers: of the device and the links.
        attention: of the algorithm that prices fused attention; the device's numbers do if there are none.
    """
    device = tuple(numbers)
    weakest = {kind: _weakest(_KERNEL_NUMBERS.get(kind, _STREAMING), device, stack) for kind in kernels}
    if attention and "attention" in kernels:
        weakest["attention"] = _weakest_kind(number.citation.kind for number in attention)
    found = dict.fromkeys(EVIDENCE, 0.0)
    for kind, seconds in kernels.items():
        found[weakest[kind]] += seconds
    found[_weakest(_STREAMING, device, stack)] += breakdown.get("optimizer", 0.0)
    found[_weakest(("efficiency", "reduction_speed", "latency"), device, stack, exact=True)] += cause_seconds(
        breakdown
    )["communication"]
    found[_weakest(("launch",), (), stack, exact=True)] += breakdown.get("launch", 0.0)
    found[_weakest(("step_overhead", "variable_overhead", "microbatch_overhead"), (), stack, exact=True)] += (
        breakdown.get("overhead", 0.0)
    )
    total, step = sum(found.values()), sum(breakdown.values())
    return {kind: seconds * step / total if total else 0.0 for kind, seconds in found.items()}


def _weakest(
    wanted: Sequence[str], device: Sequence[CitedNumber], stack: Stack, *, exact: bool = False
) -> str:
    kinds = [
        number.citation.kind
        for number in (*device, *stack.numbers)
        if number.path in wanted
        or number.path.rpartition(".")[2] in wanted
        or (not exact and any(number.path.startswith(place) for place in wanted))
        if number.value != 1.0 or number.citation.kind != "assumed"  # a factor of one that says nothing
    ]
    return _weakest_kind(kinds)


def _weakest_kind(kinds: Iterable[str]) -> str:
    order = [kind if kind in EVIDENCE else "measured" for kind in kinds]
    return max(order, key=EVIDENCE.index, default="assumed")


@lru_cache(maxsize=1)
def spreads() -> Mapping[Knowledge, Spread]:
    """Log spreads by degree of knowledge and cause."""
    spread: Spread = _table()["spread"]
    return {known: {part: own[part] * spread[part] for part in spread} for known, own in degrees().items()}


@lru_cache(maxsize=1)
def degrees() -> Mapping[Knowledge, Spread]:
    """What spreads of stacks with runs of their own are multiplied by, by degree of knowledge."""
    found: Mapping[Knowledge, Spread] = _table()["degree"]
    return found


@lru_cache(maxsize=1)
def factors() -> Mapping[Kind, float]:
    """What the spreads of a kind of network are multiplied by."""
    found: Mapping[Kind, float] = _table()["factor"]
    return found


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    text = (resources.files("simdl.software") / "spreads.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@lru_cache(maxsize=1)
def alternative_spread() -> float:
    """Log spread of how two alternatives of one question compare, beside what their causes leave open."""
    return float(_table()["alternatives"]["spread"])


def sigmas(level: float) -> float:
    """Standard deviations either way that hold so large a share of a normal distribution."""
    return NormalDist().inv_cdf((1 + level) / 2)
