"""The answer of a search: what every trial takes on the devices that it may have, and the packing of all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import truediv
from typing import Any

from hardware.cluster import Cluster
from hardware.errors import HardwareError
from hardware.profiles import load_mixed_cluster
from planner.console.format import format_duration, format_rate
from planner.errors import UnfitTrialError
from planner.money.horizon import parse_horizon
from planner.questions.question import Options, load_question
from planner.sweep.grid import Ask
from planner.sweep.row import ANSWERED, LOST, answer_row, group_of, lost_row, piece_of
from planner.trials.packing import Placed, Shelf, Width, device_numbers
from planner.trials.search import CLOSE, Packing, find_packing
from planner.trials.table import Trial, device_counts
from planner.workers.outcome import Done
from planner.workers.spread import Hands, Told, spread
from simdl.errors import SimdlError
from workloads.errors import WorkloadError

HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A trial on so many devices.

    Attributes:
        devices: of all its nodes.
        row: the planner's answer, by column of a sweep.
        steps: of the whole trial.
        width: as it is packed; None where it cannot run so.
    """

    devices: int
    row: Mapping[str, Any]
    steps: float
    width: Width | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchAnswer:
    """Trials, what each takes by number of devices, and the packing.

    Attributes:
        cluster: what they are packed on.
        trials: as read.
        choices: of each trial, by rising number of devices.
        packing: of all of them.
    """

    cluster: Cluster
    trials: tuple[Trial, ...]
    choices: tuple[tuple[Choice, ...], ...]
    packing: Packing

    @property
    def utilisation(self) -> float:
        """Share of the devices' time until the last trial ends that trials fill."""
        filled = sum(placed.width.area for placed in self.packing.placed)
        return filled / (self.cluster.devices * self.packing.makespan)


def search_trials(
    trials: Sequence[Trial],
    cluster: str,
    *,
    hands: Hands,
    told: Told = lambda _done, _now, _total, _share: None,
) -> SearchAnswer:
    """Pack trials on a cluster so that the last one ends as early as can be found.

    Args:
        trials: independent of each other.
        cluster: nodes of one kind, in words.
        hands: who plans them.
        told: about progress.

    Raises:
        UnfitTrialError: a trial cannot run on any number of devices that it may take.
        SimdlError, HardwareError, WorkloadError: a trial says what it cannot; names its line.
    """
    whole = load_mixed_cluster(cluster)
    if whole.more:
        raise SimdlError(f"--cluster {cluster}: found nodes of several kinds; expected one kind")
    asked = [_asked(trial, cluster, whole) for trial in trials]
    rows = _rows(list(dict.fromkeys(ask for asks in asked for _, ask in asks)), hands, told)
    choices = tuple(
        tuple(_choice(trial, count, ask, rows[ask], whole) for count, ask in asks)
        for trial, asks in zip(trials, asked, strict=True)
    )
    _check(trials, choices, whole)
    jobs = [[choice.width for choice in each if choice.width is not None] for each in choices]
    packing = find_packing(jobs, Shelf(whole.count, whole.node.devices))
    return SearchAnswer(cluster=whole, trials=tuple(trials), choices=choices, packing=packing)


def _asked(trial: Trial, cluster: str, whole: Cluster) -> list[tuple[int, Ask]]:
    """The planner's questions of a trial, by number of devices; the global batch is the same on all."""
    counts = device_counts(trial, whole)
    options = Options(
        model=trial.model,
        cluster=_part(cluster, counts[-1], whole),
        global_batch=trial.global_batch,
        seq_len=trial.seq_len,
        precision=trial.precision,
        optimizer=trial.optimizer,
        stack=trial.stack,
    )
    try:
        question = load_question(options)
        parse_horizon(trial.length, question.workload, dataset=trial.dataset)
    except (SimdlError, HardwareError, WorkloadError) as error:
        raise SimdlError(f"{trial.place}: {str(error).replace('--horizon', 'length')}") from None
    options = replace(options, global_batch=question.workload.global_batch)
    return [(count, Ask(options=replace(options, cluster=_part(cluster, count, whole)))) for count in counts]


def _part(cluster: str, devices: int, whole: Cluster) -> str:
    """So many devices of a cluster, in words."""
    name = cluster.rpartition(":")[0] if ".toml:" in cluster else cluster
    name = name if name.endswith(".toml") else cluster.partition(":")[0]
    return f"{name}:{devices}gpus" if devices < whole.devices else cluster


def _rows(asks: Sequence[Ask], hands: Hands, told: Told) -> dict[Ask, Mapping[str, Any]]:
    """The planner's answer to every question."""
    pieces = [piece_of(ask) for ask in asks]
    outcomes = spread(
        answer_row,
        pieces,
        groups=[group_of(ask) for ask in asks],
        workers=hands.workers,
        scheduler=hands.scheduler,
    )
    found: dict[Ask, Mapping[str, Any]] = {}
    for now, (place, outcome) in enumerate(outcomes, start=1):
        ask = asks[place]
        found[ask] = outcome.result if isinstance(outcome, Done) else lost_row(ask, LOST, outcome.reason)
        told(now, now, len(asks), partial(truediv, now, len(asks)))
    return found


