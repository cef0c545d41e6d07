"""What plans come to under the criteria of a question: JSON and tables."""

from collections.abc import Mapping
from typing import Any

import click

from hardware.units import format_quantity
from planner.console.format import format_duration, format_rate, format_seconds, format_strategy
from planner.console.options.training_options import training_json
from planner.console.output import print_table
from planner.money.criteria import TIME_TO_ACCURACY, Criteria
from planner.money.outcome import find_outcome, horizon_json, outcome_notes, rates_json
from planner.money.price import price_source
from planner.money.sizes import Comparison, Size
from planner.questions.question import Question
from planner.questions.strategy_file import strategy_json
from planner.search.plan import PlanResult
from workloads.datasets import Dataset, load_dataset

WHOLE = 1e4  # from which amounts have no decimals
FRONTS = {"time_devices": "time, devices", "time_cost": "time, cost"}


def add_money(data: dict[str, Any], question: Question, result: PlanResult, criteria: Criteria) -> None:
    """Give every plan of an answer its rates, and its horizon where one was asked for.

    Raises:
        SimdlError, HardwareError: a price or a power that is needed is not known.
    """
    asked = criteria.asked
    if asked.objective != TIME_TO_ACCURACY:
        data["objective"] = {"name": asked.objective}
    if criteria.horizon is None and criteria.prices is None and not asked.sized:
        return
    training, said = _epochs(criteria), dict[str, None]()
    for plan, told in zip(result.plans, data["plans"], strict=True):
        outcome = find_outcome(plan.report, question, criteria)
        told["rates"] = rates_json(outcome)
        if criteria.horizon is not None:
            told["horizon"] = horizon_json(outcome)
        if training is not None:
            told["training"] = training_json(question, told["samples_per_s"], training)
        said |= dict.fromkeys(outcome_notes(outcome, question, criteria))
    if criteria.prices is not None:
        data["prices"] = price_source(criteria.prices, question.cluster)
    data["money_assumptions"] = list(said)


