"""Two steps side by side: why one is faster, in sentences and as a table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from hardware.units import format_quantity
from planner.console.format import format_choice, format_seconds
from planner.questions.question import Options
from planner.questions.strategy_file import strategy_json
from planner.reasons.explain import AXES, describe_differences
from simdl.report.step_report import StepReport

SAME = 1e-9  # relative difference below which two times are one
FIELDS = {
    "model": "model",
    "cluster": "cluster",
    "global_batch": "global batch",
    "seq_len": "sequence length",
    "precision": "precision",
    "optimizer": "optimizer",
    "stack": "software stack",
    "speeds": "speeds of devices",
}
"""Names of what a question consists of."""
LOADED = {"cluster": "cluster", "device": "device", "model": "network", "stack": "stack"}
"""What the provenance says of a field, for where the questions do not differ in it; of devices always."""
AXIS_NAMES = {"dp": "data parallelism", **AXES, "stages": "cut"}
AXIS_NAMES |= {"split_degree": "ranks that split layers", "splits": "splits"}
DIFFERENCE = "B - A"
"""Every difference of two steps, in sentences, tables and figures."""
SIGN = "above 0, B takes longer"
"""Said once, beside the first difference."""
HEADER = ("cause", "A", "B", DIFFERENCE)


class Step(Protocol):
    """What is compared; the attributes mean what they do in :class:`simdl.report.step_report.StepReport`."""

    @property
    def step_time(self) -> float:
        """[s]."""

    @property
    def samples_per_s(self) -> float:
        """Throughput of the whole cluster."""

    @property
    def tokens_per_s(self) -> float:
        """The same in tokens; an image is one."""

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

    @property
    def question(self) -> Options | None:
        """What was asked; None where both steps answer one question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedStep:
    """A :class:`Step` whose numbers are those of a report."""

    step_time: float
    samples_per_s: float
    tokens_per_s: float
    mfu: float
    peak_memory: float
    breakdown: Mapping[str, float]
    strategy: Mapping[str, Any]
    provenance: Mapping[str, Any]
    question: Options | None = None