def _choice(trial: Trial, count: int, ask: Ask, row: Mapping[str, Any], whole: Cluster) -> Choice:
    if row["status"] != ANSWERED:
        return Choice(devices=count, row=row, steps=0.0, width=None)
    workload = load_question(ask.options).workload
    horizon = parse_horizon(trial.length, workload, dataset=trial.dataset)
    if horizon.samples is None:
        seconds = horizon.time or 0.0
    else:
        seconds = horizon.samples / workload.global_batch * row["step_time"]
    node = whole.node.devices
    width = Width(min(count, node), max(1, count // node), seconds)
    return Choice(devices=count, row=row, steps=seconds / row["step_time"], width=width)


def _check(trials: Sequence[Trial], choices: Sequence[Sequence[Choice]], whole: Cluster) -> None:
    """Refuse trials that cannot run.

    Raises:
        UnfitTrialError: there is one; says why on each number of devices.
    """
    for trial, each in zip(trials, choices, strict=True):
        if not any(choice.width for choice in each):
            reasons = "; ".join(f"on {choice.devices}: {choice.row['reason']}" for choice in each)
            raise UnfitTrialError(f"{trial.place}: {trial.name} fits on no part of {whole.name}: {reasons}")


def placements(answer: SearchAnswer) -> Iterator[tuple[Trial, Choice, Placed, tuple[int, ...]]]:
    """Every trial with the choice and place that it got, and its devices, counted through all nodes."""
    shelf = Shelf(answer.cluster.count, answer.cluster.node.devices)
    devices = device_numbers(answer.packing.placed, shelf)
    for placed in answer.packing.placed:
        choice = next(each for each in answer.choices[placed.job] if each.width == placed.width)
        yield answer.trials[placed.job], choice, placed, devices[placed.job]


def headline(answer: SearchAnswer) -> str:
    """What to run, on how many devices, how long it takes, what it costs, what limits it, and how sure."""
    packing, cluster = answer.packing, answer.cluster
    count = len(answer.trials)
    used = device_hours(answer)
    return (
        f"Run {count} trial{'s' * (count > 1)} on the {cluster.devices:,} devices of {cluster.name} as "
        f"packed here: the last ends after {format_duration(packing.makespan)}, all cost {format_rate(used)} "
        f"device-hours, {answer.utilisation:.1%} of the devices' time until then, and the end is limited by "
        f"{_limit(answer)}; {certainty(packing.gap, optimal=packing.optimal)}."
    )


def device_hours(answer: SearchAnswer) -> float:
    """What all trials take of the devices' time."""
    return sum(placed.width.area for placed in answer.packing.placed) / HOUR


def _limit(answer: SearchAnswer) -> str:
    """The trial that takes as long as all do, however many devices it has, or the work of all."""
    shortest = [min(choice.width.time for choice in each if choice.width) for each in answer.choices]
    longest = max(shortest)
    if longest >= answer.packing.makespan * (1 - CLOSE):
        return f"{answer.trials[shortest.index(longest)].name}, which takes that long on any devices"
    return "the devices' time, which all trials share"


def certainty(gap: float, *, optimal: bool) -> str:
    """How far a shorter packing is out of question."""
    return "no packing is shorter" if optimal else f"a shorter packing saves at most {gap:.1%}"


def search_json(answer: SearchAnswer) -> dict[str, Any]:
    """The answer of `simdl search` by key, in base units."""
    packing = answer.packing
    return {
        "headline": headline(answer),
        "cluster": answer.cluster.name,
        "devices": answer.cluster.devices,
        "makespan": packing.makespan,
        "bound": packing.bound,
        "gap": packing.gap,
        "optimal": packing.optimal,
        "utilisation": answer.utilisation,
        "device_hours": device_hours(answer),
        "trials": [_placed_json(answer, *each) for each in placements(answer)],
    }


def _placed_json(
    answer: SearchAnswer, trial: Trial, choice: Choice, placed: Placed, devices: tuple[int, ...]
) -> dict[str, Any]:
    return {
        "name": trial.name,
        "model": trial.model,
        "length": trial.length,
        "start": placed.start,
        "end": placed.end,
        "time": placed.width.time,
        "steps": choice.steps,
        "step_time": choice.row["step_time"],
        "global_batch": choice.row["global_batch"],
        "plan": choice.row["plan"],
        "devices": list(devices),
        "nodes": list(placed.nodes),
        "choices": [
            {
                "devices": each.devices,
                "time": each.width.time if each.width else None,
                "plan": each.row.get("plan"),
                "reason": each.row.get("reason"),
            }
            for each in answer.choices[placed.job]
        ],
    }