def _epochs(criteria: Criteria) -> tuple[float, Dataset] | None:
    """The epochs that were asked for, and of what."""
    asked, horizon = criteria.asked, criteria.horizon
    if asked.epochs is not None and asked.dataset is not None:
        return asked.epochs, load_dataset(asked.dataset)
    if horizon is not None and horizon.epochs is not None and horizon.dataset is not None:
        return horizon.epochs, horizon.dataset
    return None


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Sizes side by side by key, and the indices of the Pareto fronts."""
    fronts = comparison.fronts
    return {
        "clusters": [
            {
                **_size_json(size, chosen=size is comparison.chosen),
                "fronts": [name for name, indices in fronts.items() if index in indices],
            }
            for index, size in enumerate(comparison.sizes)
        ],
        "pareto": {name: list(indices) for name, indices in comparison.fronts.items()},
    }


def _size_json(size: Size, *, chosen: bool) -> dict[str, Any]:
    cluster = size.cluster
    data: dict[str, Any] = {
        "cluster": cluster.name,
        "global_batch": size.question.workload.global_batch,
        "nodes": sum(part.count for part in cluster.parts),
        "devices": cluster.devices,
        "feasible": size.does,
        "late": size.late,
        "reason": size.reason,
        "chosen": chosen,
    }
    if size.plan is None or size.outcome is None:
        return data
    report, outcome = size.plan.report, size.outcome
    data |= {
        "step_time": report.step_time,
        "samples_per_s": report.samples_per_s,
        "tokens_per_s": report.tokens_per_s,
        "mfu": report.mfu,
        "peak_memory": report.peak_memory,
        "strategy": strategy_json(report.strategy),
        "strategy_text": format_strategy(report.strategy),
        "rates": rates_json(outcome),
    }
    return data if outcome.samples is None else data | {"horizon": horizon_json(outcome)}


def print_comparison(data: Mapping[str, Any], criteria: Criteria) -> None:
    """Sizes as a table, and which of them stand on a front."""
    sizes = data["clusters"]
    told = [_told(size) for size in sizes]
    names = [name for name in told[0] if any(each[name] for each in told)]
    fronts = data["pareto"]
    rows = []
    for index, (size, each) in enumerate(zip(sizes, told, strict=True)):
        on = "; ".join(FRONTS[name] for name, indices in fronts.items() if index in indices)
        mark = "best" if size["chosen"] else ""
        rows.append((mark, *(each[name] for name in names), on))
    by = "size" if criteria.asked.smallest or criteria.deadline else criteria.asked.objective
    print_table(("", *names, "Pareto front"), rows, title=f"clusters compared by {by}")


def _told(size: Mapping[str, Any]) -> dict[str, str]:
    """One size in words."""
    rates, horizon = size.get("rates", {}), size.get("horizon", {})
    step = size.get("step_time")
    return {
        "cluster": size["cluster"],
        "devices": f"{size['devices']:,}",
        "step": "" if step is None else format_seconds(step),
        **training_cells(horizon),
        "tokens/USD": _told_rate(rates.get("tokens_per_dollar")),
        "samples/USD": "" if rates.get("tokens_per_dollar") else _told_rate(rates.get("samples_per_dollar")),
        "power": "" if rates.get("power") is None else format_quantity(rates["power"], "power"),
        "strategy": size["reason"] if size["reason"] and step is None else size.get("strategy_text", ""),
        "deadline": "late" if size["late"] else "",
    }


def _told_rate(rate: float | None) -> str:
    return "" if rate is None else format_rate(rate)


def training_cells(horizon: Mapping[str, Any]) -> dict[str, str]:
    """Time, device-hours, money and energy of a training, in words; empty where they are not known."""

    def told(name: str, decimals: str = ",.4g") -> str:
        value = horizon.get(name)
        return "" if value is None else format(value, decimals if value < WHOLE else ",.0f")

    time = horizon.get("training_time")
    return {
        "training time": "" if time is None else format_duration(time),
        "device-hours": told("device_hours"),
        "USD": told("cost", ",.2f"),
        "kWh": told("kwh"),
        "goodput": told("goodput", ".2%"),
    }


def print_money(data: Mapping[str, Any], criteria: Criteria) -> None:
    """What the plans come to, and what that assumes."""
    plans = data["plans"]
    if plans and "horizon" in plans[0]:
        _print_horizon(plans, criteria)
    elif plans and criteria.prices is not None:
        _print_rates(plans)
    lines = [f"price: {sentence}" for sentence in data.get("prices", ())]
    lines += [f"assumed: {sentence}" for sentence in data.get("money_assumptions", ())]
    if lines:
        click.echo("\n".join(lines))


def money_clauses(data: Mapping[str, Any], criteria: Criteria) -> list[str]:
    """What the first plan comes to, in clauses of a sentence; none where nothing was asked."""
    plan = data["plans"][0] if data["plans"] else {}
    horizon, rates = plan.get("horizon"), plan.get("rates", {})
    if horizon is not None and criteria.horizon is not None:
        cells = training_cells(horizon)
        amounts = [f"{cells[name]} {name}" for name in ("device-hours", "USD", "kWh") if cells[name]]
        if criteria.horizon.time is None:
            what = criteria.horizon.text.replace("the target", "to the target")
            return [f"training {what} takes {', '.join((cells['training time'], *amounts))}"]
        unit = "samples" if horizon["tokens"] is None else "tokens"
        duration = format_duration(criteria.horizon.time)
        trained = f"in {duration} it trains {format_amount(horizon[unit])} {unit}"
        return [", ".join((trained, *amounts))]
    hourly = rates.get("cost_per_hour") if criteria.prices is not None else None
    return [] if hourly is None else [f"it costs {hourly:,.2f} USD an hour"]


def _print_horizon(plans: list[Mapping[str, Any]], criteria: Criteria) -> None:
    horizon = criteria.horizon
    timed = horizon is not None and horizon.time is not None
    cells = [training_cells(plan["horizon"]) for plan in plans]
    shown = [name for name in cells[0] if cells[0][name] and not (timed and name == "training time")]
    unit = "tokens" if plans[0]["horizon"]["tokens"] is not None else "samples"
    rows = [
        (
            str(rank),
            *(each[name] for name in shown),
            f"{plan['horizon']['steps']:,.0f}",
            format_amount(plan["horizon"][unit]),
        )
        for rank, (plan, each) in enumerate(zip(plans, cells, strict=True), start=1)
    ]
    text = horizon.text if horizon is not None else ""
    title = f"training of {text}"
    if timed and horizon is not None and horizon.time is not None:
        title = f"in {format_duration(horizon.time)}, failures included"
    print_table(("", *shown, "steps", unit), rows, title=title)
    _print_failures(plans[0]["horizon"])


def format_amount(amount: float) -> str:
    """Tokens or samples of a training to read: whole below ten million, else four digits."""
    if amount < 1e7:
        return f"{amount:,.0f}"
    size, unit = next((size, unit) for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M")) if amount >= size)
    return f"{amount / size:,.4g} {unit}"


def _print_failures(horizon: Mapping[str, Any]) -> None:
    if horizon["goodput"] is None or horizon["mtbf"] is None or horizon["interval"] is None:
        return
    size, every = format_quantity(horizon["checkpoint_bytes"], "bytes"), format_duration(horizon["interval"])
    click.echo(
        f"assumed: a failure every {format_duration(horizon['mtbf'])}, a checkpoint of {size} every {every}; "
        "simdl goodput takes other numbers"
    )


def _print_rates(plans: list[Mapping[str, Any]]) -> None:
    unit = "tokens" if plans[0]["rates"]["tokens_per_dollar"] is not None else "samples"
    rows = [
        (
            str(rank),
            f"{plan['rates']['cost_per_hour']:,.2f}",
            format_rate(plan["rates"][f"{unit}_per_dollar"]),
            "-" if plan["rates"]["power"] is None else format_quantity(plan["rates"]["power"], "power"),
        )
        for rank, plan in enumerate(plans, start=1)
    ]
    print_table(("", "USD/h", f"{unit}/USD", "power"), rows, title="what the plans cost")
