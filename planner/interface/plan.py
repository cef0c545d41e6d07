"""`simdl plan` as a call, and its result."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from hardware.cluster import Cluster
from hardware.units import format_quantity
from planner.console.answers.plan_answer import plan_answer
from planner.console.format import format_rate, format_seconds, format_strategy
from planner.errors import InfeasibleError
from planner.interface.arguments import (
    CLUSTER,
    FilePath,
    choice,
    count,
    flag,
    number,
    one_family,
    question_options,
    refuse,
    texts,
)
from planner.interface.arguments import text as text_of
from planner.interface.explanation import Explanation, answer_of
from planner.interface.launch_files import LaunchFiles
from planner.interface.loading import ask
from planner.interface.result import Figures, Result
from planner.interface.step import Step, asked, took
from planner.money.answer import answer, on_clusters
from planner.money.criteria import OBJECTIVES, TIME, CriteriaAsked
from planner.questions.question import Question
from planner.search.compressed import methods_of
from planner.search.find import find_plans
from planner.search.plan import PlanResult
from simdl.errors import SimdlError
from workloads.network import Network

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = "such as 'auto', 'fp16' or 'topk:16,512'"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Plans(Result):
    """The ranked strategies for a model on a cluster, best first.

    ``plans[0]`` is the best as a :class:`~planner.interface.step.Step`; ``len(plans)`` is 0 where nothing
    fits, and ``reasons`` then say why.

    Attributes:
        question: what was asked: workload, cluster, software stack, and what was assumed.
        result: what the search found.
    """

    question: Question
    result: PlanResult
    answer: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _steps(self) -> tuple[Step, ...]:
        found = self.answer["plans"]
        return tuple(
            Step(question=self.question, report=plan.report, training=data.get("training"))
            for plan, data in zip(self.result.plans, found, strict=True)
        )

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps)

    def __getitem__(self, rank: int) -> Step:
        return self._steps[rank]

    @property
    def best(self) -> Step:
        """The first plan.

        Raises:
            InfeasibleError: nothing fits; says why.
        """
        if not self._steps:
            raise InfeasibleError(f"{asked(self.question)}: {'; '.join(self.reasons)}", {})
        return self._steps[0]

    @property
    def certified(self) -> bool:
        """Whether no other candidate is faster under the model."""
        return self.result.certified

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why candidates do not fit or cannot be tried, one sentence each."""
        return self.result.reasons

    @property
    def why(self) -> tuple[str, ...]:
        """What makes the best plan better than its neighbours, one sentence each."""
        return self.result.why

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What was assumed because the call did not say it, one sentence each."""
        return self.question.assumptions

    @property
    def headline(self) -> str:
        """What to run, on how many devices, how long a step takes, what limits it and how sure that is."""
        return str(self.answer.get("headline") or self._summary)

    @property
    def _summary(self) -> str:
        if not self._steps:
            reason = self.reasons[-1] if self.reasons else "nothing to rank"
            return f"{asked(self.question)}: no plan fits: {reason}"
        sure = "certified best" if self.certified else "not certified"
        return (
            f"{asked(self.question)}: {took(self._steps[0])}; {sure} of {self.result.candidates:,} candidates"
        )

    @property
    def _data(self) -> Mapping[str, Any]:
        return self.answer

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        sample = self.question.workload.network.sample
        tokens = sample == "sequence"
        rows = [
            (
                str(rank),
                format_strategy(step.strategy),
                format_seconds(step.step_time),
                format_rate(step.tokens_per_s if tokens else step.samples_per_s),
                f"{step.mfu:.1%}",
                format_quantity(step.peak_memory, "bytes"),
            )
            for rank, step in enumerate(self._steps, start=1)
        ]
        rate = "tokens/s" if tokens else f"{sample}s/s"
        return ("", "strategy", "step", rate, "MFU", "memory"), rows

    @property
    def _notes(self) -> Sequence[str]:
        return [
            *(f"why: {sentence}" for sentence in self.why),
            *(f"does not fit: {sentence}" for sentence in self.reasons),
            *(f"assumed: {sentence}" for sentence in self.assumptions),
        ]

    @property
    def _figures(self) -> Figures:
        from planner.interface.figures import plan_figures  # noqa: PLC0415 - plotly

        return plan_figures(self.question, [step.report for step in self._steps])

    def frame(self) -> "pd.DataFrame":
        """One row per plan by ``rank``: the fields of its strategy, times [s], rates and memory [bytes]."""
        import pandas as pd  # noqa: PLC0415 - only where a frame is asked for

        rows = [
            {
                "strategy": format_strategy(step.strategy),
                "step_time": step.step_time,
                "samples_per_s": step.samples_per_s,
                "tokens_per_s": step.tokens_per_s,
                "mfu": step.mfu,
                "hfu": step.report.hfu,
                "peak_memory": step.peak_memory,
                "bound": plan.bound,
                **asdict(step.strategy),
            }
            for step, plan in zip(self._steps, self.result.plans, strict=True)
        ]
        return pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="rank"))

    @one_family
    def export(self, format: str, *, rank: int = 1) -> LaunchFiles:  # noqa: A002 - as the command's option
        """What launches a plan in a framework, as `simdl export` writes it.

        Args:
            format: ``"megatron"``, ``"megatron-bridge"``, ``"nemo-automodel"``, ``"torchtitan"``,
                ``"deepspeed"``, ``"accelerate"`` or ``"maxtext"``.
            rank: of the plan, from 1.

        Raises:
            SimdlError: no such format or plan, or the framework cannot run it.
        """
        return self._of_rank(rank).export(format)

    @one_family
    def explain(self, *, rank: int = 1) -> Explanation:
        """What bounds a plan's step, and what removing each limit could gain at most.

        Args:
            rank: of the plan, from 1.

        Raises:
            SimdlError: no such plan.
        """
        self._of_rank(rank)
        return Explanation(answer=answer_of(self, "plans", number=rank))

    def _of_rank(self, rank: int) -> Step:
        asked_for = count("rank", rank) or 1
        if not self._steps:
            return self.best
        if asked_for > len(self):
            raise SimdlError(f"rank: found {asked_for}; expected 1 to {len(self)}, one of the plans")
        return self._steps[asked_for - 1]


@one_family
def plan(
    model: str | Network | FilePath,
    cluster: str | Cluster | FilePath | Sequence[str],
    *,
    global_batch: int | None = None,
    seq_len: int | None = None,
    precision: str | None = None,
    optimizer: str | None = None,
    stack: str | None = None,
    input_pipeline: str | None = None,
    imbalance: float | None = None,
    top: int = 5,
    max_simulations: int | None = None,
    uneven_shares: bool = False,
    compression: str | Sequence[str] = (),
    objective: str = TIME,
    horizon: str | None = None,
    epochs: float | None = None,
    dataset: str | None = None,
    price: float | FilePath | None = None,
    max_devices: int | None = None,
    deadline: str | None = None,
    smallest: bool = False,
    pareto: bool = False,
    device_mtbf: str | None = None,
    node_mtbf: str | None = None,
    storage_bandwidth: str | None = None,
    restart: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Plans:
    """Rank the strategies for training a model on a cluster, as `simdl plan` does.

    Args:
        model: registered name (`simdl.network_names()`), TOML file, Hugging Face ``config.json``, or a
            network of `simdl.load_network`.
        cluster: ``"NODE:COUNT"`` (`simdl.node_names()`), several with commas between them for a mixed one, a
            TOML file, or a cluster of `simdl.load_cluster`; of a list all are planned and compared.
        global_batch: samples per step over all replicas; by default the published one of the network.
        seq_len: tokens of a sample; by default the published number.
        precision: number formats such as ``"bf16"``; by default the shortest in common use on the device.
        optimizer: update rule; by default ``"adam"`` for sequences and ``"momentum"`` for images.
        stack: software stack; by default that of the device's generation.
        input_pipeline: what reads, decodes and copies samples, such as ``"dali:4,storage=1GB/s"``; by default
            they are taken to be there.
        imbalance: of a mixture of experts: tokens of the busiest expert-parallel rank over the mean.
        top: plans wanted.
        max_simulations: stop after so many; the ranking may then not be certified.
        uneven_shares: let replicas on faster nodes of a mixed cluster have more microbatches.
        compression: also rank plans with gradients compressed so, such as ``"auto"`` or ``"topk:16,512"``.
        objective: what plans are ranked by: ``"time"``, ``"regret"`` (expected, over the one that turns out
            fastest), ``"cost"``, ``"energy"``, ``"tokens-per-dollar"`` or ``"time-to-accuracy"``; cost,
            energy and tokens per dollar also choose the number of nodes, the last the batch.
        horizon: how long the training is: tokens such as ``"300B"``, epochs such as ``"90ep"``, or a time
            such as ``"30d"``, which says what is trained in it, failures included.
        epochs: the horizon as epochs of ``dataset``.
        dataset: of the epochs, such as ``"imagenet"``.
        price: USD per device-hour, or a TOML file of prices.
        max_devices: use so many devices of a cluster at most.
        deadline: find the smallest cluster that trains the horizon in this, such as ``"21d"``.
        smallest: find the smallest cluster that holds the model.
        pareto: compare numbers of nodes: time, devices and cost.
        device_mtbf: mean time between failures of one device, such as ``"10y"``, or ``"never"``.
        node_mtbf: the same of one node beside its devices'.
        storage_bandwidth: of the storage that takes checkpoints, such as ``"100GB/s"``.
        restart: time to restart, reading the checkpoint aside, such as ``"10min"``.
        progress: called with the work done and all of it, while the search runs.

    Returns:
        The plans, best first; none, with reasons, where nothing fits.

    Raises:
        SimdlError: an argument names what does not exist or is of the wrong kind; says what would be
            accepted.

    Example:
        >>> import simdl
        >>> plans = simdl.plan("gpt2", "dgx-a100:1", top=2)
        >>> len(plans), plans.best.strategy.devices, plans.certified
        (2, 8, True)
    """
    started = time.perf_counter()
    first, others = _clusters(cluster)
    options = question_options(
        model,
        first,
        {
            "global_batch": global_batch,
            "seq_len": seq_len,
            "precision": precision,
            "optimizer": optimizer,
            "stack": stack,
            "input_pipeline": input_pipeline,
            "imbalance": imbalance,
        },
    )
    failures = {
        "device_mtbf": device_mtbf,
        "node_mtbf": node_mtbf,
        "storage_bandwidth": storage_bandwidth,
        "restart": restart,
    }
    criteria = CriteriaAsked(
        objective=choice("objective", objective, OBJECTIVES),
        horizon=text_of("horizon", horizon, "tokens, epochs or a time such as '300B', '90ep' or '30d'"),
        epochs=number("epochs", epochs),
        dataset=text_of("dataset", dataset, "a name such as 'imagenet'"),
        price=_price(price),
        max_devices=count("max_devices", max_devices),
        deadline=text_of("deadline", deadline, "a time such as '21d'"),
        smallest=flag("smallest", smallest),
        pareto=flag("pareto", pareto),
        failures={
            name: text_of(name, value, "a quantity with its unit") or ""
            for name, value in failures.items()
            if value is not None
        },
    )
    wanted, most = count("top", top) or 1, count("max_simulations", max_simulations)
    find = partial(
        find_plans,
        max_simulations=most,
        uneven=flag("uneven_shares", uneven_shares),
        methods=methods_of(texts("compression", compression, f"methods {EXAMPLE}")),
        progress=progress,
    )
    questions = on_clusters(ask(options, model, first), options, others)
    found = answer(questions, criteria, lambda each, some: find(each, top=some), top=wanted)
    return Plans(
        question=found.question,
        result=found.result,
        answer=plan_answer(found, wall_time=time.perf_counter() - started),
    )


def _clusters(cluster: object) -> tuple[object, tuple[str, ...]]:
    """The first cluster and the names of others to compare it with.

    Raises:
        QuestionError: a list of nothing, or of what is no name.
    """
    if isinstance(cluster, str | Cluster) or not isinstance(cluster, Sequence):
        return cluster, ()
    names = texts("cluster", cluster, CLUSTER)
    if not names:
        raise refuse("cluster", cluster, CLUSTER)
    return names[0], names[1:]


def _price(price: object) -> str | None:
    """A price as the command takes it: a number or a file in words.

    Raises:
        QuestionError: neither.
    """
    if isinstance(price, int | float) and not isinstance(price, bool):
        return repr(price)
    return text_of("price", price, "USD per device-hour such as 2.5, or a TOML file of prices")