def reported_step(report: StepReport, question: Options | None = None) -> ReportedStep:
    """A report as one side of a comparison; without a question both sides answer the same one."""
    return ReportedStep(
        step_time=report.step_time,
        samples_per_s=report.samples_per_s,
        tokens_per_s=report.tokens_per_s,
        mfu=report.mfu,
        peak_memory=report.peak_memory,
        breakdown=report.breakdown,
        strategy=strategy_json(report.strategy),
        provenance=report.provenance,
        question=question,
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


def compare_questions(one: Step, two: Step) -> dict[str, list[Any]]:
    """Values of both in every field in which the questions differ; empty where they are one question."""
    if one.question is None or two.question is None:
        return {}
    sides = [
        {**asdict(question), "global_batch": _batch(step), "seq_len": _length(step)}
        for question, step in ((one.question, one), (two.question, two))
    ]
    pairs = {key: [side[key] for side in sides] for key in FIELDS}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def comparison_json(one: Step, two: Step) -> dict[str, Any]:
    """What `simdl diff` says of two steps, by key; pairs are of A and B."""
    return {
        "step_time": [one.step_time, two.step_time],
        "samples_per_s": [one.samples_per_s, two.samples_per_s],
        "tokens_per_s": [one.tokens_per_s, two.tokens_per_s],
        "speedup": one.samples_per_s / two.samples_per_s,
        "breakdown": {cause: list(seconds) for cause, seconds in compare_causes(one, two).items()},
        "strategy": compare_choices(one, two),
        "question": compare_questions(one, two),
    }


def compare_in_words(one: Step, two: Step) -> list[str]:
    """Which of A and B is faster, where its time goes, in what the questions differ, and the choices."""
    lines = [*_speeds(one, two), *_different_questions(one, two)]
    if choices := compare_choices(one, two):
        texts = (
            f"{AXIS_NAMES.get(key, key)} {format_choice(key, a)} and {format_choice(key, b)}"
            for key, (a, b) in choices.items()
        )
        lines.append(f"strategies of A and B: {', '.join(texts)}")
    return lines


def _batch(step: Step) -> int:
    """Samples of a step."""
    return round(step.samples_per_s * step.step_time)


def _length(step: Step) -> int:
    """Tokens of a sample; 1 of an image."""
    return round(step.tokens_per_s / step.samples_per_s)


def _different_questions(one: Step, two: Step) -> Iterator[str]:
    differences = compare_questions(one, two)
    for key, pair in differences.items():
        if key not in {"global_batch", "seq_len"}:  # with their units below
            yield _different(FIELDS[key], *pair)
    for name, key in LOADED.items():
        if name not in differences and one.provenance.get(key) != two.provenance.get(key):
            yield _different(key, one.provenance.get(key), two.provenance.get(key))
    if _batch(one) != _batch(two):
        yield f"{_different(FIELDS['global_batch'], _batch(one), _batch(two))} samples a step"
    lengths = _length(one), _length(two)
    if min(lengths) > 1 and lengths[0] != lengths[1]:
        yield f"{_different(FIELDS['seq_len'], *lengths)} tokens"
    elif lengths[0] != lengths[1]:
        samples = (f"sequences of {length} tokens" if length > 1 else "images" for length in lengths)
        yield _different("samples", *samples)


def _different(what: str, one: object, two: object) -> str:
    return f"different {what}: {one} and {two}"


def _speeds(one: Step, two: Step) -> Iterator[str]:
    """Which is faster: by the step where both do the same work in one, else by throughput."""
    lengths = _length(one), _length(two)
    seconds = [format_seconds(step.step_time) for step in (one, two)]
    if _batch(one) == _batch(two) and lengths[0] == lengths[1]:
        ratio = one.samples_per_s / two.samples_per_s
        yield _faster(ratio, seconds, per=" a step")
    else:
        by_tokens = lengths[0] != lengths[1] and min(lengths) > 1
        ratio = one.tokens_per_s / two.tokens_per_s if by_tokens else one.samples_per_s / two.samples_per_s
        if by_tokens:
            rates = [_rate(step.tokens_per_s) for step in (one, two)]
            yield f"By tokens, {_faster(ratio, rates, per=' tokens/s')}"
        rates = [_rate(step.samples_per_s) for step in (one, two)]
        by_samples = one.samples_per_s / two.samples_per_s
        yield f"By samples, {_faster(by_samples, rates, per=' samples/s')}"
        yield f"A step of A takes {seconds[0]}, one of B {seconds[1]}."
    if not _is_even(ratio):
        yield f"{DIFFERENCE}: {describe_differences(one.breakdown, two.breakdown)} ({SIGN})."


def _faster(ratio: float, texts: Sequence[str], *, per: str) -> str:
    """The sentence for A's speed over B's, with what each takes or reaches."""
    a, b = texts
    if _is_even(ratio):
        return f"A and B are equally fast: {a if a == b else f'{a} and {b}'}{per}."
    if ratio > 1:
        return f"A is {ratio:.4g} times as fast as B: {a}{per} against {b}."
    return f"B is {1 / ratio:.4g} times as fast as A: {b}{per} against {a}."


def _is_even(ratio: float) -> bool:
    """Whether two speeds are one, as a ratio of four digits would be printed."""
    return f"{max(ratio, 1 / ratio):.4g}" == "1"


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 1000 else f"{per_second:.4g}"


def comparison_rows(one: Step, two: Step) -> Iterator[tuple[str, str, str, str]]:
    """Rows under ``HEADER``: every cause, then the step time, MFU and memory; rounding is shown as 0."""
    least = SAME * one.step_time
    times = {**compare_causes(one, two), "step time": (one.step_time, two.step_time)}
    for cause, (a, b) in times.items():
        one_shown, two_shown = (format_seconds(0.0 if seconds < least else seconds) for seconds in (a, b))
        yield (cause.replace("_", " "), one_shown, two_shown, _change(b - a, least))
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
