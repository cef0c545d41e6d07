"""What the sliders and menus of a strategy offer: what can be carried out with all else as it is.

Every value that model and cluster have room for is tried with the other settings kept, by the rules that
`simulate` refuses strategies with. Where nothing passes, because another setting is at fault, those are
offered that have the fewest reasons against them. What is chosen is always among them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from planner.dashboard.sides import refusals, values_of
from planner.dashboard.state import Values
from planner.questions.question import Question, for_strategy
from planner.questions.strategy_file import build_strategy
from planner.space.candidates import RECOMPUTE, recompute_modes
from simdl.divisors import divisors
from simdl.errors import StrategyError
from simdl.pipelines import PIPELINES
from simdl.step.strategy import Strategy
from simdl.step.strategy_notes import unsupported
from workloads.network import Network

AUTO: Mapping[str, str] = {"dp": "auto", "shard_degree": "all", "etp": "tp"}
"""Texts of a position that leaves the value out, by field: the devices that are left, all replicas, as tp."""
SLIDERS = (
    "dp",
    "tp",
    "pp",
    "cp",
    "ep",
    "etp",
    "micro_batch",
    "virtual_stages",
    "zero",
    "shard_degree",
)
EXPERTS = ("ep", "etp")
"""Sliders that only networks with experts have."""
MENUS = ("schedule", "recompute")
SAVERS = ("*x offload", "*x keep+optimizer", "*x full+optimizer", "*x full+optimizer+parameters")
"""Plans of memory savers that are suggested; others may be typed."""
CAUSES = 2  # values left out of which a reason is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a control offers.

    Attributes:
        texts: of the values, in order.
        withheld: why the nearest others are not offered, a sentence each.
    """

    texts: tuple[str, ...]
    withheld: tuple[str, ...] = ()


def offers(question: Question | None, stack: str | None, values: Values) -> dict[str, Offer]:
    """What every slider and menu offers, by field.

    Args:
        question: None where it is refused; then only what is chosen is offered.
        stack: as its user named it.
        values: of the strategy.
    """
    if question is None:
        return {name: _chosen_alone(name, values) for name in (*SLIDERS, *MENUS, "savers")}
    network, devices = question.workload.network, question.cluster.devices
    room = _room(network, devices, values)
    batch = question.workload.global_batch
    ranks = [each for each in divisors(devices) if each > 1]
    tried: dict[str, Iterable[int | str]] = {
        "dp": (),
        "tp": divisors(devices),
        "pp": [each for each in divisors(devices) if each <= network.depth],
        "cp": divisors(devices),
        "ep": divisors(network.experts) if network.experts else [1],
        "etp": _expert_tensor(network),
        "micro_batch": divisors(batch),
        "virtual_stages": room,
        "zero": range(4),
        "shard_degree": ranks,
        "schedule": sorted(PIPELINES),
        "recompute": [RECOMPUTE[index].value for index in recompute_modes(network)],
        "savers": SAVERS,
    }
    return {name: _offer(name, found, question, stack, values) for name, found in tried.items()}


def faults(question: Question, stack: str | None, values: Values) -> tuple[str, ...]:
    """Why values of a strategy cannot be carried out or the software does not offer them; empty if not."""
    try:
        strategy = build_strategy(values, question.cluster)
    except StrategyError as error:
        return tuple(error.reasons)
    asked = for_strategy(question, replace(question.options, stack=stack), strategy)
    return (*refusals(strategy, asked), *unsupported(strategy, asked.workload.network, asked.stack))


def run_by(question: Question, stack: str | None, values: Values) -> Question:
    """The question with the stack that usually runs values of a strategy; as it is where they are of none."""
    try:
        strategy = build_strategy(values, question.cluster)
    except StrategyError:
        return question
    return for_strategy(question, replace(question.options, stack=stack), strategy)


def chosen_texts(question: Question, values: Values) -> dict[str, str]:
    """What "auto" stands for, by field: devices that are left, replicas that share, the tensor degree."""
    try:
        strategy = build_strategy(values, question.cluster)
    except StrategyError:
        return {}
    return {
        "dp": f"auto: {strategy.dp}",
        "shard_degree": f"all: {strategy.replicas}",
        "etp": f"tp: {strategy.tp}",
    }


def without_left(values: Values, devices: int) -> Values:
    """Values without a dp that is what the other degrees leave of so many devices."""
    used = 1
    for name in ("dp", "tp", "pp", "cp", "split_degree"):
        used *= int(values.get(name, 1))
    return values_of(values, dp=None) if "dp" in values and used == devices else values


