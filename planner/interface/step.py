"""One simulated step: `simdl simulate` as a result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hardware.units import format_quantity
from planner.console.answers.breakdown_rows import BREAKDOWN_HEADER, breakdown_rows
from planner.console.answers.report_json import simulation_json
from planner.console.format import format_rate, format_seconds, format_strategy
from planner.interface.arguments import one_family
from planner.interface.explanation import Explanation, answer_of
from planner.interface.launch_files import LaunchFiles, launch_files
from planner.interface.result import Figures, Result
from planner.questions.question import Question
from simdl.report.step_report import StepReport
from simdl.step.simulate import Simulation, simulate
from simdl.step.strategy import Strategy

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Step(Result):
    """A training step of one strategy: times in seconds, memory in bytes.

    Attributes:
        question: what was asked: workload, cluster, software stack, and what was assumed.
        report: every number that the simulator gives.
        chosen: what was chosen of the strategy because the call left it open, and why; empty where nothing
            was.
        training: what the epochs that were asked for take; None where none were.
    """

    question: Question
    report: StepReport
    simulated: Simulation | None = field(default=None)
    chosen: str = ""
    training: Mapping[str, Any] | None = field(default=None)

    @property
    def strategy(self) -> Strategy:
        """How the work is divided."""
        return self.report.strategy

    @property
    def step_time(self) -> float:
        """[s] of one optimizer update over one global batch."""
        return self.report.step_time

    @property
    def samples_per_s(self) -> float:
        """Samples per second of the whole cluster."""
        return self.report.samples_per_s

    @property
    def tokens_per_s(self) -> float:
        """Tokens per second of the whole cluster; an image counts as one."""
        return self.report.tokens_per_s

    @property
    def mfu(self) -> float:
        """Model flops utilisation, a fraction."""
        return self.report.mfu

    @property
    def peak_memory(self) -> float:
        """[bytes] on the fullest device."""
        return self.report.peak_memory

    @property
    def breakdown(self) -> Mapping[str, float]:
        """[s] by cause, mean over ranks; adds up to the step time."""
        return self.report.breakdown

    @property
    def feasible(self) -> bool:
        """Whether the step fits in memory."""
        return self.report.feasible

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was assumed because the call did not say it, one sentence each."""
        return self.question.assumptions

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know of the answer, one sentence each."""
        return self.report.warnings

    @property
    def headline(self) -> str:
        """What to run, on how many devices, how long a step takes, what limits it and how sure that is."""
        return str(self._data["headline"] or self._summary)

    @property
    def _summary(self) -> str:
        return f"{asked(self.question)}: {took(self)}"

    @property
    def _data(self) -> Mapping[str, Any]:
        return simulation_json(self.question, self.report, chosen=self.chosen, training=self.training)

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        return BREAKDOWN_HEADER[:-1], [row[:-1] for row in breakdown_rows(self.breakdown)]

    @property
    def _notes(self) -> Sequence[str]:
        return [
            *([f"chosen: {self.chosen}"] if self.chosen else []),
            *(f"assumed: {sentence}" for sentence in self.assumptions),
            *(f"warning: {sentence}" for sentence in self.warnings),
        ]

    @cached_property
    def simulation(self) -> Simulation:
        """The simulation with its timeline; of a plan it is run when first asked for."""
        if self.simulated is not None:
            return self.simulated
        question = self.question
        return simulate(
            question.workload, question.cluster, self.strategy, stack=question.stack, speeds=question.speeds
        )

    @property
    def _figures(self) -> Figures:
        from planner.interface.figures import step_figures  # noqa: PLC0415 - plotly

        return step_figures(self.question, self.report, lambda: self.simulation)

    def frame(self) -> "pd.DataFrame":
        """One row per cause: ``seconds`` (mean over ranks), ``share`` of the step and ``critical`` [s]."""
        import pandas as pd  # noqa: PLC0415 - only where a frame is asked for

        causes = list(self.breakdown)
        seconds = [self.breakdown[cause] for cause in causes]
        return pd.DataFrame(
            {
                "seconds": seconds,
                "share": [each / self.step_time for each in seconds],
                "critical": [self.report.critical_path.get(cause, 0.0) for cause in causes],
            },
            index=pd.Index(list(map(str, causes)), name="cause"),
        )

    @one_family
    def export(self, format: str) -> LaunchFiles:  # noqa: A002 - named as the command's option
        """What launches the strategy in a framework, as `simdl export` writes it.

        Args:
            format: ``"megatron"``, ``"megatron-bridge"``, ``"nemo-automodel"``, ``"torchtitan"``,
                ``"deepspeed"``, ``"accelerate"`` or ``"maxtext"``.

        Raises:
            SimdlError: no such format, or the framework cannot run the strategy.
        """
        return launch_files(self.question, self.strategy, format)

    @one_family
    def explain(self) -> Explanation:
        """What bounds the step, and what removing each limit could gain at most."""
        return Explanation(answer=answer_of(self, "step"))


def asked(question: Question) -> str:
    """The question in a few words."""
    workload = question.workload
    return f"{workload.network.name} on {question.cluster.name}, global batch {workload.global_batch:,}"


def took(step: Step) -> str:
    """Strategy, step time, rate, MFU and memory in a few words."""
    sequences = step.question.workload.network.tokens > 1
    rate = f"{format_rate(step.tokens_per_s)} tokens/s"
    if not sequences:
        rate = f"{format_rate(step.samples_per_s)} {step.question.workload.network.sample}s/s"
    fits = "" if step.feasible else ", which does not fit"
    return (
        f"{format_strategy(step.strategy)} takes {format_seconds(step.step_time)} a step, {rate}, "
        f"MFU {step.mfu:.1%}, {format_quantity(step.peak_memory, 'bytes')} of a device{fits}"
    )
