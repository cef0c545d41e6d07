"""Outcome: what a plan comes to under the criteria of a question: time, device-hours, money, energy.

    kept samples/s  = samples/s x goodput           (goodput 1 where failures do not count)
    training time   = samples of the horizon / kept samples/s
    device-hours    = devices x training time
    energy          = power of the step x training time
    money           = (price of the nodes + power x electricity) x training time

Work that failures undo, checkpoints and restarts draw what a step draws on average.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hardware.errors import HardwareError
from planner.money.criteria import COST, ENERGY, REGRET, TIME, TOKENS_PER_DOLLAR, Criteria
from planner.money.outlook import Outlook, outlook
from planner.money.price import HOUR, hardware_price
from planner.questions.question import Question
from simdl.power.device_power import JOULES
from simdl.power.step_power import StepPower, step_power
from simdl.report.step_report import StepReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a plan comes to.

    Attributes:
        devices: that it runs on.
        samples_per_s: kept, failures counted where they are given.
        tokens: of one sample; 0 where samples have none.
        power: what the cluster draws; None where no board power is published.
        cost_rate: [USD/s]; None without prices.
        training_time: [s] of the horizon; None without one.
        samples: trained in it.
        steps: trained in it.
        epochs: trained in it, where the horizon is of epochs.
        outlook: failures in it, where they count.
    """

    devices: int
    samples_per_s: float
    tokens: int
    power: StepPower | None
    cost_rate: float | None
    training_time: float | None = None
    samples: float | None = None
    steps: float | None = None
    epochs: float | None = None
    outlook: Outlook | None = None

    @property
    def goodput(self) -> float | None:
        """Share of the time that is training kept; None where failures do not count."""
        return None if self.outlook is None else self.outlook.goodput

    @property
    def device_hours(self) -> float | None:
        """[h] of devices."""
        return None if self.training_time is None else self.devices * self.training_time / HOUR

    @property
    def cost(self) -> float | None:
        """[USD] of the horizon."""
        both = self.training_time is not None and self.cost_rate is not None
        return self.training_time * self.cost_rate if both else None  # type: ignore[operator] # both are there

    @property
    def energy(self) -> float | None:
        """[J] of the horizon, hosts included."""
        both = self.training_time is not None and self.power is not None
        return self.training_time * self.power.total if both else None  # type: ignore[operator, union-attr]

    def score(self, objective: str) -> float:
        """What an objective makes least: [s], [USD] or [J] per sample.

        Raises:
            SimdlError, AssertionError: what the objective needs is not known.
        """
        per_sample = {TIME: 1.0, REGRET: 1.0, COST: self.cost_rate, TOKENS_PER_DOLLAR: self.cost_rate}
        rate = self.power.total if objective == ENERGY and self.power else per_sample.get(objective)
        assert rate is not None  # noqa: S101 - read_criteria() and find_outcome() refuse otherwise
        return rate / self.samples_per_s


def find_outcome(report: StepReport, question: Question, criteria: Criteria) -> Outcome:
    """What a simulated step comes to under criteria.

    Raises:
        SimdlError: there is no price for the cluster.
        HardwareError: energy is asked for or priced, and no board power of a device is published.
    """
    power = _power(report, question, criteria)
    prices, horizon = criteria.prices, criteria.horizon
    cost_rate = None
    if prices is not None:
        cost_rate = hardware_price(prices, question.cluster)
        if power is not None:
            cost_rate += power.total * prices.electricity * prices.overhead
    network = question.workload.network
    plain = Outcome(
        devices=question.cluster.devices,
        samples_per_s=report.samples_per_s,
        tokens=network.tokens if network.sample == "sequence" else 0,
        power=power,
        cost_rate=cost_rate,
    )
    return plain if horizon is None else _trained(plain, report, question, criteria)


def _power(report: StepReport, question: Question, criteria: Criteria) -> StepPower | None:
    try:
        return step_power(report, question.cluster)
    except HardwareError:
        prices = criteria.prices
        if criteria.asked.objective == ENERGY or (prices is not None and prices.electricity):
            raise
        return None


