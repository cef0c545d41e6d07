"""Criteria: what a plan is judged by beside its step: horizon, prices, failures, a deadline, an objective.

Combinations that have no answer are refused here, each with one message.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from planner.console.options.option_values import option_quantity
from planner.money.failures import read_failures
from planner.money.horizon import Horizon, epochs_horizon, parse_horizon
from planner.money.price import Prices, load_prices
from planner.questions.question import Question
from simdl.errors import SimdlError
from simdl.reliability.failures import Failures

TIME, REGRET, COST, ENERGY, TOKENS_PER_DOLLAR = "time", "regret", "cost", "energy", "tokens-per-dollar"
TIME_TO_ACCURACY = "time-to-accuracy"
OBJECTIVES = (TIME, REGRET, COST, ENERGY, TOKENS_PER_DOLLAR, TIME_TO_ACCURACY)
PRICED = (COST, TOKENS_PER_DOLLAR)
"""Objectives that need prices."""
SIZED = (COST, ENERGY, TOKENS_PER_DOLLAR)
"""Objectives for which fewer nodes may be better, so that their number is part of the question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CriteriaAsked:
    """What was asked for, in words; None where nothing was.

    Attributes:
        objective: one of ``OBJECTIVES``.
        horizon: such as ``300B``.
        epochs, dataset: the horizon as epochs of a data set.
        price: USD per device-hour, or a file.
        max_devices: that may be used at most.
        deadline: such as ``21d``.
        smallest: whether the smallest cluster is asked for.
        pareto: whether sizes are compared for their own sake.
        failures: texts of options by name; only those that were given.
    """

    objective: str = TIME
    horizon: str | None = None
    epochs: float | None = None
    dataset: str | None = None
    price: str | None = None
    max_devices: int | None = None
    deadline: str | None = None
    smallest: bool = False
    pareto: bool = False
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def sized(self) -> bool:
        """Whether the number of nodes is part of the question."""
        compared = self.smallest or self.pareto or self.objective in SIZED
        return compared or self.deadline is not None or self.max_devices is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """The criteria of a question, read.

    Attributes:
        asked: in words.
        horizon: how long the training is; None where nobody says.
        prices: None where nobody says.
        deadline: [s].
    """

    asked: CriteriaAsked
    horizon: Horizon | None = None
    prices: Prices | None = None
    deadline: float | None = None

    def failures(self, question: Question) -> Failures | None:
        """What the training meets; None where failures do not count.

        They count where they are given. A horizon in time asks what failures leave of it, so there they
        count by default.
        """
        timed = self.horizon is not None and self.horizon.time is not None
        if not (self.asked.failures or timed):
            return None
        return read_failures(question.workload, question.cluster, self.asked.failures)


def read_criteria(asked: CriteriaAsked, question: Question) -> Criteria:
    """The criteria that were asked for.

    Args:
        asked: in words.
        question: whose workload the horizon is of.

    Raises:
        SimdlError: what was asked for does not go together, or cannot be read.
        ProfileError: the file of prices breaks a rule.
        UnknownNameError, WorkloadError: the data set is not known, or not one of the network's.
    """
    problem = next(_problems(asked), None)
    if problem is not None:
        raise SimdlError(problem)
    deadline = None
    if asked.deadline is not None:
        deadline = option_quantity("--deadline", asked.deadline, "time", least=1.0)
    criteria = Criteria(
        asked=asked,
        horizon=_horizon(asked, question),
        prices=None if asked.price is None else load_prices(asked.price),
        deadline=deadline,
    )
    if criteria.deadline is not None and criteria.horizon is not None and criteria.horizon.time is not None:
        raise SimdlError(
            f"--deadline {asked.deadline}: found with --horizon {asked.horizon}, a time; expected an amount "
            "to train by then, such as 300B or 90ep"
        )
    criteria.failures(question)  # so that what cannot be is refused at once
    return criteria


def _problems(asked: CriteriaAsked) -> Iterator[str]:
    """What does not go together."""
    objective = f"--objective {asked.objective}"
    if asked.objective in PRICED and asked.price is None:
        yield f"{objective}: given without --price; expected USD per device-hour or a file of prices"
    if asked.deadline is not None and asked.horizon is None and asked.epochs is None:
        yield f"--deadline {asked.deadline}: given without --horizon; expected what is to be trained by then"
    if asked.epochs is not None and asked.horizon is not None:
        yield f"--epochs {asked.epochs:g}: found with --horizon {asked.horizon}; expected one of them"
    if asked.epochs is not None and asked.dataset is None:
        yield f"--epochs {asked.epochs:g}: given without --dataset; expected both"
    if asked.epochs is None and asked.horizon is None and asked.dataset is not None:
        yield f"--dataset {asked.dataset}: given without --epochs; expected both, or --horizon in epochs"
    if asked.epochs is not None and not 0 < asked.epochs < float("inf"):
        yield f"--epochs: found {asked.epochs:g}; expected above 0"
    if asked.objective == TIME_TO_ACCURACY and asked.sized:
        yield (
            f"{objective}: chooses the global batch on all devices; expected without --max-devices, "
            "--deadline, --smallest and --pareto"
        )
    if asked.failures and asked.horizon is None and asked.epochs is None:
        option = "--" + next(iter(asked.failures)).replace("_", "-")
        yield f"{option}: given without --horizon; expected how long the training is that failures meet"


def _horizon(asked: CriteriaAsked, question: Question) -> Horizon | None:
    if asked.epochs is not None and asked.dataset is not None:
        return epochs_horizon(asked.epochs, question.workload, dataset=asked.dataset)
    if asked.horizon is not None:
        return parse_horizon(asked.horizon, question.workload, dataset=asked.dataset)
    return None
