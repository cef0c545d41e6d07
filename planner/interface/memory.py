"""`simdl memory` as a call, and its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Any

from hardware.cluster import Cluster
from hardware.errors import UnitError
from hardware.units import parse_quantity
from planner.console.answers.memory_text import HEADER, memory_answer, memory_notes, memory_rows
from planner.interface.arguments import (
    FilePath,
    QuestionError,
    choice,
    count,
    number,
    one_family,
    question_options,
    refuse,
    texts,
)
from planner.interface.loading import ask
from planner.interface.named_strategy import named_strategy
from planner.interface.result import Figures, Result
from planner.memory_savers.options import KINDS
from planner.questions.memory import MemoryFront, whole_batch
from planner.questions.memory import memory_front as find_front
from planner.questions.question import Question
from simdl.errors import SimdlError
from simdl.step.strategy import Strategy
from workloads.network import Network

if TYPE_CHECKING:
    import pandas as pd

MOST = 50  # points
LIMITS = "bytes, or texts such as '12GB'"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MemoryPlans(Result):
    """Step time against memory of a device, with the plan of every block at each limit.

    Attributes:
        front: the plans by limit.
        question: network, cluster and stack.
    """

    front: MemoryFront
    question: Question

    @property
    def headline(self) -> str:
        """What to run, how long a step takes in which memory, and how sure that is."""
        return str(self._data["headline"])

    @cached_property
    def _data(self) -> Mapping[str, Any]:
        return memory_answer(self.question, self.front)

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        return HEADER, list(memory_rows(self.front))

    @property
    def _notes(self) -> Sequence[str]:
        return [*self.explain(), *(f"assumed: {sentence}" for sentence in self.question.assumptions)]

    @property
    def _figures(self) -> Figures:
        from planner.pages.figures.memory import front_figure  # noqa: PLC0415 - plotly

        return {"front": lambda: front_figure(self.to_dict()["points"])}

    def explain(self) -> tuple[str, ...]:
        """How far the programme is from the simulator, and what the literature's plans take, in sentences."""
        return tuple(memory_notes(self.front))

    def frame(self) -> "pd.DataFrame":
        """One row per limit: ``limit`` [bytes], ``peak_memory`` [bytes], ``step_time`` [s], ``savers``."""
        import pandas as pd  # noqa: PLC0415 - only where a frame is asked for

        rows = self.to_dict()["points"]
        kept = ("limit", "peak_memory", "step_time", "slower", "method")
        return pd.DataFrame(
            [{**{key: each[key] for key in kept}, "savers": each["strategy"]["savers"]} for each in rows]
        )

    @property
    def _no_launch(self) -> str:
        return (
            f"a front of {len(self.front.points)} plans; expected one of them: "
            "simdl.simulate(..., savers=...).export(format)"
        )


@one_family
def memory_front(
    model: str | Network | FilePath,
    cluster: str | Cluster | FilePath,
    strategy: Strategy | Mapping[str, Any] | FilePath | None = None,
    *,
    limits: Sequence[int | float | str] = (),
    points: int = 6,
    allow: Sequence[str] = (),
    global_batch: int | None = None,
    seq_len: int | None = None,
    precision: str | None = None,
    optimizer: str | None = None,
    stack: str | None = None,
) -> MemoryPlans:
    """Step time against memory, with every block's best way to save it, as `simdl memory` finds it.

    Args:
        model: registered name (`simdl.network_names()`), file, or a network of `simdl.load_network`.
        cluster: ``"NODE:COUNT"``, a TOML file, or a cluster of `simdl.load_cluster`.
        strategy: a `simdl.Strategy`, a mapping of its fields, or a TOML file with them; by default data
            parallelism over all devices.
        limits: of memory of a device, such as ``["12GB"]``; by default from all that is wanted down to the
            least.
        points: of the front, where no limits are given.
        allow: ways to save memory; by default all that the cluster and the optimizer take.
        global_batch: samples per step over all replicas; by default the published one of the network.
        seq_len: tokens of a sample; by default the published number.
        precision: number formats such as ``"bf16"``; by default the shortest in common use on the device.
        optimizer: update rule; by default ``"adam"`` for sequences and ``"momentum"`` for images.
        stack: software stack; by default that of the device's generation.

    Returns:
        The plans by limit.

    Raises:
        SimdlError: an argument names what does not exist, or a limit is below the least memory.

    Example:
        >>> import simdl
        >>> front = simdl.memory_front("lenet5", "dgx-1-v100:1", global_batch=64, points=2)
        >>> front.frame().limit.is_monotonic_decreasing
        True
    """
    named = {
        "global_batch": global_batch,
        "seq_len": seq_len,
        "precision": precision,
        "optimizer": optimizer,
        "stack": stack,
    }
    amounts = sorted(map(_limit, limits), reverse=True)
    known = frozenset(choice("allow", each, KINDS) for each in texts("allow", allow, "a list of names"))
    wanted = count("points", points, least=2) or MOST
    if wanted > MOST:
        raise QuestionError(f"points: found {points}; expected 2 to {MOST}")
    question = ask(question_options(model, cluster, named), model, cluster)
    if question.cluster.more:
        raise SimdlError(f"cluster: found {question.cluster.name}, a mixed one; expected nodes of one type")
    given = {} if strategy is None else strategy
    chosen = named_strategy(given, question.cluster)
    if isinstance(given, Mapping) and "micro_batch" not in given:
        chosen = whole_batch(chosen, question)
    front = find_front(question, chosen, limits=amounts, count=wanted, allowed=known or None)
    return MemoryPlans(front=front, question=question)


def _limit(value: object) -> float:
    """A limit [bytes].

    Raises:
        QuestionError: no amount of memory.
    """
    if isinstance(value, str):
        try:
            return parse_quantity(value, "bytes")
        except UnitError as error:
            raise QuestionError(f"limits: {error}") from None
    amount = number("limits", value)
    if amount is not None and isfinite(amount) and amount >= 1:
        return amount
    raise refuse("limits", value, LIMITS)