def _trained(plain: Outcome, report: StepReport, question: Question, criteria: Criteria) -> Outcome:
    """The outcome with what is trained within the horizon."""
    horizon, failures = criteria.horizon, criteria.failures(question)
    assert horizon is not None  # noqa: S101 - the caller has looked
    asked = horizon.samples / report.samples_per_s if horizon.samples is not None else horizon.time
    assert asked is not None  # noqa: S101 - a horizon has one of the two
    if failures is None:
        seconds, met = asked, None
    else:
        met = outlook(
            question.workload, question.cluster, step_time=report.step_time, horizon=asked, failures=failures
        )
        if horizon.samples is not None:
            if not met.goodput > 0:
                raise HardwareError(
                    f"{question.cluster.name}: fails every {met.mtbf:.4g} s, a checkpoint takes "
                    f"{met.checkpoint_time:.4g} s; expected failures that leave time to train"
                )
            met = outlook(
                question.workload,
                question.cluster,
                step_time=report.step_time,
                horizon=asked / met.goodput,
                failures=failures,
            )
        seconds = met.horizon
    kept = 1.0 if met is None else met.goodput
    samples = horizon.samples if horizon.samples is not None else seconds * kept * report.samples_per_s
    return Outcome(
        devices=plain.devices,
        samples_per_s=report.samples_per_s * kept,
        tokens=plain.tokens,
        power=plain.power,
        cost_rate=plain.cost_rate,
        training_time=seconds,
        samples=samples,
        steps=samples / question.workload.global_batch,
        epochs=horizon.epochs,
        outlook=met,
    )


def rates_json(outcome: Outcome) -> dict[str, Any]:
    """What a plan draws and costs as it runs, by key: [W], [J], [USD/s], [USD]."""
    power, cost = outcome.power, outcome.cost_rate
    each = outcome.tokens or 1
    per_s = outcome.samples_per_s * each
    return {
        "power": None if power is None else power.total,
        "device_power": None if power is None else power.devices / outcome.devices,
        "host_power": None if power is None else power.hosts / outcome.devices,
        "compute_utilisation": None if power is None else power.compute,
        "memory_utilisation": None if power is None else power.memory,
        "energy_per_sample": None if power is None else power.total / outcome.samples_per_s,
        "cost_per_second": cost,
        "cost_per_hour": None if cost is None else cost * HOUR,
        "tokens_per_dollar": None if cost is None or not outcome.tokens else per_s / cost,
        "samples_per_dollar": None if cost is None else outcome.samples_per_s / cost,
    }


def horizon_json(outcome: Outcome) -> dict[str, Any]:
    """The training of a horizon by key, in base units but for the hours and kWh that name their unit."""
    met, samples = outcome.outlook, outcome.samples
    assert samples is not None  # noqa: S101 - only asked where there is a horizon
    finite = {
        name: None if met is None or getattr(met, name) == float("inf") else getattr(met, name)
        for name in ("mtbf", "checkpoint_bytes", "checkpoint_time", "interval")
    }
    return {
        "horizon": outcome.training_time,
        "training_time": outcome.training_time,
        "steps": outcome.steps,
        "samples": samples,
        "tokens": samples * outcome.tokens if outcome.tokens else None,
        "epochs": outcome.epochs,
        "devices": outcome.devices,
        "device_hours": outcome.device_hours,
        "cost": outcome.cost,
        "energy": outcome.energy,
        "kwh": None if outcome.energy is None else outcome.energy / JOULES,
        "goodput": outcome.goodput,
        **finite,
    }


def outcome_notes(outcome: Outcome, question: Question, criteria: Criteria) -> Iterator[str]:
    """What an outcome assumes, sentences."""
    if criteria.horizon is not None:
        yield from criteria.horizon.assumed
        if outcome.outlook is None:
            yield "no failures (--device-mtbf, --node-mtbf and --restart count them)"
    if outcome.power is not None:
        yield "energy: " + ", ".join(outcome.power.notes) + "; switches and cooling are not counted"
    else:
        names = ", ".join(part.device.name for part in question.cluster.parts if not part.device.power)
        yield f"no energy: no board power of {names} is published"
