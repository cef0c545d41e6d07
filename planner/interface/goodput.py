"""`simdl goodput` as a call, and its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hardware.cluster import Cluster
from planner.console.answers.goodput_answer import goodput_answer, goodput_rows
from planner.console.format import format_strategy
from planner.interface.arguments import (
    FilePath,
    count,
    one_family,
    question_options,
    refuse,
    text,
)
from planner.interface.loading import ask
from planner.interface.named_strategy import chosen_strategy
from planner.interface.result import Figures, Result
from planner.money.failures import positive_option, read_failures
from planner.questions.question import Question
from simdl.step.strategy import Strategy
from workloads.network import Network

if TYPE_CHECKING:
    import pandas as pd

TIME = "a time such as '30min'"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Kept(Result):
    """What failures and checkpoints leave of a long training.

    Attributes:
        answer: the command's JSON.
        question: network, cluster and stack.
        strategy: how the work is divided.
    """

    answer: Mapping[str, Any]
    question: Question
    strategy: Strategy

    @property
    def goodput(self) -> float:
        """Share of the time that is training and kept."""
        return float(self.answer["goodput"])

    @property
    def headline(self) -> str:
        """What to run, how often to write checkpoints, and what is left."""
        return str(self.answer["headline"])

    @property
    def _data(self) -> Mapping[str, Any]:
        return self.answer

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        return ("", ""), goodput_rows(format_strategy(self.strategy), self.answer)

    @property
    def _notes(self) -> Sequence[str]:
        lines = [f"assumed: {sentence}" for sentence in self.answer["assumptions"]]
        return [*lines, *(f"warning: {sentence}" for sentence in self.answer["warnings"])]

    @property
    def _figures(self) -> Figures:
        from planner.pages.figures.goodput import goodput_figure, loss_figure  # noqa: PLC0415 - plotly

        if not self.answer["curve"]:
            return {}
        curve, named = self.answer["curve"], self.answer["intervals"]
        return {"goodput": lambda: goodput_figure(curve, named), "losses": lambda: loss_figure(curve)}

    def explain(self) -> tuple[str, ...]:
        """What the rest of the time goes to, as sentences, the largest share first."""
        lost = {name: share for name, share in self.answer["breakdown"].items() if name != "training"}
        return tuple(f"{name}: {lost[name]:.2%}" for name in sorted(lost, key=lambda name: -lost[name]))

    def frame(self) -> "pd.DataFrame":
        """One row per interval of the curve: ``interval`` [s], ``goodput`` and what the rest goes to."""
        import pandas as pd  # noqa: PLC0415 - only where a frame is asked for

        return pd.DataFrame(list(self.answer["curve"]))

    @property
    def _no_launch(self) -> str:
        return "a goodput, which is no step; expected simdl.simulate(...).export(format)"


@one_family
def goodput(
    model: str | Network | FilePath,
    cluster: str | Cluster | FilePath,
    strategy: Strategy | Mapping[str, Any] | FilePath | None = None,
    *,
    device_mtbf: str | None = None,
    node_mtbf: str | None = None,
    storage_bandwidth: str | None = None,
    restart: str | None = None,
    spare_nodes: int | None = None,
    repair: str | None = None,
    interval: str | None = None,
    horizon: str = "30d",
    seed: int = 0,
    global_batch: int | None = None,
    seq_len: int | None = None,
    precision: str | None = None,
    optimizer: str | None = None,
    stack: str | None = None,
) -> Kept:
    """What failures and checkpoints leave of a long training, as `simdl goodput` says.

    Args:
        model: registered name (`simdl.network_names()`), file, or a network of `simdl.load_network`.
        cluster: ``"NODE:COUNT"``, a TOML file, or a cluster of `simdl.load_cluster`.
        strategy: a `simdl.Strategy`, a TOML file with its fields, or a mapping of them, of which what is left
            open is chosen as `simdl.simulate` does.
        device_mtbf: mean time between failures of a device, such as ``"10y"``, or ``"never"``.
        node_mtbf: the same of a node beside its devices.
        storage_bandwidth: of what takes checkpoints, all nodes together, such as ``"100GB/s"``.
        restart: time to restart, the reading of a checkpoint aside.
        spare_nodes: that stand by; by default always enough.
        repair: time until a failed node is back.
        interval: of training between checkpoints, such as ``"30min"``; by default the best.
        horizon: how long the training may run.
        seed: of the random failures.
        global_batch: samples per step over all replicas; by default the published one of the network.
        seq_len: tokens of a sample; by default the published number.
        precision: number formats such as ``"bf16"``; by default the shortest in common use on the device.
        optimizer: update rule; by default ``"adam"`` for sequences and ``"momentum"`` for images.
        stack: software stack; by default that of the device's generation.

    Returns:
        What is left, and the curve over intervals.

    Raises:
        SimdlError: an argument names what does not exist, or a value cannot be.

    Example:
        >>> import simdl
        >>> simdl.goodput("lenet5", "dgx-1-v100:1", {"dp": 8}).goodput > 0.9
        True
    """
    named = {
        "global_batch": global_batch,
        "seq_len": seq_len,
        "precision": precision,
        "optimizer": optimizer,
        "stack": stack,
    }
    said = {
        "device_mtbf": text("device_mtbf", device_mtbf, TIME),
        "node_mtbf": text("node_mtbf", node_mtbf, TIME),
        "storage_bandwidth": text("storage_bandwidth", storage_bandwidth, "a rate such as '100GB/s'"),
        "restart": text("restart", restart, TIME),
        "repair": text("repair", repair, TIME),
    }
    spares, drawn = count("spare_nodes", spare_nodes, least=0), count("seed", seed, least=0)
    pause, length = text("interval", interval, TIME), text("horizon", horizon, TIME)
    if length is None:
        raise refuse("horizon", horizon, TIME)
    asked = None if pause is None else positive_option("--interval", pause, "time")
    seconds = positive_option("--horizon", length, "time")
    options = question_options(model, cluster, named)
    choice = chosen_strategy(ask(options, model, cluster), options, strategy)
    question = choice.question
    failures = read_failures(question.workload, question.cluster, said, spares=spares)
    answer = goodput_answer(
        choice, options.model, failures, said=said, asked=asked, horizon=seconds, seed=drawn or 0
    )
    return Kept(answer=answer, question=question, strategy=choice.strategy)