def position_of(name: str, texts: tuple[str, ...], values: Values) -> int:
    """Index of the value that is chosen."""
    return texts.index(_chosen(name, values))


def _expert_tensor(network: Network) -> list[int]:
    """Degrees that share an expert."""
    if not network.expert_divisors:
        return []
    common = [each for each in divisors(min(network.expert_divisors)) if each <= min(network.expert_divisors)]
    return [each for each in common if all(width % each == 0 for width in network.expert_divisors)]


def _room(network: Network, devices: int, values: Values) -> list[int]:
    """Virtual stages that hold equal numbers of the repeated block; any number where it does not divide."""
    pp = min(int(values.get("pp", 1)), devices)
    repeated = network.repeated[1]
    most = max(1, network.depth // pp)
    equal = [each for each in divisors(repeated // pp or 1) if each <= most] if repeated % pp == 0 else []
    return equal or [*range(1, most + 1)]


def _offer(
    name: str, tried: Iterable[int | str], question: Question, stack: str | None, values: Values
) -> Offer:
    against = {each: faults(question, stack, with_text(name, str(each), values)) for each in tried}
    fewest = 0
    if faults(question, stack, values):
        fewest = min(map(len, against.values()), default=0)
    kept = [each for each, found in against.items() if len(found) == fewest]
    chosen = _chosen(name, values)
    texts = [*map(str, kept)]
    if name not in {*MENUS, "savers"}:
        numbers = {*kept, *([int(chosen)] if chosen.isdecimal() else [])}
        texts = [*([AUTO[name]] if name in AUTO else []), *map(str, sorted(numbers, key=int))]
    withheld = [f"not {each}: {found[0]}" for each, found in against.items() if len(found) > fewest]
    return Offer(
        texts=tuple(dict.fromkeys([*texts, *([chosen] if chosen else [])])), withheld=tuple(withheld[:CAUSES])
    )


def _chosen_alone(name: str, values: Values) -> Offer:
    chosen = _chosen(name, values)
    return Offer(texts=tuple(dict.fromkeys([*([AUTO[name]] if name in AUTO else []), chosen])))


def _chosen(name: str, values: Values) -> str:
    """The text of the value that is chosen."""
    plain = getattr(Strategy(), name)
    value = values.get(name, "" if name == "dp" else plain)
    if name in AUTO and value in {"", 0}:
        return AUTO[name]
    return str(getattr(value, "value", value))


def nearest_fixes(question: Question, stack: str | None, values: Values) -> Iterator[Values]:
    """Values of one change that can be carried out, the smallest change of each setting.

    Where no change suffices alone: one after the other, each that leaves the fewest reasons.
    """
    single = list(_changes(question, stack, values))
    found = False
    for left, changed in single:
        if not left:
            found = True
            yield changed
    now = len(faults(question, stack, values))
    while not found and single:
        fewest, changed = min(single, key=lambda each: each[0])
        if fewest >= now:
            return
        if not fewest:
            yield changed
            return
        now, single = fewest, list(_changes(question, stack, changed))


def _changes(question: Question, stack: str | None, values: Values) -> Iterator[tuple[int, Values]]:
    """The smallest change of each setting among those of fewest reasons, with their number."""
    found = offers(question, stack, values)
    for name in (*SLIDERS, *MENUS):
        texts = found[name].texts
        place = position_of(name, texts, values) if name in SLIDERS else 0  # the first of a menu is usual
        chosen = texts[position_of(name, texts, values)]
        others = [text for text in texts if text != chosen]
        others.sort(key=lambda each: abs(texts.index(each) - place))
        tried = [with_text(name, text, values) for text in others]
        if tried:
            yield min(
                ((len(faults(question, stack, each)), each) for each in tried), key=lambda each: each[0]
            )
    for name, value in _TURNS:
        changed = values_of(values, **{name: value})
        if changed != values:
            yield len(faults(question, stack, changed)), changed


_TURNS = (
    ("sequence_parallel", True),
    ("sequence_parallel", None),
    ("stages", None),
    ("shares", None),
    ("splits", None),
    ("split_degree", None),
    ("savers", None),
    ("compression", None),
    ("recompute_layers", None),
)
"""Settings that are turned on or left out to see whether all else can be carried out."""


def with_text(name: str, text: str, values: Values) -> Values:
    """Values with another of one setting; a rank alone has nobody to share the residual stream with."""
    if text == AUTO.get(name):
        return values_of(values, **{name: None})
    changed = values_of(values, **{name: int(text) if text.isdecimal() else text})
    alone = name == "tp" and text == "1"
    return values_of(changed, sequence_parallel=None) if alone else changed
