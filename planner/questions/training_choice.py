"""The question of `simdl consistency`: who trains how long by which scheme, with what is left open chosen.

A worker is one replica of a strategy, which is chosen as `simdl simulate` chooses it: the least memory saving
that fits. Workers that were asked for need not occupy the whole cluster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, isfinite
from typing import Any

from planner.questions.question import Options, Question, default_global_batch, for_strategy
from planner.remedies.least_saving import Choice, choose_rest, does_not_fit
from simdl.errors import ShortfallError, SimdlError
from simdl.step.strategy import Strategy
from simdl.synchrony.registry import SCHEMES
from simdl.synchrony.scheme import Scheme
from simdl.synchrony.simulate import Comparison, compare_schemes
from simdl.synchrony.slowdown import Slowdown
from simdl.synchrony.training import Setting

SPARE = 0.05
"""Spare workers over the others, where nobody says them."""
BOUND, PERIOD = 1, 8
DEGREES = ("tp", "pp", "cp", "ep")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingAsked:
    """What a user says of a training; None where nothing.

    Attributes:
        scheme: who waits for whom.
        workers: replicas whose gradients make one step.
        servers: parameter servers.
        spare: workers beyond them, a count or a share such as ``"5%"``.
        bound: steps by which the fastest may lead the slowest.
        period: steps of a worker between exchanges.
        slowdowns: that multiply.
        steps: of each worker.
        seed: of the draws.
    """

    scheme: Scheme
    workers: int | None = None
    servers: int | None = None
    spare: str | None = None
    bound: int | None = None
    period: int | None = None
    slowdowns: tuple[Slowdown, ...] = ()
    steps: int = 100
    seed: int = 0

    def own(self) -> Mapping[str, Any]:
        """Options that only some schemes read."""
        return {name: getattr(self, name) for name in ("spare", "servers", "bound", "period")}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingChoice:
    """A training with nothing left open.

    Attributes:
        question: with the global batch of the workers.
        strategy: of one synchronous step over the needed workers.
        chosen: what was chosen of it, and why; empty where nothing was.
        scheme, setting, slowdowns: of the training.
    """

    question: Question
    strategy: Strategy
    chosen: str
    scheme: Scheme
    setting: Setting
    slowdowns: Sequence[Slowdown]

    def train(self, *, recorded: int) -> Comparison:
        """Run it, and synchronous steps; spans of so many workers are kept.

        Raises:
            StrategyError: it cannot be carried out; carries every reason.
            SimdlError: it does not fit.
        """
        try:
            return compare_schemes(
                self.question.workload,
                self.question.cluster,
                self.strategy,
                stack=self.question.stack,
                scheme=self.scheme,
                setting=self.setting,
                slowdowns=self.slowdowns,
                recorded=recorded,
            )
        except ShortfallError as error:
            choice = Choice(question=self.question, strategy=self.strategy, chosen=self.chosen)
            raise does_not_fit(choice, error.reasons[0]) from None


def choose_training(
    question: Question,
    options: Options,
    asked: TrainingAsked,
    *,
    given: Mapping[str, Any],
    whole: Strategy | None = None,
) -> TrainingChoice:
    """Workers, their strategy and what their scheme reads.

    Args:
        question: read from the options.
        options: as the user gave them.
        asked: of the training.
        given: values by field of a strategy; the rest is chosen.
        whole: a strategy that leaves nothing open, instead.

    Raises:
        SimdlError: options that do not go together, or values that cannot be.
    """
    check_own(asked)
    if asked.workers is not None and asked.workers < 1:
        raise SimdlError(f"--workers: found {asked.workers}; expected at least 2")
    if question.cluster.more:
        raise SimdlError(
            f"cluster {question.cluster.name}: found {len(question.cluster.parts)} node types; expected one "
            "here (--slowdown has nodes=0-3)"
        )
    if whole is None:
        choice = _chosen(question, options, asked, given)
    else:
        _check_workers(asked.workers, whole.dp)
        used = _with_devices(question, options, whole.devices)
        choice = Choice(question=for_strategy(used, options, whole), strategy=whole, chosen="")
    return TrainingChoice(
        question=choice.question,
        strategy=choice.strategy,
        chosen=choice.chosen,
        scheme=asked.scheme,
        setting=_setting(asked, choice.strategy.dp),
        slowdowns=asked.slowdowns,
    )


def check_own(asked: TrainingAsked) -> None:
    """Refuse an option that the scheme would not read.

    Raises:
        SimdlError: there is one.
    """
    scheme, own = asked.scheme, asked.own()
    for name, value in own.items():
        if value is not None and name not in scheme.options:
            users = [each.name for each in SCHEMES.values() if name in each.options]
            raise SimdlError(
                f"--{name} {value}: scheme {scheme.name} does not use it; expected {' or '.join(users)}"
            )
    if scheme.servers and asked.servers is None:
        raise SimdlError(f"--servers: missing; scheme {scheme.name} expects at least 1")


def _setting(asked: TrainingAsked, needed: int) -> Setting:
    """What the scheme reads, with its defaults."""
    reads = asked.scheme.options
    return Setting(
        workers=needed + _spares(asked, needed),
        needed=needed,
        steps=asked.steps,
        servers=asked.servers or 0,
        bound=(BOUND if asked.bound is None else asked.bound) if "bound" in reads else 0,
        period=(PERIOD if asked.period is None else asked.period) if "period" in reads else 1,
        seed=asked.seed,
    )


def _chosen(question: Question, options: Options, asked: TrainingAsked, given: Mapping[str, Any]) -> Choice:
    """The strategy of the needed workers, with what is left open chosen."""
    values = dict(given)
    if asked.scheme.own_copies:
        values = {"zero": 0, "ep": 1, **values}
    if asked.workers is not None:
        _check_workers(asked.workers, values.get("dp", asked.workers))
        values["dp"] = asked.workers
    if "dp" in values:
        return _of_workers(question, options, asked, values)
    choice = choose_rest(question, options, values)
    if "spare" not in asked.scheme.options:
        return choice
    found = choice.strategy
    workers = _with_room(choice.question, options, asked, found)
    degrees = {name: getattr(found, name) for name in DEGREES}
    return _of_workers(question, options, asked, values | degrees | {"dp": workers})


def _of_workers(
    question: Question, options: Options, asked: TrainingAsked, values: Mapping[str, Any]
) -> Choice:
    """The choice for so many workers, who need not occupy the whole cluster."""
    workers, spares = values["dp"], _spares(asked, values["dp"])
    each = 1
    for name in ("tp", "pp", "cp", "split_degree"):
        each *= values.get(name, 1)
    used = _with_devices(question, options, workers * each)
    room = question.cluster.devices * workers // max(1, workers + spares)
    return choose_rest(used, options, values, room=room)


def _with_room(question: Question, options: Options, asked: TrainingAsked, strategy: Strategy) -> int:
    """The most workers that have room with their spare ones and divide a batch that was not assumed."""
    room = question.cluster.devices // (strategy.devices // strategy.dp)
    fixed = not _by_device(question, options)
    batch, workers = question.workload.global_batch, room
    while workers > 1 and (workers + _spares(asked, workers) > room or (fixed and batch % workers)):
        workers -= 1
    return workers


def _check_workers(workers: int | None, replicas: int) -> None:
    if workers not in {None, replicas}:
        raise SimdlError(f"--workers {workers} with --dp {replicas}: expected one of them, or equal numbers")


def _by_device(question: Question, options: Options) -> bool:
    """Whether the global batch was assumed as so many samples for each device."""
    if options.global_batch is not None:
        return False
    return default_global_batch(question.workload.network, question.cluster)[1].endswith("per device")


def _with_devices(question: Question, options: Options, devices: int) -> Question:
    """The question with the batch of the devices that compute, where it was assumed by the device."""
    if not _by_device(question, options) or devices == question.cluster.devices:
        return question
    all_samples, reason = default_global_batch(question.workload.network, question.cluster)
    batch = all_samples // question.cluster.devices * devices
    said = f"global batch {batch} ({reason})"
    return replace(
        question,
        workload=replace(question.workload, global_batch=batch),
        assumptions=tuple(said if each.startswith("global batch") else each for each in question.assumptions),
        options=replace(question.options, global_batch=batch),
    )


def _spares(asked: TrainingAsked, workers: int) -> int:
    """Spare workers from a count or a share such as ``5%``.

    Raises:
        SimdlError: neither.
    """
    text = asked.spare
    if "spare" not in asked.scheme.options:
        return 0
    if text is None:
        return ceil(SPARE * workers - 1e-9)
    number, percent = text.removesuffix("%"), text.endswith("%")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if percent and 0 <= value <= 100:
        return ceil(value / 100 * workers - 1e-9)
    if not percent and isfinite(value) and value >= 0 and value == int(value):
        return int(value)
    raise SimdlError(f"--spare: found {text!r}; expected a count such as 5 or a share of 0% to 100%")
