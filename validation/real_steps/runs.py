"""Real training steps against simulated ones, with a profile that has seen kernels only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import quantiles

from hardware.cluster import Cluster, Steadiness
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

STEPS, MOST_STEPS, WARMUP = 5, 100, 2
"""Of a run, at least and at most, and before them."""
BUDGET = 60.0
"""[s] for one run, start of its processes included."""

REPEATS, APART = 4, 0.02
"""Runs of a case at most, and how far the two quietest may lie apart for it not to be run again."""

WATCHED = 3.0
"""[s] that the steps of a run should take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareRow:
    """One case, predicted and measured.

    Attributes:
        case: what was trained.
        item: the same in a few words.
        strategy: what runs and is simulated; None before the first run.
        predicted: the simulated step; None where it was skipped.
        measured: the run whose steps were quickest; None where it was skipped.
        repeats: [s] of a step of every run, the quickest first (`quiet_step`).
        slower: how much longer a probe of the processor took beside the quickest run than beside the
            measurements of the calibration, less 1; None where one of the two was not probed.
        others: cores that other processes kept busy meanwhile; None where the system does not tell.
        skipped: why; empty where both are there.
    """

    case: HardwareCase
    item: str
    strategy: Strategy | None = None
    predicted: StepReport | None = None
    measured: TrainingMeasurement | None = None
    repeats: tuple[float, ...] = ()
    slower: float | None = None
    others: float | None = None
    skipped: str = ""

    @property
    def step_time(self) -> float:
        """[s] of the quickest run."""
        return self.repeats[0]

    @property
    def spread(self) -> float:
        """How far the two quickest runs lie apart; that of the steps where there was one run."""
        if len(self.repeats) < 2:
            return self.measured.spread if self.measured else 0.0
        return self.repeats[1] / self.repeats[0] - 1

    @property
    def calibrated_time(self) -> float | None:
        """[s] that the quickest run would take at the speed of the calibration, as far as the probe tells."""
        return None if self.slower is None else self.step_time / (1 + self.slower)


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


def fresh_row(case: HardwareCase, profiles: Mapping[int, str]) -> HardwareRow:
    """The row of a case that has not run yet; skipped where its number of processes has no profile.

    Args:
        case: what to train.
        profiles: paths by number of processes.
    """
    reason = "" if case.processes in profiles else f"no profile for {case.processes} processes"
    return HardwareRow(case=case, item=describe(case), skipped=reason)


def unquiet(row: HardwareRow) -> bool:
    """Whether a case should be run again: once more in any case, and until two runs agree."""
    if row.skipped or len(row.repeats) >= REPEATS:
        return False
    return len(row.repeats) < 2 or row.spread > APART


def run_again(row: HardwareRow, profiles: Mapping[int, str], device: str) -> HardwareRow:
    """The row with one more run.

    Other work on the machine only ever adds time, so the quickest run is the best one; runs of a case lie far
    apart, because a guest of a shared host may be slow for many seconds.
    """
    try:
        question = case_question(row.case, profiles[row.case.processes])
        strategy = row.strategy or case_strategy(row.case, question)
        report = simulate(question.workload, question.cluster, strategy, stack=question.stack).report
        before = read_clock()
        measured = measure_training(
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
        return row if row.measured else replace(row, skipped=str(error).splitlines()[0])
    found = replace(row, repeats=tuple(sorted((*row.repeats, quiet_step(measured.steps)))))
    if row.measured is not None and found.step_time == row.step_time:
        return found
    others = others_load(before, read_clock())
    found = replace(found, strategy=strategy, measured=measured, others=others)
    return _compared(found, report, question)


def predicted_again(row: HardwareRow, profiles: Mapping[int, str]) -> HardwareRow:
    """The row with the step as profiles predict it that were fitted anew."""
    if row.measured is None or row.strategy is None:
        return row
    question = case_question(row.case, profiles[row.case.processes])
    report = simulate(question.workload, question.cluster, row.strategy, stack=question.stack).report
    return _compared(row, report, question)


def _compared(row: HardwareRow, report: StepReport, question: Question) -> HardwareRow:
    """The row with a prediction and the machine's speed beside that of the calibration behind it."""
    pace = row.measured.pace if row.measured else 0.0
    return replace(row, predicted=report, slower=_slower(pace, question.cluster.node.steadiness))


def _slower(pace: float, steadiness: Steadiness | None) -> float | None:
    """How much longer the probe takes than it did beside the calibration."""
    if not pace or steadiness is None or not steadiness.pace:
        return None
    return pace / steadiness.pace - 1


def quiet_step(steps: Sequence[float]) -> float:
    """[s] lower quartile of steps: what others do meanwhile only ever adds time."""
    return quantiles(steps, n=4, method="inclusive")[0]


def planned_steps(step_time: float) -> int:
    """Steps of a run: ``WATCHED`` seconds of them, ``STEPS`` at least and ``MOST_STEPS`` at most."""
    return int(min(MOST_STEPS, max(STEPS, WATCHED / step_time)))


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
