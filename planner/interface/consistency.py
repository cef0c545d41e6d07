"""`simdl consistency` as a call, and its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hardware.cluster import Cluster
from planner.console.answers.consistency_json import comparison_json, comparison_notes, comparison_rows
from planner.interface.arguments import (
    FilePath,
    count,
    one_family,
    question_options,
    refuse,
    text,
    texts,
)
from planner.interface.loading import ask
from planner.interface.named_strategy import named_strategy
from planner.interface.result import Figures, Result
from planner.questions.training_choice import TrainingAsked, TrainingChoice, choose_training
from simdl.step.strategy import Strategy
from simdl.synchrony.registry import find_scheme
from simdl.synchrony.simulate import RECORDED
from simdl.synchrony.simulate import Comparison as Trainings
from simdl.synchrony.slowdown import parse_slowdown
from workloads.network import Network

if TYPE_CHECKING:
    import pandas as pd

SPARE = "a whole number, or a share such as '5%'"
SLOWDOWN = "slow-downs such as 'rare:2%,3'"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Training(Result):
    """A training of many steps by some scheme, beside synchronous steps that are slowed alike.

    Attributes:
        choice: question, strategy, scheme and setting, with nothing left open.
        found: both trainings.
        answer: the command's JSON.
    """

    choice: TrainingChoice
    found: Trainings
    answer: Mapping[str, Any]

    @property
    def strategy(self) -> Strategy:
        """Of one synchronous step; a worker is one replica of it."""
        return self.choice.strategy

    @property
    def chosen(self) -> str:
        """What was chosen of the strategy because the call left it open, and why; empty where nothing was."""
        return self.choice.chosen

    @property
    def step_time(self) -> float:
        """[s] per step of all workers, mean."""
        return self.found.outcome.step_time

    @property
    def samples_per_s(self) -> float:
        """Samples per second of all workers."""
        return self.found.outcome.samples_per_s

    @property
    def speedup(self) -> float:
        """Throughput over that of synchronous steps slowed alike."""
        return float(self.answer["speedup"])

    @property
    def staleness(self) -> Mapping[str, Any]:
        """``mean`` and ``max`` of the gradients that were used, and their ``unit``."""
        return dict(self.answer["staleness"])

    @property
    def headline(self) -> str:
        """What to run by which scheme, how long a step takes, and what is spent waiting."""
        return str(self.answer["headline"])

    @property
    def _data(self) -> Mapping[str, Any]:
        return self.answer

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        return ("", ""), comparison_rows(self.choice, self.found, self.answer)

    @property
    def _notes(self) -> Sequence[str]:
        return comparison_notes(self.answer)

    @property
    def _figures(self) -> Figures:
        from planner.pages.figures.consistency import staleness_figure, workers_figure  # noqa: PLC0415

        outcome = self.found.outcome
        unit = outcome.staleness_unit
        return {
            "workers": lambda: workers_figure(outcome.spans, unit),
            "staleness": lambda: staleness_figure(outcome.spans, unit),
        }

    def explain(self) -> tuple[str, ...]:
        """What to know of the comparison, as sentences."""
        return tuple(self.answer["warnings"])

    def frame(self) -> "pd.DataFrame":
        """One row per scheme: ``scheme``, ``step_time`` [s], ``samples_per_s``, staleness and waiting."""
        import pandas as pd  # noqa: PLC0415 - only where a frame is asked for

        outcomes = dict.fromkeys((self.found.outcome, self.found.synchronous))
        names = ["scheme", "workers", "step_time", "samples_per_s", "staleness_mean", "staleness_max"]
        names += ["waiting", "waiting_share", "server_load", "dropped"]
        return pd.DataFrame([{name: getattr(each, name) for name in names} for each in outcomes])

    @property
    def _no_launch(self) -> str:
        return "a training, which is no step; expected simdl.simulate(...).export(format)"


@one_family
def consistency(
    model: str | Network | FilePath,
    cluster: str | Cluster | FilePath,
    scheme: str = "synchronous",
    strategy: Strategy | Mapping[str, Any] | FilePath | None = None,
    *,
    workers: int | None = None,
    servers: int | None = None,
    spare: int | str | None = None,
    bound: int | None = None,
    period: int | None = None,
    slowdown: str | Sequence[str] = (),
    steps: int = 100,
    seed: int = 0,
    global_batch: int | None = None,
    seq_len: int | None = None,
    precision: str | None = None,
    optimizer: str | None = None,
    stack: str | None = None,
    imbalance: float | None = None,
) -> Training:
    """Train for many steps by a scheme in which workers need not wait for each other, as `simdl consistency`.

    Args:
        model: registered name (`simdl.network_names()`), file, or a network of `simdl.load_network`.
        cluster: ``"NODE:COUNT"``, a TOML file, or a cluster of `simdl.load_cluster`.
        scheme: who waits for whom, such as ``"backup-workers"``.
        strategy: a `simdl.Strategy`, a TOML file with its fields, or a mapping of them, of which what is left
            open is chosen as `simdl.simulate` does.
        workers: replicas whose gradients make one step; by default as many as the cluster has room for.
        servers: parameter servers, beside the cluster.
        spare: workers beyond ``workers`` that nobody waits for, a count or a share; by default ``"5%"``.
        bound: steps by which the fastest may lead the slowest; by default 1.
        period: steps of a worker between exchanges; by default 8.
        slowdown: how much longer devices take, such as ``"rare:2%,3"``; several multiply.
        steps: of each worker.
        seed: of the random draws.
        global_batch: samples per step over all needed workers; by default the published one of the network.
        seq_len: tokens of a sample; by default the published number.
        precision: number formats such as ``"bf16"``; by default the shortest in common use on the device.
        optimizer: update rule; by default ``"adam"`` for sequences and ``"momentum"`` for images.
        stack: software stack; by default the one that usually runs such a strategy on the device.
        imbalance: of a mixture of experts: tokens of the busiest expert-parallel rank over the mean.

    Returns:
        The training, beside synchronous steps under the same slow-downs.

    Raises:
        StrategyError: it cannot be carried out; carries every reason.
        SimdlError: another argument names what does not exist, or a value cannot be.

    Example:
        >>> import simdl
        >>> done = simdl.consistency("lenet5", "dgx-1-v100:1", "asynchronous", servers=1, steps=5)
        >>> done.staleness["unit"], done.strategy.dp
        ('updates', 8)
    """
    name = text("scheme", scheme, "a scheme such as 'asynchronous'")
    if name is None:
        raise refuse("scheme", scheme, "a scheme such as 'asynchronous'")
    asked = TrainingAsked(
        scheme=find_scheme(name),
        workers=count("workers", workers, least=2),
        servers=count("servers", servers),
        spare=_spare(spare),
        bound=count("bound", bound, least=0),
        period=count("period", period),
        slowdowns=tuple(parse_slowdown(each) for each in texts("slowdown", slowdown, SLOWDOWN)),
        steps=_said("steps", steps, least=1),
        seed=_said("seed", seed, least=0),
    )
    named = {
        "global_batch": global_batch,
        "seq_len": seq_len,
        "precision": precision,
        "optimizer": optimizer,
        "stack": stack,
        "imbalance": imbalance,
    }
    options = question_options(model, cluster, named)
    question = ask(options, model, cluster)
    if strategy is None or isinstance(strategy, Mapping):
        choice = choose_training(question, options, asked, given=dict(strategy or {}))
    else:
        whole = named_strategy(strategy, question.cluster)
        choice = choose_training(question, options, asked, given={}, whole=whole)
    found = choice.train(recorded=RECORDED)
    return Training(choice=choice, found=found, answer=comparison_json(choice, found))


def _said(name: str, value: object, *, least: int) -> int:
    found = count(name, value, least=least)
    if found is None:
        raise refuse(name, value, f"a whole number, at least {least}")
    return found


def _spare(value: object) -> str | None:
    """Spare workers as the command takes them.

    Raises:
        QuestionError: neither a count nor a share.
    """
    if value is None or isinstance(value, str):
        return text("spare", value, SPARE)
    return str(count("spare", value, least=0))
