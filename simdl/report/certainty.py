"""How certain a step time is: the evidence its seconds rest on, its interval, and which plans are ties.

The log of predicted over measured time is taken as normal with variance

    common^2 + sum over causes (share of the step x spread of the cause)^2

where causes are products, other kernels, communication and the host, and bubbles share in the others' errors.
Products and attention, which tables time on every architecture, are surer than convolutions, whose algorithm
a library chooses, and than kernels that stream, which programs fuse or do not. ``common`` is
what all seconds of a run share (clocks, library versions), so it cancels between two plans of one question.
The spreads stand in ``simdl/software/spreads.toml`` by degree of knowledge, from rows left out of the fit.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from math import exp, sqrt
from statistics import NormalDist
from typing import Literal

from hardware.citation import CitedNumber
from hardware.device import Device
from simdl.software.stack import Stack

Knowledge = Literal["measured", "fitted", "prior", "unknown"]
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
    """What is known of a stack on a device: its own kernels, its own runs, its family, or nothing."""
    if device.kernels:
        return "measured"
    kinds = {number.citation.kind for number in stack.numbers}
    if any(number.citation.title.startswith("Prior ") for number in stack.numbers):
        return "prior"
    return "fitted" if "fitted" in kinds else "unknown"


def step_interval(
    step_time: float,
    breakdown: Mapping[str, float],
    knowledge: Knowledge,
    *,
    kernels: Mapping[str, float] = NO_KERNELS,
    level: float = 0.9,
) -> Interval:
    """The interval of a step.

    Args:
        step_time: [s] predicted.
        breakdown: [s] by cause.
        knowledge: of its software and machine.
        kernels: [s] of the passes by kind of kernel; none for kernels of which nothing is known.
        level: probability that the interval holds the measured time.
    """
    spread = spreads()[knowledge]
    shares = cause_seconds(breakdown, kernels)
    total = sum(shares.values()) or 1.0
    variance = spread["common"] ** 2
    variance += sum((seconds / total * spread[cause]) ** 2 for cause, seconds in shares.items())
    factor = exp(_sigmas(level) * sqrt(variance))
    return Interval(level=level, low=step_time / factor, high=step_time * factor, knowledge=knowledge)


def are_ties(
    first: Mapping[str, float],
    second: Mapping[str, float],
    knowledge: Knowledge,
    *,
    kernels: tuple[Mapping[str, float], Mapping[str, float]] = (NO_KERNELS, NO_KERNELS),
    level: float = 0.9,
) -> bool:
    """Whether two breakdowns of one question differ by less than their causes' errors leave open.

    What both spend on a cause errs alike, so only the difference of the causes counts.
    """
    spread = spreads()[knowledge]
    one, other = cause_seconds(first, kernels[0]), cause_seconds(second, kernels[1])
    gap = abs(sum(first.values()) - sum(second.values()))
    error = sqrt(sum(((one[cause] - other[cause]) * spread[cause]) ** 2 for cause in SPREAD_CAUSES))
    return gap <= _sigmas(level) * error or gap <= _SAME * sum(first.values())


def tied_with_the_first(
    breakdowns: Sequence[Mapping[str, float]],
    knowledge: Knowledge,
    *,
    kernels: Sequence[Mapping[str, float]] = (),
) -> int:
    """How many plans, from the first on, cannot be told from the first.

    Args:
        breakdowns: [s] by cause of each plan.
        knowledge: of their software and machine.
        kernels: [s] of the passes of each plan by kind of kernel; none where they are not known.
    """
    own = kernels or [NO_KERNELS] * len(breakdowns)
    count = 1
    while count < len(breakdowns) and are_ties(
        breakdowns[0], breakdowns[count], knowledge, kernels=(own[0], own[count])
    ):
        count += 1
    return min(count, len(breakdowns))


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
def spreads() -> Mapping[str, Mapping[str, float]]:
    """Log spreads by degree of knowledge and cause."""
    text = (resources.files("simdl.software") / "spreads.toml").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, float]] = tomllib.loads(text)["spread"]
    return found


def _sigmas(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


_SAME = 1e-3  # steps this close are the same step
