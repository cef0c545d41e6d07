"""Real training steps against simulated ones, with a profile that has seen kernels only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hardware.cluster import Cluster
from hardware.profiles import load_cluster
from planner.questions.question import Options, Question, load_question
from simdl.errors import SimdlError
from simdl.report.step_report import StepReport
from simdl.step.cuts.automatic_cut import automatic_cut
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from validation.calibration.host_load import others_load, read_clock
from validation.calibration.session import profile_name
from validation.errors import MeasurementError, TrainerError
from validation.microbenchmarks.backend import DeviceFacts
from validation.real_steps.cases import HardwareCase
from validation.reference_trainer.run import TrainingCase, TrainingMeasurement, measure_training

STEPS, WARMUP = 10, 3
BUDGET = 60.0
"""[s] for one case, start of its processes included."""

UNQUIET, SHORT = 0.1, 0.1
"""Spread of the steps from which, and step time [s] up to which, a case is run a second time."""

WATCHED = 3.0
"""[s] that the steps of a run should take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareRow:
    """One case, predicted and measured.

    Attributes:
        case: what was trained.
        item: the same in a few words.
        predicted: the simulated step; None where it was skipped.
        measured: the real one; None where it was skipped.
        others: cores that other processes kept busy meanwhile; None where the system does not tell.
        skipped: why; empty where both are there.
    """

    case: HardwareCase
    item: str
    predicted: StepReport | None = None
    measured: TrainingMeasurement | None = None
    others: float | None = None
    skipped: str = ""


def load_profiles(path: Path, facts: DeviceFacts) -> dict[int, str]:
    """Calibrated profiles by number of processes.

    Args:
        path: one profile, or a directory that `simdl calibrate` wrote.
        facts: of this device.

    Raises:
        MeasurementError: there is none, or it was measured on another device or with another library.
        HardwareError: a file cannot be read.
    """
    if not path.exists():
        raise MeasurementError(
            f"--profile {path}: not found; expected a directory of `simdl calibrate` or a profile"
        )
    paths = sorted(path.glob(profile_name_pattern())) if path.is_dir() else [path]
    if not paths:
        raise MeasurementError(
            f"--profile {path}: no {profile_name_pattern()} in this directory; expected what "
            "`simdl calibrate --backend torch --out` writes"
        )
    found = {}
    for each in paths:
        cluster = load_cluster(str(each))
        _check_origin(each, cluster, facts)
        found[cluster.node.devices] = str(each)
    return found


def profile_name_pattern() -> str:
    """Pattern of the names of profiles."""
    return profile_name(0).replace("0", "*")


def _check_origin(path: Path, cluster: Cluster, facts: DeviceFacts) -> None:
    origin = cluster.node.measured_on
    if not origin:
        raise MeasurementError(f"{path}: not a calibrated profile; expected one that `simdl calibrate` wrote")
    if origin.get("device") != facts.name:
        raise MeasurementError(
            f"{path}: measured on {origin.get('device')!r}; expected a profile of this device, {facts.name!r}"
        )
    if origin.get("backend") != "torch":
        raise MeasurementError(
            f"{path}: times the kernels of {origin.get('backend')}, but the trainer calls those of PyTorch; "
            "expected a profile of `simdl calibrate --backend torch`"
        )


def run_cases(cases: Sequence[HardwareCase], profiles: dict[int, str], device: str) -> Iterator[HardwareRow]:
    """Each case simulated and trained, one after another.

    Args:
        cases: what to train.
        profiles: paths by number of processes.
        device: ``cpu`` or ``cuda:N``.
    """
    for case in cases:
        if case.processes not in profiles:
            reason = f"no profile for {case.processes} processes"
            yield HardwareRow(case=case, item=describe(case), skipped=reason)
            continue
        yield _run(case, profiles[case.processes], device)


def _run(case: HardwareCase, profile: str, device: str) -> HardwareRow:
    row = HardwareRow(case=case, item=describe(case))
    try:
        question = case_question(case, profile)
        strategy = case_strategy(case, question)
        report = simulate(question.workload, question.cluster, strategy, stack=question.stack).report
        before = read_clock()
        measured = _measure(
            TrainingCase(
                workload=question.workload,
                strategy=strategy,
                device=device,
                stack=question.stack,
                warmup=WARMUP,
                steps=planned_steps(report.step_time),
                budget=BUDGET,
            )
        )
    except (TrainerError, SimdlError) as error:
        return replace(row, skipped=str(error).splitlines()[0])
    return replace(row, predicted=report, measured=measured, others=others_load(before, read_clock()))


def _measure(case: TrainingCase) -> TrainingMeasurement:
    """One run, or the quieter of two where the steps of the first lie far apart or are short.

    Other work on the machine only ever adds time, so the run of the lesser median is the better one. Short
    steps are over before it shows in their spread.
    """
    first = measure_training(case)
    if first.spread <= UNQUIET and first.step_time > SHORT:
        return first
    return min(first, measure_training(case), key=lambda run: run.step_time)


def planned_steps(step_time: float) -> int:
    """Steps of a run: ``WATCHED`` seconds of them, ``STEPS`` at least and ten times as many at most."""
    return int(min(10 * STEPS, max(STEPS, WATCHED / step_time)))


def case_question(case: HardwareCase, profile: str) -> Question:
    """Workload, cluster and stack of a case."""
    return load_question(
        Options(
            model=case.network,
            cluster=profile,
            global_batch=case.batch,
            precision=case.precision,
        )
    )


def case_strategy(case: HardwareCase, question: Question) -> Strategy:
    """The strategy of a case, its stages cut as the simulator cuts them, so that both run the same ones."""
    whole = case.batch // case.strategy.get("dp", 1)
    strategy = Strategy(**{"micro_batch": whole, **case.strategy})
    if strategy.pp == 1:
        return strategy
    pricing = price(question.workload, question.cluster, stack=question.stack)
    return replace(strategy, stages=automatic_cut(question.workload, strategy, pricing))


def describe(case: HardwareCase) -> str:
    """Such as ``resnet18, batch 8, dp 2``."""
    division = "".join(f", {name.replace('_', '-')} {value}" for name, value in case.strategy.items())
    precision = "" if case.precision == "fp32" else f", {case.precision}"
    return f"{case.network}, batch {case.batch}{division}{precision}"
