"""Two steps side by side: why one is faster, in sentences and as a table."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from hardware.units import format_quantity
from planner.explain import AXES, describe_differences
from planner.format import format_choice, format_seconds
from simdl.report import StepReport

SAME = 1e-9  # relative difference below which two times are one
AXIS_NAMES = {"dp": "data parallelism", **AXES, "ep": "expert parallelism", "stages": "cut"}
HEADER = ("cause", "A", "B", "B - A")


class Step(Protocol):
    """What is compared; the attributes mean what they do in a :class:`simdl.report.StepReport`."""

    @property
    def step_time(self) -> float:
        """[s]."""

    @property
    def samples_per_s(self) -> float:
        """Throughput of the whole cluster."""

    @property
    def mfu(self) -> float:
        """Model flops over peak."""

    @property
    def peak_memory(self) -> float:
        """[bytes] on the worst rank."""

    @property
    def breakdown(self) -> Mapping[str, float]:
        """[s] by cause."""

    @property
    def strategy(self) -> Mapping[str, Any]:
        """By field."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Cluster, device, network and stack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedStep:
    """A :class:`Step` whose numbers are those of a report."""

    step_time: float
    samples_per_s: float
    mfu: float
    peak_memory: float
    breakdown: Mapping[str, float]
    strategy: Mapping[str, Any]
    provenance: Mapping[str, Any]


def reported_step(report: StepReport) -> ReportedStep:
    """A report as one side of a comparison."""
    return ReportedStep(
        step_time=report.step_time,
        samples_per_s=report.samples_per_s,
        mfu=report.mfu,
        peak_memory=report.peak_memory,
        breakdown=report.breakdown,
        strategy=asdict(report.strategy),
        provenance=report.provenance,
    )


def compare_causes(one: Step, two: Step) -> dict[str, tuple[float, float]]:
    """[s] of both by cause, the largest difference first."""
    names = {*one.breakdown, *two.breakdown}
    pairs = {name: (one.breakdown.get(name, 0.0), two.breakdown.get(name, 0.0)) for name in names}
    return dict(sorted(pairs.items(), key=lambda item: (-abs(item[1][1] - item[1][0]), item[0])))


def compare_choices(one: Step, two: Step) -> dict[str, list[Any]]:
    """Values of both on every axis on which the strategies differ."""
    keys = [*one.strategy, *(key for key in two.strategy if key not in one.strategy)]
    pairs = {key: [one.strategy.get(key), two.strategy.get(key)] for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def compare_in_words(one: Step, two: Step) -> list[str]:
    """Which of A and B is faster, where its time goes, and in what the two differ."""
    speedup = one.samples_per_s / two.samples_per_s
    if abs(speedup - 1) < SAME:
        lines = [f"A and B are equally fast: {format_seconds(one.step_time)}."]
    else:
        names = ("A", "B") if speedup > 1 else ("B", "A")
        fast, slow = (one, two) if speedup > 1 else (two, one)
        times = f"{format_seconds(fast.step_time)} a step against {format_seconds(slow.step_time)}"
        lines = [
            f"{names[0]} is {max(speedup, 1 / speedup):.4g} times as fast as {names[1]}: {times}.",
            f"{names[1]} against {names[0]}: {describe_differences(fast.breakdown, slow.breakdown)}.",
        ]
    if choices := compare_choices(one, two):
        texts = (
            f"{AXIS_NAMES.get(key, key)} {format_choice(key, a)} and {format_choice(key, b)}"
            for key, (a, b) in choices.items()
        )
        lines.append(f"strategies of A and B: {', '.join(texts)}")
    return [*lines, *_different_questions(one, two)]


def _different_questions(one: Step, two: Step) -> list[str]:
    lines = [
        f"different {key}: {one.provenance.get(key)} and {two.provenance.get(key)}"
        for key in ("cluster", "device", "network", "stack")
        if one.provenance.get(key) != two.provenance.get(key)
    ]
    batches = [round(step.samples_per_s * step.step_time) for step in (one, two)]
    if batches[0] != batches[1]:
        lines.append(f"different global batch: {batches[0]} and {batches[1]} samples a step")
    return lines


def comparison_rows(one: Step, two: Step) -> Iterator[tuple[str, str, str, str]]:
    """Rows under ``HEADER``: every cause, then the step time, MFU and memory."""
    least = SAME * one.step_time
    times = {**compare_causes(one, two), "step time": (one.step_time, two.step_time)}
    for cause, (a, b) in times.items():
        yield (cause.replace("_", " "), format_seconds(a), format_seconds(b), _change(b - a, least))
    yield ("MFU", f"{one.mfu:.1%}", f"{two.mfu:.1%}", f"{100 * (two.mfu - one.mfu):+.1f} points")
    memory = [format_quantity(step.peak_memory, "bytes") for step in (one, two)]
    more = two.peak_memory - one.peak_memory
    sign = "-" if more < 0 else "+"
    yield ("peak memory", memory[0], memory[1], f"{sign}{format_quantity(abs(more), 'bytes')}")


def _change(seconds: float, least: float) -> str:
    """A difference with its sign; what is less than ``least`` is rounding."""
    if abs(seconds) < least:
        return "0 ms"
    return f"{'-' if seconds < 0 else '+'}{format_seconds(abs(seconds))}"
