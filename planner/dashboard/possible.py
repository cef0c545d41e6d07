"""What the controls of a state offer and what its defaults stand for, as data for the browser.

The browser puts it into the controls as they stand (``offer`` of ``assets/dashboard.js``), so that nothing
that a user does meanwhile is lost.
"""

from typing import Any

from planner.dashboard.catalog import REFUSALS, Catalog, ask
from planner.dashboard.controls import precisions_of, slider_class, slider_marks
from planner.dashboard.positions import MENUS, SLIDERS, chosen_texts, faults, offers, run_by, without_left
from planner.dashboard.sides import asked_of, values_of
from planner.dashboard.state import HARDWARE, SIDES, State, Values
from planner.questions.question import Question


def possible(state: State, catalog: Catalog) -> dict[str, Any]:
    """Positions of sliders, options of menus, hints of what is left open, and what "auto" stands for.

    Keys: ``sliders`` (texts, class and title by control), ``menus`` (options), ``hints`` (placeholders),
    ``auto`` (texts), ``switches`` (whether they can be on).
    """
    data: dict[str, dict[str, Any]] = {"sliders": {}, "menus": {}, "hints": {}, "auto": {}, "switches": {}}
    for number, side in enumerate(SIDES[: len(state.strategies)]):
        try:
            asked = asked_of(state, number, catalog)
            question = ask(asked, catalog)
        except REFUSALS:
            continue  # the cards say why; what was offered before still is
        _strategy(data, side, question, asked.stack, state.strategies[number])
        run = run_by(question, asked.stack, state.strategies[number])
        if number == 0:
            _question(data, run)
        else:
            _hardware(data, run, state)
    return data


def _strategy(
    data: dict[str, dict[str, Any]], side: str, question: Question, stack: str | None, given: Values
) -> None:
    values = without_left(given, question.cluster.devices)
    found = offers(question, stack, values)
    for name in SLIDERS:
        offer = found[name]
        data["sliders"][f"{side}.{name}"] = {
            "texts": offer.texts,
            "marks": slider_marks(offer.texts),
            "className": slider_class(name, offer),
            "title": "; ".join(offer.withheld),
        }
    for name in MENUS:
        data["menus"][f"{side}.{name}"] = found[name].texts
    data["auto"] |= {f"{side}.{name}": text for name, text in chosen_texts(question, values).items()}
    on = values_of(values, sequence_parallel=True)
    possible_on = len(faults(question, stack, on)) <= len(faults(question, stack, values))
    data["switches"][f"{side}.sequence_parallel"] = possible_on or bool(values.get("sequence_parallel"))


def _question(data: dict[str, dict[str, Any]], question: Question) -> None:
    """What stands for what is left open of the question."""
    options, network = question.options, question.workload.network
    length = f"{network.tokens}" if network.sample == "sequence" else "none"
    named = {
        name: str(getattr(options, name)) for name in ("global_batch", "precision", "optimizer", "stack")
    }
    data["hints"] |= {name: f"auto: {text}" for name, text in {**named, "seq_len": length}.items()}
    data["menus"]["precision"] = precisions_of(question)


def _hardware(data: dict[str, dict[str, Any]], question: Question, state: State) -> None:
    """What stands for what B does not say of its hardware: A's, or what its devices run by default."""
    found = {
        "node": state.hardware.get("node", state.asked.node),
        "count": str(state.hardware.get("count", state.asked.count)),
        "precision": question.workload.precision.name,
        "stack": question.stack.name,
    }
    data["hints"] |= {f"{SIDES[1]}.{name}": f"auto: {found[name]}" for name in HARDWARE}
    data["menus"][f"{SIDES[1]}.precision"] = precisions_of(question)
